//! Settings for another schema, with its own scalars and page arguments.

use async_graphql::{Name, Request, ServerError, Variables, value};
use serde_json::{Value, json};

use super::object;
use crate::{Guard, Limits, Pages, ScalarInput, Settings, ValueLimits};

const SDL: &str = "
    scalar JSON
    scalar Long
    scalar Date
    type Query { events(take: Int, at: Date, kind: JSON, tags: [JSON!], number: Long): [Event!]! }
    type Event { name: String! }
";

fn guard() -> Guard {
    let settings = Settings {
        limits: Limits {
            values: ValueLimits::new(10, 10, 10),
            ..Limits::default()
        },
        pages: Pages {
            arguments: vec!["take".to_owned()],
            default_size: 7,
            max_size: 50,
        },
        scalars: [
            ("Date".to_owned(), ScalarInput::String),
            ("Long".to_owned(), ScalarInput::Float),
        ]
        .into(),
        ..Settings::default()
    };
    Guard::new(SDL, settings).unwrap()
}

/// The text and the variables of the operation, or the first error.
fn prepared(query: &str, variables: Value) -> String {
    match guard().prepare(query, None, &object(variables)) {
        Ok(operation) => format!("{} {}", operation.text(), operation.variables),
        Err(errors) => format!("{}: {}", errors[0].code, errors[0].message),
    }
}

#[test]
fn a_scalar_that_is_not_listed_accepts_any_value() {
    let query = "query($x: JSON, $y: [JSON!], $n: Int) { \
        events(kind: {a: [1, {b: $n}, null, E], c: $x}, tags: $y) { name } }";
    let variables =
        json!({ "x": { "a": [1, 2.5, null, { "b": "c" }], "d": true }, "y": { "z": 1 } });
    assert_eq!(
        prepared(query, variables),
        "query($x:JSON $y:[JSON!] $n:Int ){events(kind:{a:[1 {} null E ] c:$x } tags:$y ){name } } \
         {x: {a: [1, 2.5, null, {b: \"c\"}], d: true}, y: [{z: 1}]}"
    );
    assert_eq!(
        prepared("{ events(kind: {a: $nope}) { name } }", json!({})),
        "GRAPHQL_VALIDATION_FAILED: variable `$nope` is not defined"
    );
    let query = "query($y: [JSON!]) { events(tags: $y) { name } }";
    assert_eq!(
        prepared(query, json!({ "y": [1, null] })),
        "BAD_USER_INPUT: The variable `$y` cannot be used: expected a value of type `JSON!`, found null at `y.1`."
    );
}

#[test]
fn values_of_such_a_scalar_are_bounded_too() {
    let query = "query($x: JSON) { events(kind: $x) { name } }";
    let long: Vec<_> = (0..1_000).collect();
    let deep = (0..200).fold(json!(1), |inner, _| json!({ "a": inner }));
    let wide: serde_json::Map<_, _> = (0..100_000).map(|n| (format!("k{n}"), json!(n))).collect();
    for (value, expected) in [
        (json!(long), "expected at most 10 values, found 1000 at `x`"),
        (deep, "values may nest at most 100 deep at"),
        (Value::Object(wide), "the values of a request may take"),
    ] {
        let message = prepared(query, json!({ "x": value }));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_scalar_that_is_listed_accepts_what_a_scalar_of_the_specification_does() {
    let query = "query($d: Date, $l: Long) { events(at: $d, number: $l) { name } }";
    assert!(prepared(query, json!({ "d": "today", "l": 1e20 })).starts_with("query"));
    assert_eq!(
        prepared(query, json!({ "d": 1 })),
        "BAD_USER_INPUT: The variable `$d` cannot be used: expected a value of type `Date`, found a number at `d`."
    );
    assert_eq!(
        prepared("{ events(number: \"1\") { name } }", json!({})),
        "GRAPHQL_VALIDATION_FAILED: Expected a value of type `Long`, found `a string`."
    );
}

#[test]
fn the_size_of_a_page_comes_from_the_arguments_that_are_listed() {
    let complexity = |query: &str| {
        let operation = guard().prepare(query, None, &object(json!({ "n": 3 })));
        operation.unwrap().complexity
    };
    assert_eq!(complexity("{ events { name } }"), 8);
    assert_eq!(complexity("{ events(take: 2) { name } }"), 3);
    assert_eq!(
        complexity("query($n: Int) { events(take: $n) { name } }"),
        4
    );
    assert_eq!(complexity("{ events(take: 1000) { name } }"), 51);
}

#[test]
fn a_request_for_the_engine_has_the_normalized_document_and_the_coerced_variables() {
    let variables = Variables::from_value(value!({ "d": "today", "unknown": 1 }));
    let document = "query($d: Date, $n: Int = 4) { events(at: $d, take: $n) { name name } }";
    let mut request = guard()
        .request(Request::new(document).variables(variables))
        .unwrap();
    assert_eq!(request.variables.to_string(), "{d: \"today\", n: 4}");
    let document = request.parsed_query().unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let async_graphql::parser::types::Selection::Field(events) =
        &operation.node.selection_set.node.items[0].node
    else {
        panic!("no field")
    };
    assert_eq!(events.node.selection_set.node.items.len(), 1);
    assert_eq!(events.node.name.node, Name::new("events"));
}

#[test]
fn a_request_error_is_an_error_of_the_engine_with_its_code_and_details() {
    let error = |query: &str| {
        let errors = guard().request(Request::new(query)).unwrap_err();
        serde_json::to_string(&ServerError::from(errors[0].clone())).unwrap()
    };
    assert_eq!(
        error("query($n: Int!) {\n  events(take: $n) { name } }"),
        "{\"message\":\"The variable `$n` of type `Int!` is required.\",\
         \"locations\":[{\"line\":1,\"column\":7}],\
         \"extensions\":{\"code\":\"BAD_USER_INPUT\",\"field\":\"n\"}}"
    );
    let many = format!(
        "{{ {} }}",
        (0..51)
            .map(|n| format!("a{n}: events {{ name }}\n"))
            .collect::<Vec<_>>()
            .concat()
    );
    assert_eq!(
        error(&many),
        "{\"message\":\"The document is too complex: its number of root fields is 51, and 50 is allowed.\",\
         \"extensions\":{\"code\":\"TOO_COMPLEX\",\
         \"limit\":{\"name\":\"rootFields\",\"max\":50,\"value\":51}}}"
    );
}

#[test]
fn a_parse_error_shows_the_token_that_is_expected() {
    assert_eq!(
        prepared("{ events { name }", json!({})),
        "GRAPHQL_PARSE_FAILED: syntax error: expected \"}\", got EOF"
    );
}
