//! The order of an answer's fields: that of the document (GraphQL specification, section 7.2.2).
//!
//! The engine puts the fields of an object in the order in which their resolvers end, so that two equal requests
//! can have unequal answers.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    ExecutableDocument, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value};

type Fragments = std::collections::HashMap<Name, Positioned<FragmentDefinition>>;

/// The keys of an answer's object, each with those of the objects below it, in the order of the document.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct FieldOrder(IndexMap<Name, FieldOrder>);

impl FieldOrder {
    /// The order of the operation that `name` names, or of the only one. The document is valid: no fragment
    /// contains itself.
    pub(super) fn of(document: &ExecutableDocument, name: Option<&str>) -> Self {
        let mut order = Self::default();
        if let Some(operation) = operation(document, name) {
            order.add(&operation.selection_set.node, &document.fragments);
        }
        order
    }

    fn add(&mut self, selections: &SelectionSet, fragments: &Fragments) {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => self
                    .0
                    .entry(field.node.response_key().node.clone())
                    .or_default()
                    .add(&field.node.selection_set.node, fragments),
                Selection::InlineFragment(fragment) => {
                    self.add(&fragment.node.selection_set.node, fragments);
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set.node, fragments);
                    }
                }
            }
        }
    }

    /// Puts the fields of an answer in this order.
    pub(super) fn arrange(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.arrange(item)),
            Value::Object(fields) => {
                let place = |name: &Name| self.0.get_index_of(name);
                if !fields.keys().is_sorted_by_key(place) {
                    fields.sort_by_key(|name, _| place(name));
                }
                for (name, field) in fields {
                    if let Some(order) = self.0.get(name).filter(|order| !order.0.is_empty()) {
                        order.arrange(field);
                    }
                }
            }
            _ => {}
        }
    }
}

fn operation<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Option<&'d OperationDefinition> {
    let mut operations = document.operations.iter();
    let (_, operation) = match name {
        None => operations.next(),
        Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known == name)),
    }?;
    Some(&operation.node)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::value;

    use super::*;

    fn arranged(document: &str, name: Option<&str>, mut answer: Value) -> String {
        let document = parse_query(document).unwrap();
        FieldOrder::of(&document, name).arrange(&mut answer);
        answer.to_string()
    }

    #[test]
    fn fields_come_in_the_order_of_the_document() {
        let document =
            "{ b a: x { d c } ...f ... on Query { f } } fragment f on Query { e a: x { g } }";
        let answer = value!({ "e": 1, "f": 2, "a": [{ "g": 3, "c": 4, "d": 5 }, null], "b": 6 });
        assert_eq!(
            arranged(document, None, answer),
            "{b: 6, a: [{d: 5, c: 4, g: 3}, null], e: 1, f: 2}"
        );
    }

    #[test]
    fn the_operation_that_is_named_decides() {
        let document = "query A { a b } query B { b a }";
        let answer = value!({ "a": 1, "b": 2 });
        assert_eq!(
            arranged(document, Some("B"), answer.clone()),
            "{b: 2, a: 1}"
        );
        assert_eq!(arranged(document, Some("A"), answer), "{a: 1, b: 2}");
    }

    #[test]
    fn what_the_document_does_not_name_is_left_alone() {
        let answer = value!({ "b": { "y": 1, "x": 2 }, "a": 3 });
        assert_eq!(arranged("{ a b }", None, answer), "{a: 3, b: {y: 1, x: 2}}");
    }
}
