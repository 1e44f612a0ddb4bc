//! Variables: how they are coerced, and the errors of those that cannot be coerced.

use serde_json::json;

use super::*;

#[test]
fn arguments_with_absent_variables_are_dropped() {
    let query = "query($l: Int, $t: String, $i: [ID!]) { articles(limit: $l, filter: {title: $t, in: $i}) { id } }";
    let head = "query($l:Int $t:String $i:[ID!] )";
    assert_eq!(
        with(query, json!({})).unwrap().text(),
        format!("{head}{{articles(filter:{{}} ){{id }} }}")
    );
    let operation = with(query, json!({ "l": 3, "t": null, "other": 1 })).unwrap();
    assert_eq!(
        operation.text(),
        format!("{head}{{articles(limit:$l filter:{{title:$t }} ){{id }} }}")
    );
    assert_eq!(operation.variables.to_string(), "{l: 3, t: null}");
}

#[test]
fn an_absent_variable_is_null_in_a_list() {
    assert_eq!(
        with(
            "query($r: [Int!]) { deep(matrix: [[1], $r, null]) }",
            json!({})
        )
        .unwrap()
        .text(),
        "query($r:[Int!] ){deep(matrix:[[1 ] null null ] ) }"
    );
}

#[test]
fn single_values_become_lists_and_integers_ids() {
    assert_eq!(
        normalized("{ nodes(ids: 12345678901234567890) { id } }"),
        "query{nodes(ids:[\"12345678901234567890\" ] ){id } }"
    );
    assert_eq!(
        normalized("{ deep(matrix: 1) }"),
        "query{deep(matrix:[[1 ] ] ) }"
    );
    let operation = with(
        "query($i: [ID!]!) { nodes(ids: $i) { id } }",
        json!({ "i": 5 }),
    )
    .unwrap();
    assert_eq!(operation.variables.to_string(), "{i: [\"5\"]}");
}

#[test]
fn null_is_rejected_where_only_a_default_allows_the_variable() {
    let query = "query($l: Int) { articles(limit: $l) { id } }";
    assert_eq!(refused_fields(query, json!({ "l": null })), ["limit"]);
    let query = "query($o: Order) { articles(filter: {and: [{order: $o}]}) { id } }";
    assert_eq!(
        refused_fields(query, json!({ "o": null })),
        ["filter.and.0.order"]
    );
    let query = "query($i: ID = 1) { nodes(ids: [\"a\", $i]) { id } }";
    assert_eq!(refused_fields(query, json!({ "i": null })), ["ids.1"]);
    assert!(with(query, json!({})).is_ok());
}

#[test]
fn a_variable_that_cannot_be_coerced_is_rejected_with_its_path() {
    let query = "mutation($inputs: [New!]!) { createAll(inputs: $inputs) { id } }";
    assert_eq!(
        refused_fields(
            query,
            json!({ "inputs": [{ "title": "a" }, { "title": 1 }, null, { "text": [] , "x": 1 }] })
        ),
        [
            "inputs.1.title",
            "inputs.2",
            "inputs.3.title",
            "inputs.3.text",
            "inputs.3.x"
        ]
    );
    assert_eq!(refused_fields(query, json!({})), ["inputs"]);
    assert_eq!(refused_fields(query, json!({ "inputs": null })), ["inputs"]);
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    assert_eq!(
        refused_fields(query, json!({ "ids": ["a", 1, 1.5] })),
        ["ids.2"]
    );
    let query = "query($by: By!) { article(by: $by) { id } }";
    assert_eq!(refused_fields(query, json!({ "by": {} })), ["by"]);
    assert_eq!(
        refused_fields(query, json!({ "by": { "id": 1, "slug": "a" } })),
        ["by"]
    );
    assert_eq!(
        refused_fields(query, json!({ "by": { "id": null } })),
        ["by.id"]
    );
    let query = "query($f: Filter) { articles(filter: $f) { id } }";
    assert_eq!(
        refused_fields(
            query,
            json!({ "f": { "at": 5, "order": "UP", "limit": 2_147_483_648_u32 } })
        ),
        ["f.order", "f.at", "f.limit"]
    );
}

#[test]
fn a_variable_error_has_its_declaration_but_not_its_value() {
    let errors = with(
        "query(\n  $ids: [ID!]!) { nodes(ids: $ids) { id } }",
        json!({ "ids": [true] }),
    )
    .unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0]
            .locations
            .iter()
            .map(|place| (place.line, place.column))
            .collect::<Vec<_>>(),
        [(2, 3)]
    );
    assert_eq!(
        errors[0].message,
        "The variable `$ids` cannot be used: expected a value of type `ID`, found a boolean at `ids.0`."
    );
}

#[test]
fn input_objects_get_their_defaults() {
    let operation = with(
        "query($f: Filter!) { articles(filter: $f) { id } }",
        json!({ "f": { "title": null } }),
    )
    .unwrap();
    assert_eq!(
        operation.variables.to_string(),
        "{f: {title: null, order: ASC, limit: 5}}"
    );
    let operation = with(
        "query($l: Int = 3, $f: Float = 2) { articles(limit: $l) { id } search(text: \"\", ratio: $f) { __typename } }",
        json!({}),
    );
    assert_eq!(operation.unwrap().variables.to_string(), "{f: 2, l: 3}");
}

#[test]
fn whole_floats_are_integers() {
    let operation = with(
        "query($l: Int) { articles(limit: $l) { id } }",
        json!({ "l": 3.0 }),
    )
    .unwrap();
    assert_eq!(operation.variables.to_string(), "{l: 3}");
    assert_eq!(
        refused_fields(
            "query($l: Int) { articles(limit: $l) { id } }",
            json!({ "l": 3.5 })
        ),
        ["l"]
    );
}
