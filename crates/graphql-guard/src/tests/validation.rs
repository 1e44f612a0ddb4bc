//! Documents that are not GraphQL, or do not fit the schema.

use serde_json::json;

use super::*;

#[test]
fn an_operation_is_selected_by_name() {
    let guard = guard();
    let none = ObjectText::default();
    let query = "query A { deep } mutation B { createAll(inputs: []) { id } }";
    let operation = guard.prepare(query, Some("B"), &none).unwrap();
    assert_eq!(
        (operation.kind, operation.name.as_deref()),
        (OperationKind::Mutation, Some("B"))
    );
    for (query, name) in [
        (query, None),
        (query, Some("")),
        (query, Some("C")),
        ("{ deep }", Some("A")),
    ] {
        let errors = guard.prepare(query, name, &none).unwrap_err();
        assert_eq!(errors[0].code, Code::BadRequest);
    }
    assert!(guard.prepare("query A { deep }", Some(""), &none).is_ok());
}

#[test]
fn a_subscription_has_one_root_field_once_merged() {
    assert_eq!(
        normalized(
            "subscription { ...F created { title } } fragment F on Subscription { created { id } }"
        ),
        "subscription{created{id title } }"
    );
    for query in [
        "subscription { created { id } changed { id } }",
        "subscription { a: created { id } b: created { id } }",
        "subscription { __typename }",
        "subscription { __schema { description } }",
        "subscription { ... on Subscription { __typename } }",
        "subscription { created @skip(if: false) { id } }",
    ] {
        assert_eq!(rejected(query).0, Code::ValidationFailed, "{query}");
    }
}

#[test]
fn conflicting_fields_are_rejected() {
    for query in [
        "{ x: node(id: 1) { id } ... on Query { x: node(id: 2) { id } } }",
        "{ a: articles { x: id } a: articles { x: title } }",
        "{ nodes(ids: [1]) { id } nodes(ids: [1, 2]) { id } }",
        "{ nodes(ids: [1, 2]) { id } nodes(ids: [1]) { id } }",
        "{ articles(limit: 1) { id } articles { id } }",
        "{ deep nodes(ids: 1) { id } deep: articles { id } }",
        "{ node(id: 1) { ... on Article { x: title } ... on Author { x: id } ... on Article { x: id } } }",
        "{ node(id: 1) { ... on Article { x: author { id } } ... on Author { x: name } } }",
    ] {
        assert_eq!(rejected(query).0, Code::ValidationFailed, "{query}");
    }
    for query in [
        "{ articles(filter: {title: \"a\", limit: 1}) { id } articles(filter: {limit: 1, title: \"a\"}) { id } }",
        "{ node(id: 1) { ... on Article { x: title } ... on Author { x: name } } }",
    ] {
        normalized(query);
    }
}

#[test]
fn values_that_do_not_fit_are_rejected() {
    for query in [
        "{ articles(limit: \"1\") { id } }",
        "{ articles(limit: 2147483648) { id } }",
        "{ articles(limit: [1]) { id } }",
        "{ articles(limit: null) { id } }",
        "{ articles(order: \"ASC\") { id } }",
        "{ articles(order: UP) { id } }",
        "{ articles(filter: {x: 1}) { id } }",
        "{ articles(filter: {title: \"a\", title: \"a\"}) { id } }",
        "{ articles(filter: {at: 5}) { id } }",
        "{ articles(filter: 1) { id } }",
        "{ node(id: 1.5) { id } }",
        "{ nodes(ids: [null]) { id } }",
        "{ deep(matrix: [[[1]]]) }",
        "{ article(by: {}) { id } }",
        "{ article(by: {id: 1, slug: \"a\"}) { id } }",
        "{ article(by: {id: null}) { id } }",
        "mutation { create(input: {}) { id } }",
        "query($s: String) { articles(limit: $s) { id } }",
        "query($s: [Int!]!) { articles(limit: $s) { id } }",
        "query($i: ID) { nodes(ids: [$i]) { id } }",
        "query($i: ID!) { nodes(ids: $i) { id } }",
        "query($i: ID) { article(by: {id: $i}) { id } }",
        "query($i: ID = null) { node(id: $i) { id } }",
        "query($i: ID = {}) { node(id: $i) { id } }",
        "query($f: Article) { deep }",
        "{ deep @skip(if: \"yes\") }",
        "{ node(id: $undefined) { id } }",
        "{ nodes(ids: [$undefined]) { id } }",
        "query($unused: Int) { deep }",
    ] {
        assert_eq!(rejected(query).0, Code::ValidationFailed, "{query}");
    }
}

#[test]
fn an_invalid_document_is_rejected_with_its_position() {
    for query in [
        "",
        "   # nothing",
        "{",
        "{ deep",
        "{ deep(matrix: ) }",
        "nonsense",
        "{ deep }}",
        "{ a(b: \"x) }",
        "query {}",
        "{ deep(matrix) }",
        "{ articles(limit: 1, filter) { id } }",
        "{ articles(filter: {title}) { id } }",
        "query { articles(limit: 1, filter) { id } }",
    ] {
        let errors = with(query, json!({}))
            .map(|operation| operation.text().to_owned())
            .unwrap_err();
        assert_eq!(errors[0].code, Code::ParseFailed, "{query}");
        assert_eq!(errors[0].locations.len(), 1, "{query}: {errors:?}");
    }
    let errors = with("{\n  déjà }", json!({})).unwrap_err();
    assert_eq!(
        (errors[0].locations[0].line, errors[0].locations[0].column),
        (2, 4)
    );
    let errors = with("{ articles(limit: 1, filter) { id } }", json!({})).unwrap_err();
    assert_eq!(
        (errors[0].locations[0].line, errors[0].locations[0].column),
        (1, 22)
    );
    normalized("query { deep } # query");
    normalized(
        "query ($a: Int = 1) { articles(limit: $a, filter: {title: \"\"\"x\"\"\", in: []}) { id } }",
    );
    assert_eq!(rejected("type T { id: ID }").0, Code::ValidationFailed);
}

#[test]
fn descriptions_are_allowed_and_do_not_move_anything() {
    let errors = with("\"é\" query A { deep, x }", json!({})).unwrap_err();
    assert_eq!(
        (errors[0].locations[0].line, errors[0].locations[0].column),
        (1, 21)
    );
    assert_eq!(
        normalized(
            "\"a\" query(\"b\" $a: Int = 1) { ...F } \"c\" fragment F on Query { articles(limit: $a) { id } }"
        ),
        "query($a:Int=1 ){articles(limit:$a ){id } }"
    );
    assert_eq!(rejected("\"\\x\" query { deep }").0, Code::ParseFailed);
    normalized("\"\\u{41}\" query { deep }");
}

#[test]
fn strings_are_read_as_the_specification_says() {
    let title = |literal: &str| {
        let text = normalized(&format!(
            "{{ articles(filter: {{title: {literal}}}) {{ id }} }}"
        ));
        let (_, rest) = text.split_once("title:").unwrap();
        serde_json::from_str::<String>(rest.split_once(" } )").unwrap().0).unwrap()
    };
    assert_eq!(
        title(r#""\u{1F600} \uD83D\uDE00 \u0041 \t\\ \"""#),
        "😀 😀 A \t\\ \""
    );
    assert_eq!(
        title("\"\"\"\n    a\n      b \\\"\"\" \\n\n  \"\"\""),
        "a\n  b \"\"\" \\n"
    );
    for literal in [r#""\u{110000}""#, r#""\uD83D""#, r#""\x""#, "\"a\nb\""] {
        assert_eq!(
            rejected(&format!("{{ search(text: {literal}) {{ __typename }} }}")).0,
            Code::ParseFailed,
            "{literal}"
        );
    }
}
