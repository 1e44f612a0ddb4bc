//! Generates valid and invalid requests from a schema: the same requests for the same seed.
//!
//! Names come from small pools, so that response keys, fragments and variables collide often. Mistakes are deliberate,
//! and rare enough that about half of the requests are valid.

mod literals;
mod mistakes;
mod random;
mod variables;

use std::fmt::Write as _;

use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use apollo_compiler::{Name, Node, Schema};
use serde_json::{Map, Value, json};

use self::random::Random;

/// A request to a GraphQL server.
pub(crate) struct Request {
    pub(crate) query: String,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: Value,
}

pub(crate) struct Generator {
    schema: Schema,
    random: Random,
    /// One in this number of choices is a deliberate mistake; 0 for none.
    mistakes: u64,
    variables: Vec<Variable>,
    fragments: Vec<Fragment>,
}

struct Variable {
    name: String,
    ty: String,
    default: Option<String>,
    /// The type that the value is generated for; `ty` may differ from it, as a mistake.
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

    /// A type condition that a fragment on `parent` may have, or occasionally one that it may not.
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

    /// The name of a fragment that fits: an existing one or a new one.
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
        // With an alias of its own, because most requests with arguments would otherwise be rejected for conflicting
        // fields.
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

    /// `@skip` and `@include`, but not at the root of a subscription, where they are not allowed.
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

    /// Directives that are never valid here, as often as other mistakes.
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
}
