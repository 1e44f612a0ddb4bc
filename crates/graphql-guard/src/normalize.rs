//! Normalizes an operation: decides conditions, expands fragments and merges equal fields, as `CollectFields` and
//! `MergeSelectionSets` do it during execution (GraphQL specification, sections 6.3.2 and 6.4.3).
//!
//! The engine executes a field as often as a document names it, mutations too, and ignores fragments at the root of a
//! subscription. In a normalized operation every response key occurs once, and fragments remain only below an interface
//! or union, where the result depends on the type of the object.

use std::collections::HashSet;

use apollo_compiler::collections::IndexMap;
use apollo_compiler::executable::{self, DirectiveList, SelectionSet};
use apollo_compiler::schema::FieldDefinition;
use apollo_compiler::{ExecutableDocument, Name, Node};

use super::fragments::is_introspection;
use super::overlapping_fields::same_arguments;
use super::schema::Schema;

/// A selection of a normalized operation.
pub(super) enum Selection<'a> {
    Field(Field<'a>),
    /// The fields of one object type, below an interface or union.
    On {
        ty: &'a Name,
        selections: Vec<Selection<'a>>,
    },
}

impl Selection<'_> {
    /// Whether it is `__schema` or `__type`.
    pub(super) fn is_introspection(&self) -> bool {
        matches!(self, Self::Field(field) if is_introspection(&field.node.name))
    }
}

/// A field, merged with all others of its response key.
pub(super) struct Field<'a> {
    /// Its first occurrence. Name, alias and arguments are the same at every other.
    pub(super) node: &'a Node<executable::Field>,
    pub(super) definition: &'a Node<FieldDefinition>,
    pub(super) selections: Vec<Selection<'a>>,
}

/// Decides whether a selection with these directives is included.
pub(super) trait Conditions {
    fn hold(&self, directives: &DirectiveList) -> bool;
}

/// The normalized operation of a valid operation.
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

/// The same, with the pairs of fields that have equal response keys and different arguments.
pub(super) fn with_conflicts<'a>(
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    operation: &'a executable::Operation,
    conditions: &dyn Conditions,
) -> (Vec<Selection<'a>>, Vec<Conflict<'a>>) {
    let mut merge = Merge {
        schema,
        document,
        conditions,
        conflicts: Some(Vec::new()),
    };
    let root = merge.selections(&operation.selection_set.ty, &[&operation.selection_set]);
    (root, merge.conflicts.unwrap_or_default())
}

/// All occurrences of one response key.
struct Group<'a> {
    node: &'a Node<executable::Field>,
    sets: Vec<&'a SelectionSet>,
}

type Groups<'a> = IndexMap<&'a Name, Group<'a>>;
type Occurrence<'a> = &'a Node<executable::Field>;

/// Two fields that cannot be merged.
pub(super) type Conflict<'a> = (Occurrence<'a>, Occurrence<'a>);

struct Merge<'a, 'c> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    conditions: &'c dyn Conditions,
    /// Where arguments are to be compared, the pairs that differ.
    conflicts: Option<Vec<Conflict<'a>>>,
}

impl<'a> Merge<'a, '_> {
    /// Merges selection sets of the same value.
    fn selections(&mut self, parent: &'a Name, sets: &[&'a SelectionSet]) -> Vec<Selection<'a>> {
        let possible = self.schema.possible_types(parent);
        if possible.is_empty() || !sets.iter().any(|set| self.depends_on_type(parent, set)) {
            return self.fields(parent, sets);
        }
        // Each type has a complete list of its fields: a field both outside and inside a fragment would be executed
        // twice.
        possible
            .into_iter()
            .map(|ty| Selection::On { ty, selections: self.fields(ty, sets) })
            .filter(|selection| !matches!(selection, Selection::On { selections, .. } if selections.is_empty()))
            .collect()
    }

    /// Whether the fields depend on the object type that a value of the abstract type `parent` has.
    fn depends_on_type(&self, parent: &Name, set: &'a SelectionSet) -> bool {
        set.selections
            .iter()
            .filter(|selection| self.conditions.hold(selection.directives()))
            .any(|selection| {
                self.fragment(selection).is_some_and(|(condition, set)| {
                    !self.schema.always_holds(condition, parent)
                        || self.depends_on_type(parent, set)
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
