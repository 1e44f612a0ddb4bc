//! Makes requests from a schema, valid and invalid: the same ones for the same seed.
//!
//! Names come from small pools, so that response keys, fragments and variables collide often. Mistakes are made on
//! purpose, few enough that about half of the requests are valid.

use std::fmt::Write as _;

use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use apollo_compiler::{Name, Node, Schema};
use serde_json::{Map, Value, json};

/// A request to a GraphQL server.
pub(crate) struct Request {
    pub(crate) query: String,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: Value,
}

pub(crate) struct Generator {
    schema: Schema,
    random: Random,
    /// One in so many choices is a mistake in this request; 0 for never.
    mistakes: u64,
    variables: Vec<Variable>,
    fragments: Vec<Fragment>,
}

struct Variable {
    name: String,
    ty: String,
    default: Option<String>,
    /// The variables of conditions have values that decide.
    base: Type,
}

struct Fragment {
    name: String,
    condition: String,
    body: String,
}

impl Generator {
    pub(crate) fn new(sdl: &str, seed: u64) -> Self {
        // The parser does not know this directive, whether or not the schema defines what it uses.
        let mut sdl = sdl.to_owned();
        if !sdl.contains("directive @oneOf") {
            sdl.push_str("\ndirective @oneOf on INPUT_OBJECT\n");
        }
        let schema = Schema::parse(sdl, "schema.graphql").unwrap();
        Self {
            schema,
            random: Random(seed),
            mistakes: 0,
            variables: Vec::new(),
            fragments: Vec::new(),
        }
    }

    pub(crate) fn requests(&mut self, count: usize) -> Vec<Request> {
        (0..count).map(|_| self.request()).collect()
    }

    fn request(&mut self) -> Request {
        self.mistakes = [0, 0, 0, 60, 25][self.random.below(5)];
        self.variables.clear();
        self.fragments.clear();
        let count = if self.random.one_in(8) { 2 } else { 1 };
        let mut operations = String::new();
        let mut names = Vec::new();
        for index in 0..count {
            let (keyword, root) = match self.random.below(8) {
                0 | 1 => ("mutation", "Mutation"),
                2 => ("subscription", "Subscription"),
                _ => ("query", "Query"),
            };
            let body = self.selections(root, 0);
            let name = if count > 1 || self.random.one_in(3) {
                format!("Operation{index}")
            } else {
                String::new()
            };
            let description = if self.random.one_in(20) {
                "\"\"\"é \\\"\"\" query\"\"\""
            } else {
                ""
            };
            let _ = writeln!(
                operations,
                "{description}{keyword} {name}{}{} {body}",
                self.definitions(),
                self.directives(30)
            );
            names.push(name);
            if index == 0 && count > 1 && self.random.one_in(2) {
                self.variables.clear();
            }
        }
        let mut query = operations;
        for fragment in &self.fragments {
            let _ = writeln!(
                query,
                "fragment {} on {} {}",
                fragment.name, fragment.condition, fragment.body
            );
        }
        if self.mistakes > 0 && self.random.one_in(4) {
            query = self.disturb(&query);
        }
        let operation_name = (count > 1 || self.random.one_in(10))
            .then(|| names[self.random.below(names.len())].clone());
        Request {
            query,
            operation_name: operation_name.filter(|name| !name.is_empty()),
            variables: self.values(),
        }
    }

    fn mistake(&mut self) -> bool {
        self.mistakes > 0 && self.random.below(usize::try_from(self.mistakes).unwrap()) == 0
    }

    fn selections(&mut self, parent: &str, depth: usize) -> String {
        let count = 1 + self
            .random
            .below(if parent == "Subscription" { 2 } else { 4 });
        let mut text = "{ ".to_owned();
        for _ in 0..count {
            let selection = self.selection(parent, depth);
            text.push_str(&selection);
            text.push(' ');
        }
        text.push('}');
        text
    }

    fn selection(&mut self, parent: &str, depth: usize) -> String {
        match self.random.below(10) {
            0 | 1 if depth < 5 => {
                let condition = self.condition(parent);
                let on = condition
                    .as_ref()
                    .map(|condition| format!(" on {condition}"))
                    .unwrap_or_default();
                let directives = self.conditions(parent, depth);
                let body = self.selections(condition.as_deref().unwrap_or(parent), depth + 1);
                format!("...{on}{directives} {body}")
            }
            2 if depth < 5 => {
                let name = self.fragment(parent, depth);
                format!("...{name}{}", self.conditions(parent, depth))
            }
            _ => self.field(parent, depth),
        }
    }

    /// A type that a fragment on `parent` may have; now and then one that it may not.
    fn condition(&mut self, parent: &str) -> Option<String> {
        if self.mistake() {
            return Some(
                ["Article", "PageInfo", "Node", "ArticleFilter", "Missing"][self.random.below(5)]
                    .to_owned(),
            );
        }
        let narrower = match parent {
            "Node" => &["Article", "Node"][..],
            "Article" => &["Article", "Node", "Article"][..],
            other => return self.random.one_in(2).then(|| other.to_owned()),
        };
        (!self.random.one_in(3)).then(|| narrower[self.random.below(narrower.len())].to_owned())
    }

    /// The name of a fragment that fits, an old one or a new one.
    fn fragment(&mut self, parent: &str, depth: usize) -> String {
        if self.mistake() {
            return ["F0", "F1", "Missing"][self.random.below(3)].to_owned();
        }
        let condition = self.condition(parent).unwrap_or_else(|| parent.to_owned());
        let fitting: Vec<String> = self
            .fragments
            .iter()
            .filter(|fragment| fragment.condition == condition && !fragment.body.is_empty())
            .map(|fragment| fragment.name.clone())
            .collect();
        if !fitting.is_empty() && self.random.one_in(2) {
            return fitting[self.random.below(fitting.len())].clone();
        }
        let index = self.fragments.len();
        let name = format!("F{index}");
        self.fragments.push(Fragment {
            name: name.clone(),
            condition: condition.clone(),
            body: String::new(),
        });
        let body = self.selections(&condition, depth + 1);
        self.fragments[index].body = body;
        name
    }

    fn field(&mut self, parent: &str, depth: usize) -> String {
        let mut alias = if self.random.one_in(12) {
            format!("{}: ", ["a", "b", "id"][self.random.below(3)])
        } else {
            String::new()
        };
        if self.mistake() {
            return format!("{alias}missing");
        }
        if (self.random.one_in(12) && parent != "Subscription") || !self.has_fields(parent) {
            return format!("{alias}__typename{}", self.conditions(parent, depth));
        }
        if parent == "Query" && self.random.one_in(25) {
            return format!(
                "{alias}__type(name: \"ArticleBy\") {{ name fields {{ name args {{ name }} }} }}"
            );
        }
        let definition = self.definition(parent, depth);
        let arguments = self.arguments(&definition);
        // Else most requests with arguments would be nothing but conflicts.
        if !arguments.is_empty() && !self.random.one_in(4) {
            alias = format!("x{}: ", self.random.below(1_000));
        }
        let directives = self.conditions(parent, depth);
        let inner = definition.ty.inner_named_type().clone();
        let composite = self.has_fields(&inner);
        let has_body = composite != self.mistake();
        let body = if has_body {
            if composite {
                self.selections(&inner, depth + 1)
            } else {
                "{ id }".to_owned()
            }
        } else {
            String::new()
        };
        format!("{alias}{}{arguments}{directives} {body}", definition.name)
    }

    fn has_fields(&self, ty: &str) -> bool {
        matches!(
            self.schema.types.get(ty),
            Some(ExtendedType::Object(_) | ExtendedType::Interface(_))
        )
    }

    fn definition(&mut self, parent: &str, depth: usize) -> Node<FieldDefinition> {
        let fields: Vec<_> = match self.schema.types.get(parent) {
            Some(ExtendedType::Object(object)) => object
                .fields
                .values()
                .map(|field| field.node.clone())
                .collect(),
            Some(ExtendedType::Interface(interface)) => interface
                .fields
                .values()
                .map(|field| field.node.clone())
                .collect(),
            _ => Vec::new(),
        };
        let leaves: Vec<_> = fields
            .iter()
            .filter(|field| !self.has_fields(field.ty.inner_named_type()))
            .cloned()
            .collect();
        let pool = if depth > 4 && !leaves.is_empty() {
            leaves
        } else {
            fields
        };
        pool[self.random.below(pool.len())].clone()
    }

    fn arguments(&mut self, definition: &FieldDefinition) -> String {
        let mut arguments = Vec::new();
        for argument in &definition.arguments {
            let given = if argument.is_required() {
                !self.mistake()
            } else {
                self.random.one_in(3)
            };
            if given {
                let value = self.value(&argument.ty, argument.default_value.is_some(), 0);
                arguments.push(format!("{}: {value}", argument.name));
                if self.mistake() {
                    arguments.push(format!("{}: {value}", argument.name));
                }
            }
        }
        if self.mistake() {
            arguments.push("missing: 1".to_owned());
        }
        if arguments.is_empty() {
            String::new()
        } else {
            format!("({})", arguments.join(", "))
        }
    }

    /// A literal or a variable.
    fn value(&mut self, ty: &Type, has_default: bool, depth: usize) -> String {
        if self.mistake() {
            let wrong = [
                "1",
                "1.5",
                "\"a\"",
                "true",
                "null",
                "[]",
                "[1]",
                "[[\"a\"]]",
                "{}",
                "{ id: 1 }",
                "CREATED_AT_ASC",
                "$missing",
                "99999999999",
                "-1",
            ];
            return wrong[self.random.below(wrong.len())].to_owned();
        }
        if self.random.one_in(4) {
            return self.variable(ty, has_default);
        }
        if !ty.is_non_null() && self.random.one_in(12) {
            return "null".to_owned();
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                if self.random.one_in(5) {
                    return self.value(item, false, depth);
                }
                let items: Vec<String> = (0..self.random.below(3))
                    .map(|_| self.value(item, false, depth + 1))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            Type::Named(name) | Type::NonNullNamed(name) => self.literal(name, depth),
        }
    }

    fn literal(&mut self, name: &Name, depth: usize) -> String {
        match self.schema.types.get(name).cloned() {
            Some(ExtendedType::InputObject(definition)) => {
                let one_of = definition.directives.has("oneOf");
                let fields: Vec<_> = definition.fields.values().cloned().collect();
                let chosen = self.random.below(fields.len().max(1));
                let mut given = Vec::new();
                for (index, field) in fields.iter().enumerate() {
                    let wanted = if one_of {
                        (index == chosen) != self.mistake()
                    } else if field.is_required() {
                        !self.mistake()
                    } else {
                        depth < 3 && self.random.one_in(4)
                    };
                    if wanted {
                        let ty = if one_of && !self.mistake() {
                            Type::clone(&field.ty).non_null()
                        } else {
                            (*field.ty).clone()
                        };
                        given.push(format!(
                            "{}: {}",
                            field.name,
                            self.value(&ty, field.default_value.is_some(), depth + 1)
                        ));
                    }
                }
                if self.mistake() {
                    given.push("title: \"a\"".to_owned());
                }
                format!("{{{}}}", given.join(", "))
            }
            Some(ExtendedType::Enum(definition)) => {
                let values: Vec<_> = definition.values.keys().collect();
                values[self.random.below(values.len())].to_string()
            }
            _ => match name.as_str() {
                "Int" => ["0", "1", "2", "-0", "2147483647"][self.random.below(5)].to_owned(),
                "Boolean" => ["true", "false"][self.random.below(2)].to_owned(),
                "ID" => ["1", "\"1\"", "\"a\"", "0"][self.random.below(4)].to_owned(),
                _ => [
                    "\"a\"",
                    "\"\"",
                    "\"\\u{1F600}\"",
                    "\"😀 \\n\\\"\"",
                    "\"\"\"\n  a\n    \\\"\"\" b\n\"\"\"",
                    "\"\\u00e9\"",
                    "\"\\uD83D\\uDE00\"",
                ][self.random.below(7)]
                .to_owned(),
            },
        }
    }

    /// A variable that is defined for this place, or an old one that may fit.
    fn variable(&mut self, ty: &Type, has_default: bool) -> String {
        let same: Vec<String> = self
            .variables
            .iter()
            .filter(|variable| variable.base.inner_named_type() == ty.inner_named_type())
            .map(|variable| variable.name.clone())
            .collect();
        if !same.is_empty() && (self.mistake() || (self.random.one_in(12))) {
            return format!("${}", same[self.random.below(same.len())]);
        }
        let name = format!("v{}", self.variables.len());
        let nullable = ty.clone().nullable();
        let default = self.random.one_in(4).then(|| self.constant(ty));
        let may_be_nullable = !ty.is_non_null()
            || has_default
            || default.as_deref().is_some_and(|text| text != "null");
        let written = if self.mistake() {
            [
                "Int",
                "String!",
                "[ID!]!",
                "ArticleFilter",
                "Article",
                "Missing",
                "[[Int]]",
            ][self.random.below(7)]
            .to_owned()
        } else if may_be_nullable && !self.random.one_in(4) {
            nullable.to_string()
        } else {
            ty.clone().non_null().to_string()
        };
        self.variables.push(Variable {
            name: name.clone(),
            ty: written,
            default,
            base: ty.clone(),
        });
        format!("${name}")
    }

    /// A literal without variables.
    fn constant(&mut self, ty: &Type) -> String {
        loop {
            let before = self.variables.len();
            let text = self.value(ty, false, 2);
            self.variables.truncate(before);
            if !text.contains('$') || self.mistake() {
                return text;
            }
        }
    }

    fn definitions(&mut self) -> String {
        if self.mistake() {
            self.variables.push(Variable {
                name: "unused".to_owned(),
                ty: "Int".to_owned(),
                default: None,
                base: Type::Named(apollo_compiler::name!("Int")),
            });
        }
        if self.variables.is_empty() {
            return String::new();
        }
        let definitions: Vec<String> = self
            .variables
            .iter()
            .map(|variable| {
                let default = variable
                    .default
                    .as_ref()
                    .map(|default| format!(" = {default}"))
                    .unwrap_or_default();
                let description = if default.is_empty() {
                    ""
                } else {
                    "\"described\" "
                };
                format!("{description}${}: {}{default}", variable.name, variable.ty)
            })
            .collect();
        format!("({})", definitions.join(", "))
    }

    /// Conditions, but not at the root of a subscription, where they are not allowed.
    fn conditions(&mut self, parent: &str, depth: usize) -> String {
        if parent == "Subscription" || depth == 0 && self.random.one_in(2) {
            return String::new();
        }
        let mut text = String::new();
        for name in ["skip", "include"] {
            if self.random.one_in(12) {
                let condition = Type::NonNullNamed(apollo_compiler::name!("Boolean"));
                let value = self.value(&condition, false, 0);
                let _ = write!(text, " @{name}(if: {value})");
            }
        }
        text.push_str(&self.directives(60));
        text
    }

    /// Directives that are never right here, one in so many times where mistakes are made.
    fn directives(&mut self, seldom: usize) -> String {
        if self.mistakes > 0 && self.random.one_in(seldom) {
            let wrong = [
                " @missing",
                " @deprecated",
                " @skip",
                " @skip(if: true) @skip(if: true)",
                " @include(unless: 1)",
                " @oneOf",
            ];
            return wrong[self.random.below(wrong.len())].to_owned();
        }
        String::new()
    }

    /// Deletes, doubles or swaps a few pieces of the text.
    fn disturb(&mut self, query: &str) -> String {
        let mut words: Vec<String> = query.split(' ').map(ToOwned::to_owned).collect();
        for _ in 0..=self.random.below(2) {
            let at = self.random.below(words.len());
            let other = self.random.below(words.len());
            match self.random.below(6) {
                0 => drop(words.remove(at)),
                1 => words.insert(at, words[other].clone()),
                2 => words.swap(at, other),
                3 => "\"".clone_into(&mut words[at]),
                4 => words[at].push_str(
                    [
                        "}", "{", "$", "...", "@", ")", "é", "\u{FEFF}", "# ", "1a", "\"\"\"", "&",
                    ][self.random.below(12)],
                ),
                _ => {
                    let wrong = [
                        "1.",
                        "01",
                        "\"\\x\"",
                        "\"\\uD800\"",
                        "on",
                        "null",
                        "true",
                        "fragment",
                        "a:",
                        "-",
                        "1e5",
                    ];
                    wrong[self.random.below(11)].clone_into(&mut words[at]);
                }
            }
            if words.is_empty() {
                break;
            }
        }
        words.join(" ")
    }

    /// Values for the variables, some left out, some wrong.
    fn values(&mut self) -> Value {
        let mut values = Map::new();
        let variables: Vec<(String, Type, bool)> = self
            .variables
            .iter()
            .map(|variable| {
                (
                    variable.name.clone(),
                    variable.base.clone(),
                    variable.ty.ends_with('!') && variable.default.is_none(),
                )
            })
            .collect();
        for (name, base, required) in variables {
            if required && !self.mistake() || !self.random.one_in(3) {
                let ty = if required && !self.random.one_in(20) {
                    base.non_null()
                } else {
                    base
                };
                let value = self.json(&ty, 0);
                values.insert(name, value);
            }
        }
        if self.random.one_in(10) {
            values.insert("unknown".to_owned(), json!({ "a": 1 }));
        }
        Value::Object(values)
    }

    fn json(&mut self, ty: &Type, depth: usize) -> Value {
        if self.mistake() || self.random.one_in(25) {
            let wrong = [
                json!(1),
                json!(1.5),
                json!("a"),
                json!(true),
                json!(null),
                json!([]),
                json!([null]),
                json!({}),
                json!({"id": 1, "slug": "a"}),
                json!(99_999_999_999_u64),
                json!(3.0),
                json!([[1]]),
            ];
            return wrong[self.random.below(wrong.len())].clone();
        }
        if !ty.is_non_null() && self.random.one_in(8) {
            return Value::Null;
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => {
                if self.random.one_in(5) {
                    return self.json(item, depth);
                }
                (0..self.random.below(3))
                    .map(|_| self.json(item, depth + 1))
                    .collect()
            }
            Type::Named(name) | Type::NonNullNamed(name) => self.json_named(name, depth),
        }
    }

    fn json_named(&mut self, name: &Name, depth: usize) -> Value {
        match self.schema.types.get(name).cloned() {
            Some(ExtendedType::InputObject(definition)) => {
                let one_of = definition.directives.has("oneOf");
                let fields: Vec<_> = definition.fields.values().cloned().collect();
                let chosen = self.random.below(fields.len().max(1));
                let mut given = Map::new();
                for (index, field) in fields.iter().enumerate() {
                    let wanted = if one_of {
                        index == chosen
                    } else {
                        field.is_required() || (depth < 3 && self.random.one_in(4))
                    };
                    if wanted {
                        let ty = if one_of {
                            Type::clone(&field.ty).non_null()
                        } else {
                            (*field.ty).clone()
                        };
                        given.insert(field.name.to_string(), self.json(&ty, depth + 1));
                    }
                }
                Value::Object(given)
            }
            Some(ExtendedType::Enum(definition)) => {
                let values: Vec<_> = definition.values.keys().collect();
                json!(values[self.random.below(values.len())].as_str())
            }
            _ => match name.as_str() {
                "Int" => json!([0, 1, 2, 2_147_483_647][self.random.below(4)]),
                "Boolean" => json!(self.random.one_in(2)),
                "ID" => [json!(1), json!("1"), json!("a")][self.random.below(3)].clone(),
                _ => json!(["a", "", "😀\n\""][self.random.below(3)]),
            },
        }
    }
}

/// `SplitMix64`: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}
