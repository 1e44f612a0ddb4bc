//! Depth, aliases, root fields and complexity of a normalized operation. Only complexity depends on the request, because
//! page sizes may come from variables.
//!
//! A field costs 1. The selections of a list cost as often as its page has items; a connection's page applies to the
//! lists directly below it (`edges`, `nodes`). The arguments of [`Pages::arguments`] give the size of a page.

use apollo_compiler::ast::Value;
use async_graphql::{Name, Value as EngineValue, Variables};

use super::Limits;
use super::fragments::is_introspection;
use super::normalize::{Field, Selection};
use super::request_error::RequestError;
use super::settings::Pages;

/// The complexity of a normalized operation, as a function of the sizes of its pages.
#[derive(Debug, Default)]
pub(super) struct Complexity {
    fields: u64,
    lists: Vec<(Page, Complexity)>,
}

/// The number of items in a list.
#[derive(Debug, Clone, Default)]
struct Page {
    /// The largest of the sizes that the document or the schema gives.
    literal: Option<u64>,
    /// Variables that give a size, with the argument's default for when they are left out.
    variables: Vec<(Name, Option<u64>)>,
}

/// Checks a normalized operation against the limits that do not depend on variables, and measures its complexity.
pub(super) fn measure(
    selections: &[Selection<'_>],
    limits: &Limits,
    pages: &Pages,
) -> Result<Complexity, RequestError> {
    let mut totals = Totals::default();
    totals.visit(selections, 1);
    let root_fields = selections.len() as u64;
    RequestError::check_limit(
        "rootFields",
        "number of root fields",
        limits.root_fields as u64,
        root_fields,
    )?;
    RequestError::check_limit("depth", "depth", limits.depth as u64, totals.depth)?;
    RequestError::check_limit(
        "aliases",
        "number of aliases",
        limits.aliases as u64,
        totals.aliases,
    )?;
    let mut complexity = Complexity::default();
    complexity.add(selections, None, pages);
    Ok(complexity)
}

#[derive(Default)]
struct Totals {
    depth: u64,
    aliases: u64,
}

impl Totals {
    fn visit(&mut self, selections: &[Selection<'_>], depth: u64) {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    self.depth = self.depth.max(depth);
                    self.aliases += u64::from(field.node.alias.is_some());
                    // The usual introspection query is deeper than any other and cannot be made shallow.
                    let below = if depth == 0 || is_introspection(&field.node.name) {
                        0
                    } else {
                        depth + 1
                    };
                    self.visit(&field.selections, below);
                }
                Selection::On { selections, .. } => self.visit(selections, depth),
            }
        }
    }
}

impl Complexity {
    /// The complexity with these variables.
    pub(super) fn of(&self, variables: &Variables, pages: &Pages) -> u64 {
        self.lists.iter().fold(self.fields, |sum, (page, item)| {
            let size = page.size(variables, pages);
            sum.saturating_add(size.saturating_mul(item.of(variables, pages)))
        })
    }

    /// Adds selections; `page` is the page of the connection that they belong to.
    fn add(&mut self, selections: &[Selection<'_>], page: Option<&Page>, pages: &Pages) {
        for selection in selections {
            match selection {
                Selection::Field(field) => self.add_field(field, page, pages),
                Selection::On { selections, .. } => self.add(selections, page, pages),
            }
        }
    }

    fn add_field(&mut self, field: &Field<'_>, outer: Option<&Page>, pages: &Pages) {
        self.fields += 1;
        let own = Page::of(field, pages);
        let is_list = field.definition.ty.is_list();
        match own.as_ref().or(outer.filter(|_| is_list)) {
            Some(page) if is_list => {
                let mut item = Self::default();
                item.add(&field.selections, None, pages);
                if item.fields > 0 {
                    self.lists.push((page.clone(), item));
                }
            }
            page => self.add(&field.selections, page, pages),
        }
    }
}

impl Page {
    /// The page that a field's own arguments describe, if it has such arguments.
    fn of(field: &Field<'_>, pages: &Pages) -> Option<Self> {
        let mut definitions = field
            .definition
            .arguments
            .iter()
            .filter(|definition| {
                let mut names = pages.arguments.iter();
                names.any(|name| definition.name == name.as_str())
            })
            .peekable();
        definitions.peek()?;
        let mut page = Self::default();
        for definition in definitions {
            let given = field
                .node
                .arguments
                .iter()
                .find(|argument| argument.name == definition.name);
            let default = definition.default_value.as_deref().and_then(literal_size);
            match given.map(|argument| &*argument.value) {
                Some(Value::Variable(name)) => page.variables.push((Name::new(name), default)),
                Some(value) => page.literal = page.literal.max(literal_size(value)),
                None => page.literal = page.literal.max(default),
            }
        }
        Some(page)
    }

    fn size(&self, variables: &Variables, pages: &Pages) -> u64 {
        let sizes = self
            .variables
            .iter()
            .filter_map(|(name, default)| match variables.get(name) {
                None => *default,
                Some(EngineValue::Null) => None,
                Some(EngineValue::Number(size)) => Some(size.as_u64().unwrap_or_default()),
                Some(EngineValue::List(items)) => Some(items.len() as u64),
                Some(_) => Some(1),
            });
        sizes
            .chain(self.literal)
            .max()
            .unwrap_or(pages.default_size)
            .min(pages.max_size)
    }
}

/// The size that a literal gives. A negative one is rejected by its resolver, and null counts as not given.
fn literal_size(value: &Value) -> Option<u64> {
    match value {
        Value::Null => None,
        Value::Int(int) => Some(if int.as_str().starts_with('-') {
            0
        } else {
            int.as_str().parse().unwrap_or(u64::MAX)
        }),
        Value::List(items) => Some(items.len() as u64),
        _ => Some(1),
    }
}
