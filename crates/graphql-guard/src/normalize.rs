//! The plain form of an operation: conditions decided, fragments put in place, equal fields merged, as `CollectFields`
//! and `MergeSelectionSets` of the GraphQL specification (sections 6.3.2 and 6.4.3) do it while they execute.
//!
//! The engine executes a field as often as a document names it, mutations too, and ignores fragments at the root of a
//! subscription. In the plain form every field stands once, and fragments remain only below an interface or union where
//! the answer depends on the object's type.

use std::collections::HashSet;

use apollo_compiler::ast::{Argument, Value};
use apollo_compiler::collections::IndexMap;
use apollo_compiler::executable::{self, DirectiveList, OperationType, SelectionSet};
use apollo_compiler::schema::FieldDefinition;
use apollo_compiler::{ExecutableDocument, Name, Node};

use super::MAX_REFUSALS;
use super::fragments::is_introspection;
use super::positions::Lines;
use super::request_error::Refusal;
use super::schema::Schema;

/// What stands in a plain selection set.
pub(super) enum Selection<'a> {
    Field(Field<'a>),
    /// The fields for the objects of one type, below an interface or union.
    On {
        ty: &'a Name,
        selections: Vec<Selection<'a>>,
    },
}

impl Selection<'_> {
    /// Whether it describes the schema.
    pub(super) fn is_introspection(&self) -> bool {
        matches!(self, Self::Field(field) if is_introspection(&field.node.name))
    }
}

/// A field that stands once under its response key.
pub(super) struct Field<'a> {
    /// Its first occurrence: name, alias and arguments are the same at every other.
    pub(super) node: &'a Node<executable::Field>,
    pub(super) definition: &'a Node<FieldDefinition>,
    pub(super) selections: Vec<Selection<'a>>,
}

/// Tells whether a selection with these directives takes part.
pub(super) trait Conditions {
    fn hold(&self, directives: &DirectiveList) -> bool;
}

/// The plain form of a valid operation.
pub(super) fn selections<'a>(
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    operation: &'a executable::Operation,
    conditions: &dyn Conditions,
) -> Vec<Selection<'a>> {
    let mut merge = Merge {
        schema,
        document,
        conditions,
        conflicts: None,
    };
    merge.selections(&operation.selection_set.ty, &[&operation.selection_set])
}

/// The conflicts that apollo-compiler overlooks: it takes two lists for equal when one begins like the other, and it
/// counts a subscription's root fields without merging them.
pub(super) fn check(
    schema: &Schema,
    document: &ExecutableDocument,
    lines: &Lines<'_>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for operation in document.operations.iter() {
        let mut merge = Merge {
            schema,
            document,
            conditions: &Always,
            conflicts: Some(Vec::new()),
        };
        let root = merge.selections(&operation.selection_set.ty, &[&operation.selection_set]);
        if operation.operation_type == OperationType::Subscription && root.len() != 1 {
            let message = "A subscription must have exactly one root field.";
            refusals.push(Refusal::validation(message, lines.of(operation.location())));
        }
        for (first, second) in merge.conflicts.into_iter().flatten().take(MAX_REFUSALS) {
            let message = format!(
                "The fields `{}` conflict because their arguments differ; give one of them an alias.",
                first.response_key()
            );
            let both = Refusal::validation(message, lines.of(first.location()))
                .at(lines.of(second.location()));
            refusals.push(both);
        }
    }
    refusals
}

/// Validation does not look at conditions.
struct Always;

impl Conditions for Always {
    fn hold(&self, _: &DirectiveList) -> bool {
        true
    }
}

/// All the occurrences of one response key.
struct Group<'a> {
    node: &'a Node<executable::Field>,
    sets: Vec<&'a SelectionSet>,
}

type Groups<'a> = IndexMap<&'a Name, Group<'a>>;
type Occurrence<'a> = &'a Node<executable::Field>;

struct Merge<'a, 'c> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    conditions: &'c dyn Conditions,
    /// Where arguments are to be compared, the pairs that differ.
    conflicts: Option<Vec<(Occurrence<'a>, Occurrence<'a>)>>,
}

impl<'a> Merge<'a, '_> {
    /// The selections of several sets on the same value, as one.
    fn selections(&mut self, parent: &'a Name, sets: &[&'a SelectionSet]) -> Vec<Selection<'a>> {
        let possible = self.schema.possible_types(parent);
        if possible.is_empty() || !sets.iter().any(|set| self.narrows(parent, set)) {
            return self.fields(parent, sets);
        }
        // Each type gets its own complete list: beside a fragment, a field that both name would be executed twice.
        possible
            .into_iter()
            .map(|ty| Selection::On { ty, selections: self.fields(ty, sets) })
            .filter(|selection| !matches!(selection, Selection::On { selections, .. } if selections.is_empty()))
            .collect()
    }

    /// Whether some of the fields depend on which object type a value of the abstract type `parent` has.
    fn narrows(&self, parent: &Name, set: &'a SelectionSet) -> bool {
        set.selections
            .iter()
            .filter(|selection| self.conditions.hold(selection.directives()))
            .any(|selection| {
                self.fragment(selection).is_some_and(|(condition, set)| {
                    !self.schema.always_holds(condition, parent) || self.narrows(parent, set)
                })
            })
    }

    /// The type condition and the selections of a fragment, named or inline; `None` for a field.
    fn fragment(
        &self,
        selection: &'a executable::Selection,
    ) -> Option<(&'a Name, &'a SelectionSet)> {
        let set = match selection {
            executable::Selection::Field(_) => return None,
            executable::Selection::InlineFragment(inline) => &inline.selection_set,
            executable::Selection::FragmentSpread(spread) => {
                &self
                    .document
                    .fragments
                    .get(&spread.fragment_name)?
                    .selection_set
            }
        };
        Some((&set.ty, set))
    }

    fn fields(&mut self, parent: &'a Name, sets: &[&'a SelectionSet]) -> Vec<Selection<'a>> {
        let mut groups = Groups::default();
        let mut spread = HashSet::new();
        for set in sets {
            self.collect(parent, set, &mut groups, &mut spread);
        }
        groups
            .into_values()
            .filter_map(|group| self.field(parent, &group))
            .collect()
    }

    fn field(&mut self, parent: &'a Name, group: &Group<'a>) -> Option<Selection<'a>> {
        let definition = self.schema.field(parent, &group.node.name)?;
        let selections = if group.sets.is_empty() {
            Vec::new()
        } else {
            self.selections(definition.ty.inner_named_type(), &group.sets)
        };
        Some(Selection::Field(Field {
            node: group.node,
            definition,
            selections,
        }))
    }

    fn collect(
        &mut self,
        parent: &'a Name,
        set: &'a SelectionSet,
        groups: &mut Groups<'a>,
        spread: &mut HashSet<&'a Name>,
    ) {
        for selection in &set.selections {
            if !self.conditions.hold(selection.directives()) {
                continue;
            }
            match selection {
                executable::Selection::Field(field) => self.add(field, groups),
                executable::Selection::FragmentSpread(named)
                    if !spread.insert(&named.fragment_name) => {}
                fragment => {
                    if let Some((condition, set)) = self.fragment(fragment)
                        && self.schema.always_holds(condition, parent)
                    {
                        self.collect(parent, set, groups, spread);
                    }
                }
            }
        }
    }

    fn add(&mut self, field: Occurrence<'a>, groups: &mut Groups<'a>) {
        let set = Some(&field.selection_set).filter(|set| !set.selections.is_empty());
        let group = groups.entry(field.response_key()).or_insert_with(|| Group {
            node: field,
            sets: Vec::new(),
        });
        if let Some(conflicts) = &mut self.conflicts
            && !same_arguments(&group.node.arguments, &field.arguments)
        {
            conflicts.push((group.node, field));
        }
        group.sets.extend(set);
    }
}

fn same_arguments(left: &[Node<Argument>], right: &[Node<Argument>]) -> bool {
    left.len() == right.len()
        && left.iter().all(|argument| {
            right.iter().any(|other| {
                argument.name == other.name && same_value(&argument.value, &other.value)
            })
        })
}

/// Equal as values: the order of an input object's fields does not matter, and literals are compared as written.
fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same_value(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| {
                    right
                        .iter()
                        .any(|(other, other_value)| name == other && same_value(value, other_value))
                })
        }
        _ => left == right,
    }
}
