//! Normalized operations (fields merged, fragments inlined, conditions decided), and their cache.

use serde_json::json;

use super::*;

#[test]
fn equal_fields_are_merged_with_their_selections() {
    assert_eq!(
        normalized(
            "{ node(id: 1) { id } ...F node(id: 1) { __typename } } fragment F on Query { node(id: 1) { x: id } }"
        ),
        "query{node(id:\"1\" ){id x:id __typename } }"
    );
    assert_eq!(
        normalized(
            "mutation { create(input: {title: \"a\"}) { id } create(input: {title: \"a\"}) { title } }"
        ),
        "mutation{create(input:{title:\"a\" } ){id title } }"
    );
}

#[test]
fn fragments_are_inlined_if_their_type_always_applies() {
    assert_eq!(
        normalized(
            "{ article(by: {id: 1}) { ...{ id } ... on Node { n: id } ... on Article { title } } }"
        ),
        "query{article(by:{id:\"1\" } ){id n:id title } }"
    );
}

#[test]
fn below_an_abstract_type_each_object_type_has_its_own_complete_list() {
    assert_eq!(
        normalized(
            "{ node(id: 1) { id ... on Article { id title } ... on Author { name } __typename } }"
        ),
        "query{node(id:\"1\" ){...on Article{id title __typename } ...on Author{id name __typename } } }"
    );
    assert_eq!(
        normalized("{ node(id: 1) { id ... on Node { id } } }"),
        "query{node(id:\"1\" ){id } }"
    );
    assert_eq!(
        normalized("{ search(text: \"\") { ... on Node { id } ... on Author { name } } }"),
        "query{search(text:\"\" ){...on Article{id } ...on Author{id name } } }"
    );
    assert_eq!(
        normalized(
            "{ node(id: 1) { ... on Author { best { id } } ... on Author { best { ... on Article { title } } } } }"
        ),
        "query{node(id:\"1\" ){...on Author{best{...on Article{id title } ...on Author{id } } } } }"
    );
}

#[test]
fn conditions_are_decided_by_literals_and_variables() {
    let query = "query($a: Boolean!, $b: Boolean = true) { deep @include(if: $a) ... @skip(if: $b) { x: deep } \
                 y: deep @skip(if: true) z: deep @include(if: true) }";
    let text = |variables| {
        with(query, variables)
            .unwrap()
            .text()
            .split_once(')')
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(text(json!({ "a": true })), "{deep z:deep }");
    assert_eq!(text(json!({ "a": false, "b": false })), "{x:deep z:deep }");
    assert_eq!(
        refused_fields(query, json!({ "a": true, "b": null })),
        ["b"]
    );
}

#[test]
fn conditions_belong_to_the_operation_that_uses_them() {
    let query = "query A($v: Boolean!) { deep @skip(if: $v) } query B($v: String) { articles(filter: {title: $v}) { id } }";
    assert!(
        guard()
            .prepare(query, Some("B"), &object(json!({ "v": null })))
            .is_ok()
    );
}

#[test]
fn one_cache_serves_conditions_that_differ() {
    let guard = guard();
    let query = "query($a: Boolean!) { deep @include(if: $a) x: deep }";
    for (a, expected) in [
        (true, "{deep x:deep }"),
        (false, "{x:deep }"),
        (true, "{deep x:deep }"),
    ] {
        let operation = guard
            .prepare(query, None, &object(json!({ "a": a })))
            .unwrap();
        assert_eq!(operation.text(), format!("query($a:Boolean! ){expected}"));
    }
    assert!(guard.cache.bytes() > 0);
}

#[test]
fn the_cache_stays_within_its_bytes() {
    let guard = guard_with(Limits {
        cache_bytes: 100_000,
        ..Limits::default()
    });
    for number in 0..1_000 {
        guard
            .prepare(
                &format!("{{ deep(matrix: [[{number}]]) }}"),
                None,
                &ObjectText::default(),
            )
            .unwrap();
        assert!(guard.cache.bytes() <= 100_000);
    }
    assert!(guard.cache.bytes() > 10_000);
}
