//! The limits of values, each reached and gone over by one, over a schema with a filter.

use serde_json::{Value, json};

use crate::json::ObjectText;
use crate::{Code, Guard, Limits, Operation, RequestError, Settings, ValueLimits};

const SDL: &str = r"
    input Filter { and: [Filter!] not: Filter in: [ID!] tag: Tag }
    input Tag { name: String parts: [Part!] }
    input Part { name: String }
    enum Kind { A B }
    type Query { a(filter: Filter, ids: [[ID!]!], tags: [Tag!], id: ID, kinds: [Kind!]): Int }
";

fn limits() -> ValueLimits {
    ValueLimits {
        list: 10,
        conditions: 4,
        bytes: 10_000,
    }
}

fn prepare(query: &str, variables: &str) -> Result<Operation, Vec<RequestError>> {
    prepare_within(limits(), query, variables)
}

fn prepare_within(
    values: ValueLimits,
    query: &str,
    variables: &str,
) -> Result<Operation, Vec<RequestError>> {
    let limits = Limits {
        values,
        ..Limits::default()
    };
    let guard = Guard::new(
        SDL,
        Settings {
            limits,
            ..Settings::default()
        },
    )
    .unwrap();
    let variables = serde_json::from_str(variables).unwrap();
    guard.prepare(query, None, &ObjectText::new(variables).unwrap())
}

/// The values of the variables, or the first reason why there are none.
fn read(query: &str, variables: &str) -> String {
    match prepare(query, variables) {
        Ok(operation) => operation.variables.to_string(),
        Err(errors) => {
            let RequestError {
                code,
                field,
                message,
                ..
            } = &errors[0];
            format!("{code} {}: {message}", field.as_deref().unwrap_or("-"))
        }
    }
}

fn filter(value: &Value) -> String {
    let variables = json!({ "f": value }).to_string();
    read("query($f: Filter) { a(filter: $f) }", &variables)
}

#[test]
fn a_list_is_limited_while_it_is_read() {
    let ids = |count: usize| {
        let variables = json!({ "ids": [vec![1; count]] }).to_string();
        read("query($ids: [[ID!]!]) { a(ids: $ids) }", &variables)
    };
    assert!(ids(20).starts_with("{ids: [[\"1\""), "{}", ids(20));
    assert_eq!(
        ids(21),
        "BAD_USER_INPUT ids.0: The variable `$ids` cannot be used: expected at most 10 values, found 21 at `ids.0`."
    );
}

#[test]
fn the_lists_of_a_filter_count_together() {
    let of = |count: usize| vec![json!({}); count];
    let filled = json!({ "and": [{ "not": { "and": of(3) } }, { "and": of(3) }] });
    assert!(
        filter(&filled).starts_with("{f: {and: ["),
        "{}",
        filter(&filled)
    );
    let over = json!({ "and": [{ "not": { "and": of(3) } }, { "and": of(4) }] });
    assert_eq!(
        filter(&over),
        "BAD_USER_INPUT f.and.1.and.3: The variable `$f` cannot be used: \
         a filter may have at most 4 conditions at `f.and.1.and.3`."
    );
    // The limit applies to each variable separately.
    let query = "query($f: Filter, $g: Filter) { a(filter: $f) b: a(filter: $g) }";
    let eight = json!({ "and": of(8) });
    assert!(prepare(query, &json!({ "f": eight, "g": eight }).to_string()).is_ok());
}

#[test]
fn lists_of_other_types_do_not_count_as_conditions() {
    let parts = json!({ "tag": { "parts": vec![json!({ "name": "x" }); 12] } });
    assert!(
        filter(&parts).starts_with("{f: {tag: "),
        "{}",
        filter(&parts)
    );
}

#[test]
fn the_nesting_of_values_is_limited() {
    let nested = |depth: usize| {
        let text = format!(
            "{{\"f\":{}{{}}{}}}",
            "{\"not\":".repeat(depth),
            "}".repeat(depth)
        );
        let query = "query($f: Filter) { a(filter: $f) }";
        prepare_within(ValueLimits::default(), query, &text)
    };
    assert!(nested(99).is_ok());
    for depth in [100, 100_000] {
        let error = &nested(depth).unwrap_err()[0];
        assert_eq!(error.code, Code::BadUserInput);
        assert!(
            error
                .message
                .contains("values may nest at most 100 deep at `f.not."),
            "{}",
            error.message
        );
    }
}

#[test]
fn all_values_of_a_request_count_together() {
    let query = "query($f: [Tag!], $g: [Tag!]) { a(tags: $f) b: a(tags: $g) }";
    let tags = vec![json!({ "name": "x", "parts": null }); 10];
    let one = json!({ "f": tags }).to_string();
    assert!(prepare(query, &one).is_ok());
    let two = json!({ "f": tags, "g": tags }).to_string();
    assert_eq!(
        read(query, &two),
        "BAD_USER_INPUT g.3: The variable `$g` cannot be used: \
         the values of a request may take 10000 bytes of memory at `g.3`."
    );
    // Texts are limited only by the size of the request's body.
    let long = json!({ "f": [{ "name": "x".repeat(100_000) }] }).to_string();
    assert!(prepare(query, &long).is_ok());
}

#[test]
fn a_variable_counts_at_each_use() {
    let query = |places: usize| {
        let places: Vec<String> = (0..places).map(|n| format!("a{n}: a(id: $id)")).collect();
        format!("query($id: ID) {{ {} }}", places.join(" "))
    };
    let long = json!({ "id": "x".repeat(5_000 - 72) }).to_string();
    assert!(prepare(&query(1), &long).is_ok());
    assert!(prepare(&query(3), &long).is_ok());
    assert_eq!(
        read(&query(4), &long),
        "TOO_COMPLEX -: The document is too complex: its repeated use of variables, in bytes, is 15000, and 10000 is allowed."
    );
    // What a condition leaves out is no place.
    let skipped = query(4).replace("$id)", "$id) @skip(if: true)");
    assert!(prepare(&skipped, &long).is_ok());
}

#[test]
fn undeclared_variables_are_ignored() {
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let variables = format!(r#"{{"x":{deep},"id":7,"y":"\ud800","z":1e999,"id":8}}"#);
    assert_eq!(
        read("query($id: ID) { a(id: $id) }", &variables),
        "{id: \"8\"}"
    );
    assert_eq!(read("{ a }", &variables), "{}");
}

#[test]
fn names_are_found_among_many_and_with_escapes() {
    let definitions: Vec<String> = (0..20).map(|n| format!("$v{n}: ID")).collect();
    let uses: Vec<String> = (0..20).map(|n| format!("a{n}: a(id: $v{n})")).collect();
    let query = format!("query({}) {{ {} }}", definitions.join(" "), uses.join(" "));
    assert_eq!(
        read(&query, r#"{"\u0076\u00317":"a","w":1}"#),
        "{v17: \"a\"}"
    );
}

#[test]
fn invalid_escapes_are_not_json() {
    let query = "query($id: ID) { a(id: $id) }";
    for variables in [
        r#"{"id":"\ud800"}"#,
        r#"{"\ud800":1,"id":"a"}"#,
        r#"{"id":1e999}"#,
    ] {
        let error = &prepare(query, variables).unwrap_err()[0];
        assert_eq!(error.code, Code::BadRequest, "{}", error.message);
        assert!(
            error.message.contains("not valid JSON"),
            "{}",
            error.message
        );
    }
}

#[test]
fn reading_stops_after_too_many_errors() {
    let wrong = json!({ "kinds": vec!["C"; 10], "ids": "x" }).to_string();
    let errors = prepare(
        "query($kinds: [Kind!], $ids: [[ID!]!]) { a(kinds: $kinds, ids: $ids) }",
        &wrong,
    );
    let fields: Vec<_> = errors
        .unwrap_err()
        .into_iter()
        .map(|error| error.field.unwrap())
        .collect();
    assert_eq!(fields.len(), 10);
    assert_eq!(fields[9], "kinds.9");
}

#[test]
fn a_variable_error_has_the_location_of_its_definition() {
    let name = "n".repeat(1_000);
    let query = format!("query(${name}: Int!) {{ a(id: ${name}) }}");
    let error = &prepare(&query.replace("Int!", "ID!"), "{}").unwrap_err()[0];
    assert_eq!(error.locations[0].column, 7);
    assert!(error.message.len() < 200, "{}", error.message);
    assert!(error.field.as_ref().unwrap().len() < 200);
}
