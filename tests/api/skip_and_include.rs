//! Conditions that remove all fields of a selection: the result is `{}`, at the root and below, on every transport.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Database, on_both_databases, start};
use crate::transports::Transport;

#[apply(on_both_databases)]
async fn an_operation_without_fields_returns_an_empty_object(database: Database) {
    let app = start!(database);
    app.create(json!({ "title": "a", "text": "" })).await;
    let none = json!({ "data": {} });
    for query in [
        "{ articles(limit: 1) @skip(if: true) { slug } }",
        "query($s: Boolean = true) { articles(limit: 1) @skip(if: $s) { slug } }",
        "{ ... @include(if: false) { a: __typename articles { slug } } }",
        "{ __schema @skip(if: true) { description } }",
        "fragment F on Query { articles { slug } } { ...F @skip(if: true) }",
    ] {
        for transport in Transport::ALL {
            let request = json!({ "query": query });
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            assert_eq!(answer, none, "{transport:?} {query}");
        }
    }
    let create = "mutation($s: Boolean!) { createArticle(input: { title: \"b\", text: \"\" }) @skip(if: $s) { id } }";
    let request = json!({ "query": create, "variables": { "s": true } });
    for transport in Transport::FOR_MUTATIONS {
        let answer = transport.ask(&app.url("/graphql"), &request).await;
        assert_eq!(answer, none, "{transport:?}");
    }
    let slugs = app.query("{ articles { slug } }").await.json();
    assert_eq!(slugs, json!({ "data": { "articles": [{ "slug": "a" }] } }));
}

#[apply(on_both_databases)]
async fn an_object_without_fields_is_empty_and_not_null(database: Database) {
    let app = start!(database);
    let created = app.create(json!({ "title": "a", "text": "" })).await.json();
    let id = &created["data"]["createArticle"]["id"];
    let cases = [
        (
            "articlesConnection { pageInfo { hasNextPage @skip(if: true) } }",
            json!({ "articlesConnection": { "pageInfo": {} } }),
        ),
        (
            "articlesConnection { edges @skip(if: true) { cursor } }",
            json!({ "articlesConnection": {} }),
        ),
        (
            "articlesConnection { edges { cursor @skip(if: true) } }",
            json!({ "articlesConnection": { "edges": [{}] } }),
        ),
        (
            "articlesConnection { edges { node { id @skip(if: true) } } }",
            json!({ "articlesConnection": { "edges": [{ "node": {} }] } }),
        ),
        (
            "articlesConnection { nodes { id @skip(if: true) } }",
            json!({ "articlesConnection": { "nodes": [{}] } }),
        ),
        (
            "articles { id @skip(if: true) }",
            json!({ "articles": [{}] }),
        ),
        (
            "article(by: { slug: \"a\" }) { id @skip(if: true) }",
            json!({ "article": {} }),
        ),
        (
            "article(by: { slug: \"b\" }) { id @skip(if: true) }",
            json!({ "article": null }),
        ),
        (
            "node(id: $id) { id @skip(if: true) }",
            json!({ "node": {} }),
        ),
        (
            "node(id: $id) { ... on Article @skip(if: true) { slug } }",
            json!({ "node": {} }),
        ),
        (
            "node(id: \"b\") { id @skip(if: true) }",
            json!({ "node": null }),
        ),
        (
            "nodes(ids: [$id, \"b\"]) { id @skip(if: true) }",
            json!({ "nodes": [{}, null] }),
        ),
        (
            "articleChanges(after: $c) { changes { kind @skip(if: true) } }",
            json!({ "articleChanges": { "changes": [{}] } }),
        ),
        (
            "articleChanges(after: $c) { changes { article { id @skip(if: true) } } }",
            json!({ "articleChanges": { "changes": [{ "article": {} }] } }),
        ),
        (
            "articleChanges(after: $c) { hasMore @skip(if: true) }",
            json!({ "articleChanges": {} }),
        ),
        (
            "__schema { queryType { name @skip(if: true) } }",
            json!({ "__schema": { "queryType": {} } }),
        ),
        (
            "__type(name: \"Node\") { name @skip(if: true) }",
            json!({ "__type": {} }),
        ),
        (
            "__type(name: \"None\") { name @skip(if: true) }",
            json!({ "__type": null }),
        ),
    ];
    let cursor = app.query("{ articleChangesCursor }").await.json();
    let cursor = cursor["data"]["articleChangesCursor"].to_string();
    let update = "mutation($id: ID!) { updateArticle(id: $id, input: { text: \"b\" }) { id @skip(if: true) } }";
    let request = json!({ "query": update, "variables": { "id": id } });
    let answer = app.graphql(&request).await.json();
    assert_eq!(answer, json!({ "data": { "updateArticle": {} } }));
    for (selection, expected) in cases {
        let query = format!("{{ {selection} }}");
        let query = query.replace("$id", &id.to_string()).replace("$c", &cursor);
        for transport in Transport::ALL {
            let request = json!({ "query": query });
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            assert_eq!(
                answer,
                json!({ "data": expected }),
                "{transport:?} {selection}"
            );
        }
    }
}

#[apply(on_both_databases)]
async fn an_event_without_fields_is_empty_and_not_null(database: Database) {
    let app = start!(database);
    let cursor = app.query("{ articleChangesCursor }").await.json();
    let cursor: &Value = &cursor["data"]["articleChangesCursor"];
    app.create(json!({ "title": "a", "text": "" })).await;
    for (selection, expected) in [
        ("kind @skip(if: true)", json!({})),
        ("article { id @skip(if: true) }", json!({ "article": {} })),
    ] {
        let query =
            format!("subscription($c: String) {{ articleChanges(after: $c) {{ {selection} }} }}");
        let request = json!({ "query": query, "variables": { "c": cursor } });
        for transport in Transport::FOR_SUBSCRIPTIONS {
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            assert_eq!(
                answer,
                json!({ "data": { "articleChanges": expected } }),
                "{transport:?}"
            );
        }
    }
}
