//! The steps of a sequence: documents of one query, or of one or two mutations, with random variables.
//!
//! Variables may contain references that are resolved when their step is executed: `#3` is the id of an article that
//! exists or existed, `@3` a cursor of a page that was received, and `=0` the current version of the article that the
//! mutation changes.

use serde_json::Value;

/// One document.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// How far the clock advances before the step, in microseconds.
    pub(super) micros: i64,
    pub(super) calls: Vec<Call>,
    /// One bit per selectable field.
    pub(super) selected: u32,
}

/// A field of the root, and its arguments.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) field: &'static str,
    pub(super) arguments: Value,
}

pub(super) const FIELDS: [&str; 7] = [
    "id",
    "title",
    "slug",
    "text",
    "createdAt",
    "updatedAt",
    "version",
];
/// The selectable fields of a connection, besides those of its articles. Their bits follow those of [`FIELDS`].
pub(super) const CONNECTION_FIELDS: [&str; 7] = [
    "edges",
    "nodes",
    "totalCount",
    "hasNextPage",
    "hasPreviousPage",
    "startCursor",
    "endCursor",
];

impl Step {
    /// The document. The names of the variables end with the index of their call.
    pub(super) fn document(&self) -> String {
        let (mut declared, mut selected) = (Vec::new(), Vec::new());
        for (index, Call { field, arguments }) in self.calls.iter().enumerate() {
            let mut given = Vec::new();
            for name in arguments.as_object().unwrap().keys() {
                declared.push(format!("${name}{index}: {}", argument_type(field, name)));
                given.push(format!("{name}: ${name}{index}"));
            }
            let given = given.join(", ");
            selected.push(format!("a{index}: {field}({given}) {}", self.fields(field)));
        }
        let kind = if self.is_mutation() {
            "mutation"
        } else {
            "query"
        };
        format!(
            "{kind}({}) {{ {} }}",
            declared.join(", "),
            selected.join(" ")
        )
    }

    pub(super) fn is_mutation(&self) -> bool {
        let field = self.calls[0].field;
        ["create", "update", "delete"]
            .iter()
            .any(|verb| field.starts_with(verb))
    }

    /// Whether a field of the list `fields` is selected.
    pub(super) fn selects(&self, field: &str) -> bool {
        let all = FIELDS.iter().chain(&CONNECTION_FIELDS);
        all.zip(0..)
            .any(|(name, bit)| *name == field && self.selected >> bit & 1 == 1)
            // At least one must be selected.
            || field == "id"
            || field == "totalCount" && self.selected >> 7 == 0
    }

    fn fields(&self, field: &str) -> String {
        let chosen = |names: &[&str]| {
            let names: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| self.selects(name))
                .collect();
            names.join(" ")
        };
        let article = format!("{{ {} }}", chosen(&FIELDS));
        match field {
            "node" | "nodes" => format!("{{ ... on Article {article} }}"),
            "articlesConnection" => {
                let mut parts = vec![chosen(&["totalCount"])];
                if self.selects("edges") {
                    parts.push(format!("edges {{ cursor node {article} }}"));
                }
                if self.selects("nodes") {
                    parts.push(format!("nodes {article}"));
                }
                let page_info = chosen(&CONNECTION_FIELDS[3..]);
                if !page_info.is_empty() {
                    parts.push(format!("pageInfo {{ {page_info} }}"));
                }
                format!("{{ {} }}", parts.join(" "))
            }
            _ => article,
        }
    }

    /// The response, with articles that `RELEVANCE` ordered in one fixed order.
    pub(super) fn without_order(&self, mut answer: Value) -> Value {
        let sort = |list: &mut Value| {
            if let Value::Array(items) = list {
                items.sort_by_key(Value::to_string);
            }
        };
        let relevance = self.calls[0].arguments["orderBy"] == "RELEVANCE";
        if let Some(call) = answer.pointer_mut("/data/a0").filter(|_| relevance) {
            sort(call);
            if let Some(nodes) = call.get_mut("nodes") {
                sort(nodes);
            }
            // The cursors are positions, and keep their order.
            if let Some(Value::Array(edges)) = call.get_mut("edges") {
                let mut nodes: Value = edges.iter_mut().map(|edge| edge["node"].take()).collect();
                sort(&mut nodes);
                for (edge, node) in edges.iter_mut().zip(nodes.as_array().unwrap()) {
                    edge["node"] = node.clone();
                }
            }
        }
        answer
    }
}

fn argument_type(field: &str, name: &str) -> &'static str {
    match (field, name) {
        ("createArticle", "input") => "CreateArticleInput!",
        ("updateArticle", "input") => "UpdateArticleInput!",
        (_, "inputs") => "[CreateArticleInput!]!",
        (_, "by") => "ArticleBy!",
        (_, "id") => "ID!",
        (_, "ids") => "[ID!]!",
        (_, "expectedVersion" | "first" | "last") => "Int",
        (_, "limit" | "offset") => "Int!",
        (_, "after" | "before") => "String",
        (_, "filter") => "ArticleFilter",
        (_, "orderBy") => "ArticleOrder!",
        _ => panic!("{field} has no argument {name}"),
    }
}

/// A word and its form in a slug. Both stemmers leave them unchanged.
pub(super) const WORDS: [(&str, &str); 15] = [
    ("zorb", "zorb"),
    ("Zorb", "zorb"),
    ("wug", "wug"),
    ("WUG", "wug"),
    ("tarn", "tarn"),
    ("été", "ete"),
    ("ÉTÉ", "ete"),
    ("Maß", "mass"),
    ("ΟΔΟΣ", "odos"),
    ("日本", "ri-ben"),
    ("42", "42"),
    ("İ", "i"),
    ("%", ""),
    ("_", ""),
    (LONG, LONG),
];

/// Instants as inputs, and in microseconds since 1970.
pub(super) const INSTANTS: [(&str, i64); 8] = [
    ("2026-01-31T09:30:00Z", 1_769_851_800_000_000),
    ("2026-01-31T11:30:00+02:00", 1_769_851_800_000_000),
    ("2026-01-31T09:30:00.000001Z", 1_769_851_800_000_001),
    ("2026-01-31T09:30:00.0000019Z", 1_769_851_800_000_001),
    ("2026-01-31T09:30:00.000002-00:00", 1_769_851_800_000_002),
    ("1969-12-31T23:59:59.9999999Z", -1),
    ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
];

pub(super) const LONG: &str = "kvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvlkvl";
