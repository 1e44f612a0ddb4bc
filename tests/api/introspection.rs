//! What introspection returns. `tests/graphql_js/main.rs` compares all of it with graphql-js.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Database, assert_answer, on_both_databases, start};
use crate::transports::Transport;

#[apply(on_both_databases)]
async fn an_interface_implements_none_and_the_schema_has_no_description(database: Database) {
    let app = start!(database);
    let query = "{ __typename __schema { description types { name interfaces { name } } } \
        node: __type(name: \"Node\") { __typename kind interfaces { name } possibleTypes { name } } \
        article: __type(name: \"Article\") { interfaces { name } possibleTypes { name } isOneOf } \
        by: __type(name: \"ArticleBy\") { interfaces { name } isOneOf inputFields { name type { name } defaultValue } } }";
    let answer = app.query(query).await;
    let sdl = app.get("/schema.graphql").await.to_string();
    assert!(!sdl.contains("\"\"\"\nschema"), "{sdl}");
    let mut answer = answer.json();
    let types = answer["data"]["__schema"]["types"].take();
    // Only objects and interfaces have a list.
    for ty in types.as_array().unwrap() {
        let name = ty["name"].as_str().unwrap();
        let kind = format!("{{ __type(name: {name:?}) {{ kind }} }}");
        let kind = app.query(&kind).await.json()["data"]["__type"]["kind"].take();
        let has_list = kind == "OBJECT" || kind == "INTERFACE";
        assert_eq!(ty["interfaces"].is_array(), has_list, "{ty}");
    }
    assert_eq!(
        answer["data"],
        json!({
            "__typename": "Query",
            "__schema": { "description": null, "types": null },
            "node": { "__typename": "__Type", "kind": "INTERFACE", "interfaces": [], "possibleTypes": [{ "name": "Article" }] },
            "article": { "interfaces": [{ "name": "Node" }], "possibleTypes": null, "isOneOf": null },
            "by": {
                "interfaces": null,
                "isOneOf": true,
                "inputFields": [
                    { "name": "id", "type": { "name": "ID" }, "defaultValue": null },
                    { "name": "slug", "type": { "name": "String" }, "defaultValue": null },
                ],
            },
        })
    );
}

#[apply(on_both_databases)]
async fn introspection_can_be_combined_with_other_fields_in_order(database: Database) {
    let app = start!(database);
    let query = "query($name: String!, $all: Boolean) { \
        a: __type(name: $name) { name fields(includeDeprecated: $all) { name } } \
        articles { id } b: __schema { queryType { name } } }";
    let request = json!({ "query": query, "variables": { "name": "Node" } });
    let expected = r#"{"data":{"a":{"name":"Node","fields":[{"name":"id"}]},"articles":[],"b":{"queryType":{"name":"Query"}}}}"#;
    for _ in 0..4 {
        let response = crate::support::client()
            .post(app.url("/graphql"))
            .header("content-type", "application/json")
            .body(request.to_string());
        let text = response.send().await.unwrap().text().await.unwrap();
        assert_eq!(text, expected);
    }
    let request = json!({ "query": query, "variables": { "name": "None", "all": null } });
    assert_eq!(app.graphql(&request).await.json()["data"]["a"], Value::Null);
}

/// A chain of types within types, nested this deep.
fn chain(brackets: usize) -> String {
    let inner = brackets - 2;
    format!(
        "{{ __type(name: \"Article\") {{ {} name {} }} }}",
        "ofType {".repeat(inner),
        "}".repeat(inner)
    )
}

#[apply(on_both_databases)]
async fn the_depth_of_introspection_has_one_limit(database: Database) {
    let app = start!(database);
    for transport in Transport::ALL {
        for brackets in [3, 20, 31, 32, 33, 34, 35, 50, 63, 64] {
            let request = json!({ "query": chain(brackets) });
            let answer = transport.ask(&app.url("/graphql"), &request).await;
            assert_eq!(
                answer,
                json!({ "data": { "__type": { "ofType": null } } }),
                "{brackets}"
            );
        }
        let request = json!({ "query": chain(65) });
        let answer = transport.ask(&app.url("/graphql"), &request).await;
        let expected = json!({ "errors": [{
            "message": "The document is too complex: its nesting is 65, and 64 is allowed.",
            "extensions": { "code": "TOO_COMPLEX", "limit": { "name": "nesting", "max": 64, "value": 65 } },
        }] });
        assert_eq!(answer, expected, "{transport:?}");
    }
}

/// No setting allows deeper nesting than the parser supports.
#[apply(on_both_databases)]
async fn the_highest_limit_of_nesting_works(database: Database) {
    let app = start!(database, "--max-nesting=100", "--max-depth=1000");
    let answer = app.query(&chain(100)).await.json();
    assert_eq!(answer, json!({ "data": { "__type": { "ofType": null } } }));
    for brackets in [101, 500, 4_000] {
        let answer = app.query(&chain(brackets)).await.json();
        let limit = json!({ "name": "nesting", "max": 100, "value": brackets });
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(
            *extensions,
            json!({ "code": "TOO_COMPLEX", "limit": limit })
        );
    }
}

/// Each of these lists multiplies what is selected in it.
#[apply(on_both_databases)]
async fn an_introspection_that_grows_with_its_depth_is_rejected(database: Database) {
    let app = start!(database);
    let below = "fields { type { ofType { ofType { ";
    let query = format!(
        "{{ __schema {{ types {{ {} name {} }} }} }}",
        below.repeat(14),
        "}".repeat(4 * 14)
    );
    assert_answer!(app.query(&query).await, @r#"
    {
      "errors": [
        {
          "message": "The document is too complex: its number of introspection fields is 50001, and 50000 is allowed.",
          "extensions": {
            "code": "TOO_COMPLEX",
            "limit": {
              "name": "introspection",
              "max": 50000,
              "value": 50001
            }
          }
        }
      ]
    }
    "#);
}
