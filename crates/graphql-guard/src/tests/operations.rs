//! The parts of a prepared operation: its key, its outline, its positions, and the tree for the engine.

use serde_json::json;

use super::*;

#[test]
fn equal_requests_have_equal_keys() {
    let guard = guard();
    let key = |query, variables| {
        let operation = guard.prepare(query, None, &object(variables));
        operation.unwrap().key().clone()
    };
    let query = "query($i: ID!) { node(id: $i) { id ...F } } fragment F on Node { __typename }";
    assert_eq!(
        key(query, json!({ "i": 1 })),
        key(
            "query ($i:ID!){node(id:$i){id,__typename}}",
            json!({ "i": "1" })
        )
    );
    assert_ne!(key(query, json!({ "i": 1 })), key(query, json!({ "i": 2 })));
}

#[test]
fn the_outline_has_no_selections_of_prewritten_types() {
    let guard = Guard::new(
        SDL,
        Settings {
            prewritten: vec!["Article".to_owned()],
            ..settings(Limits::default())
        },
    )
    .unwrap();
    let query = "{ article(by: { id: 1 }) { id } node(id: 1) { id ... on Article { title } } }";
    let operation = guard.prepare(query, None, &ObjectText::default()).unwrap();
    let outline = print::document(operation.outline());
    let node = "node(id:\"1\" ){...on Article{id title } ...on Author{id } }";
    assert_eq!(
        outline,
        format!("query{{article(by:{{id:\"1\" }} ) {node} }}")
    );
    let whole = format!("query{{article(by:{{id:\"1\" }} ){{id }} {node} }}");
    assert_eq!(operation.text(), whole);
}

#[test]
fn nodes_keep_their_positions() {
    let operation = with(
        "{ ...F }\nfragment F on Query {\n  x: deep(matrix: [1]) }",
        json!({}),
    )
    .unwrap();
    let (_, definition) = operation.document().operations.iter().next().unwrap();
    let field = &definition.node.selection_set.node.items[0];
    assert_eq!((field.pos.line, field.pos.column), (3, 3));
    let async_graphql::parser::types::Selection::Field(field) = &field.node else {
        panic!("no field")
    };
    assert_eq!(
        (field.node.name.pos.line, field.node.name.pos.column),
        (3, 6)
    );
    assert_eq!(
        (
            field.node.arguments[0].1.pos.line,
            field.node.arguments[0].1.pos.column
        ),
        (3, 19)
    );
}

#[test]
fn the_engine_accepts_a_normalized_operation() {
    let operation = with(
        "query A($i: [ID!]) { nodes(ids: [\"a\"]) { id } deep }",
        json!({}),
    );
    assert_eq!(operation.unwrap_err()[0].code, Code::ValidationFailed);
    let operation = with("query A { deep(matrix: [[1]]) }", json!({})).unwrap();
    let mut request = Request::new("")
        .variables(operation.variables.clone())
        .operation_name("A");
    request.set_parsed_query((**operation.document()).clone());
    let parsed = request.parsed_query().unwrap();
    assert_eq!(
        parsed
            .operations
            .iter()
            .next()
            .unwrap()
            .0
            .map(async_graphql::Name::as_str),
        Some("A")
    );
}

#[test]
fn an_invalid_schema_is_an_error() {
    assert!(Guard::new("type Query { a: Missing }", Settings::default()).is_err());
    assert!(Guard::new("directive @oneOf on INPUT_OBJECT type Query { a(b: B): Int } input B @oneOf { c: Int }", Settings::default()).is_ok());
}
