//! The limits of documents, and introspection, which is exempt from some.

use serde_json::json;

use crate::Location;

use super::*;

#[test]
fn a_document_over_a_limit_is_rejected_with_its_value() {
    let many = |count: usize, field: &dyn Fn(usize) -> String| -> String {
        format!(
            "{{ {} }}",
            (0..count).map(field).collect::<Vec<_>>().join(" ")
        )
    };
    assert_eq!(
        exceeded(&many(15_000, &|_| "deep".to_owned())),
        ("tokens", 15_002)
    );
    assert_eq!(
        exceeded(&format!(
            "{{ deep(matrix: {}1{}) }}",
            "[".repeat(1_500),
            "]".repeat(1_500)
        )),
        ("nesting", 1_502)
    );
    assert_eq!(
        exceeded(&many(6_000, &|_| "deep".to_owned())),
        ("selections", 6_000)
    );
    assert_eq!(
        exceeded(&many(51, &|number| format!("a{number}: deep"))),
        ("rootFields", 51)
    );
    assert_eq!(
        exceeded(&format!(
            "{{ node(id: 1) {} }}",
            many(51, &|number| format!("a{number}: id"))
        )),
        ("aliases", 51)
    );
    assert_eq!(
        exceeded(&format!("{{ deep {} }}", "@skip(if: true) ".repeat(11))),
        ("directives", 11)
    );
    let deep = format!(
        "{{ articles {} {{ id }} {} }}",
        "{ author { articles ".repeat(8),
        "} }".repeat(8)
    );
    assert_eq!(exceeded(&deep), ("depth", 18));
    assert!(with(&many(50, &|number| format!("a{number}: deep")), json!({})).is_ok());
}

#[test]
fn invalid_tokens_hide_nothing_from_the_limits() {
    let hidden = "[".repeat(100_000);
    let string =
        "syntax error: this string is not closed; one of several lines begins with `\"\"\"`";
    for (broken, message) in [
        ("\"\n\"\"\"", string),
        ("\"\r\"\"\"", string),
        (".#", "syntax error: unexpected character `.`"),
        ("1#", "syntax error: this is not a number"),
    ] {
        let broken = broken.replace("1#", "1.#");
        let errors = with(&format!("{{ deep(matrix: {broken}{hidden}"), json!({})).unwrap_err();
        let [error] = &errors[..] else {
            panic!("{} errors", errors.len());
        };
        assert_eq!((error.code, &*error.message), (Code::ParseFailed, message));
        assert_eq!(
            error.locations,
            [Location {
                line: 1,
                column: 16
            }]
        );
    }
    // To the parser "-]" is one invalid token, so these brackets never close, and it would recurse 3,700 levels deep.
    let nested = format!("{{ deep(matrix: {}", "[-]".repeat(3_700));
    assert_eq!(rejected(&nested).0, Code::ParseFailed);
}

#[test]
fn exponentially_expanding_fragments_are_rejected_quickly() {
    use std::fmt::Write as _;
    let mut chain = "{ ...F0 }".to_owned();
    for number in 0..200 {
        let _ = write!(
            chain,
            " fragment F{number} on Query {{ ...F{0} ...F{0} }}",
            number + 1
        );
    }
    chain += " fragment F200 on Query { deep }";
    assert_eq!(exceeded(&chain).0, "nesting");
    let mut chain = "{ ...F0 }".to_owned();
    for number in 0..40 {
        let _ = write!(
            chain,
            " fragment F{number} on Query {{ ...F{0} ...F{0} }}",
            number + 1
        );
    }
    chain += " fragment F40 on Query { deep }";
    let (name, value) = exceeded(&chain);
    assert_eq!(name, "selections");
    assert!(value > 1 << 40);
    for cycle in [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { deep ...B }",
        "{ deep } fragment A on Query { node(id: 1) { ... { ...B } } } fragment B on Article { author { ...A } }",
    ] {
        let (code, message) = rejected(cycle);
        assert_eq!(code, Code::ValidationFailed);
        assert!(message.ends_with("spreads itself."), "{message}");
    }
}

#[test]
fn complexity_multiplies_by_the_size_of_pages() {
    let complexity = |query: &str, variables| with(query, variables).unwrap().complexity;
    assert_eq!(complexity("{ deep }", json!({})), 1);
    assert_eq!(
        complexity("{ articles { id title } }", json!({})),
        1 + 20 * 2
    );
    assert_eq!(
        complexity(
            "{ articles(limit: 3) { id author { articles(limit: 2) { id } } } }",
            json!({})
        ),
        1 + 3 * (1 + 1 + 1 + 2)
    );
    let query = "query($l: Int) { articles(limit: $l) { id } }";
    assert_eq!(complexity(query, json!({})), 21);
    assert_eq!(complexity(query, json!({ "l": 7 })), 8);
    assert_eq!(complexity(query, json!({ "l": -7 })), 1);
    assert_eq!(complexity(query, json!({ "l": i32::MAX })), 1_001);
    assert_eq!(complexity("{ nodes(ids: [1, 2, 3]) { id } }", json!({})), 4);
    assert_eq!(
        complexity(
            "query($i: [ID!]!) { nodes(ids: $i) { id } }",
            json!({ "i": ["1", "2"] })
        ),
        3
    );
    let query = "query($f: Int, $l: Int) { node(id: 1) { ... on Article { related(first: $f, last: $l) { \
                 edges { cursor node { id } } nodes { id } info { more } } } } }";
    assert_eq!(complexity(query, json!({})), 6 + 20 * 3 + 20);
    assert_eq!(
        complexity(query, json!({ "f": null, "l": 3 })),
        6 + 3 * 3 + 3
    );
    let nested = "{ articles(limit: 100) { author { articles(limit: 100) { id title } } } }";
    assert_eq!(exceeded(nested), ("complexity", 1 + 100 * (2 + 100 * 2)));
}

#[test]
fn introspection_is_exempt_from_depth_and_can_be_off() {
    let of_type = format!(
        "{{ __type(name: \"Query\") {{ fields {{ type {} name {} }} }} }}",
        "{ ofType ".repeat(15),
        "}".repeat(15)
    );
    normalized(
        &of_type
            .replace("ofType  name", "ofType { name }")
            .replace("{ ofType name", "{ name"),
    );
    let guard = guard_with(Limits {
        introspection: false,
        ..Limits::default()
    });
    for query in [
        "{ __schema { description } }",
        "{ deep ...F } fragment F on Query { x: __type(name: \"Query\") { name } }",
    ] {
        let errors = guard
            .prepare(query, None, &ObjectText::default())
            .unwrap_err();
        assert_eq!(errors[0].code, Code::ValidationFailed);
        assert!(errors[0].message.starts_with("Introspection is disabled"));
    }
    assert!(
        guard
            .prepare("{ __typename }", None, &ObjectText::default())
            .is_ok()
    );
    let errors = guard
        .prepare("{ articlez { id } }", None, &ObjectText::default())
        .unwrap_err();
    assert!(
        !errors[0].message.contains("articles"),
        "{}",
        errors[0].message
    );
}

#[test]
fn one_of_can_be_introspected() {
    normalized("{ __type(name: \"By\") { isOneOf } }");
}

#[test]
fn at_most_ten_errors_are_returned() {
    let query = format!(
        "{{ {} }}",
        (0..100)
            .map(|number| format!("x{number}"))
            .collect::<Vec<_>>()
            .join(" ")
    );
    assert_eq!(with(&query, json!({})).unwrap_err().len(), 10);
}
