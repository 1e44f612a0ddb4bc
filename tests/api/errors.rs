//! The table of errors: every error code, provoked from outside. One response of each form is shown whole; of the
//! others the errors are shown, one per line.
//!
//! `UNAVAILABLE` needs a database that fails: see `failures.rs`. For `CURSOR_EXPIRED` see `feed/graphql.rs`.

use std::fmt::Write as _;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Answer, Database, TestApp, assert_answer, client, on_both_databases, start};

#[apply(on_both_databases)]
async fn an_invalid_body_is_a_bad_request(database: Database) {
    let app = start!(database);
    assert_answer!(short(&post(&app, "{").await), @"400 BAD_REQUEST: the request is not valid JSON: EOF while parsing an object at line 1 column 1");
    assert_answer!(short(&post(&app, "[]").await), @"400 BAD_REQUEST: the request is not a JSON object; batches are not supported");
    assert_answer!(short(&app.graphql(&json!({ "query": 1 })).await), @"400 BAD_REQUEST: `query` must be a string");
}

#[apply(on_both_databases)]
async fn an_invalid_document_has_locations(database: Database) {
    let app = start!(database);
    assert_answer!(app.query("{ articles { id }").await, @r#"
    {
      "errors": [
        {
          "message": "syntax error: expected \"}\", got EOF",
          "locations": [
            {
              "line": 1,
              "column": 18
            }
          ],
          "extensions": {
            "code": "GRAPHQL_PARSE_FAILED"
          }
        }
      ]
    }
    "#);
    assert_answer!(short(&app.query("{ articles { none } }").await), @r#"
    GRAPHQL_VALIDATION_FAILED 1:3: interface, union and object types must have a subselection set
    GRAPHQL_VALIDATION_FAILED 1:14: type `Article` does not have a field `none`
    "#);
    let query = "query($limit: String!) { articles(limit: $limit) { id } }";
    let request = json!({ "query": query, "variables": { "limit": "1" } });
    assert_answer!(short(&app.graphql(&request).await), @"GRAPHQL_VALIDATION_FAILED 1:42: The variable `$limit` of type `String!` is used where `Int!` is expected.");
}

#[apply(on_both_databases)]
async fn an_invalid_value_names_its_field(database: Database) {
    let app = start!(database);
    assert_answer!(app.create(json!({ "title": "", "text": "" })).await, @r#"
    {
      "errors": [
        {
          "message": "title must have 1 to 65 characters, but it is empty",
          "locations": [
            {
              "line": 1,
              "column": 41
            }
          ],
          "path": [
            "createArticle"
          ],
          "extensions": {
            "code": "BAD_USER_INPUT",
            "field": "input.title"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    assert_answer!(short(&app.create(json!({ "title": "a".repeat(66), "text": "" })).await), @r#"BAD_USER_INPUT 1:41 createArticle: title must have 1 to 65 characters, but it has 66 {"field":"input.title"} | data: {"createArticle":null}"#);
    assert_answer!(short(&app.create(json!({ "title": "a", "text": "\0" })).await), @r#"BAD_USER_INPUT 1:41 createArticle: text must not contain a NUL character (U+0000) {"field":"input.text"} | data: {"createArticle":null}"#);
    assert_answer!(short(&app.create(json!({ "title": "a", "text": "", "createdAt": "now" })).await), @r#"BAD_USER_INPUT 1:41 createArticle: expected an RFC 3339 instant such as 2026-01-31T09:30:00.123456Z {"field":"input.createdAt"} | data: {"createArticle":null}"#);
    assert_answer!(short(&app.create(json!({ "title": "a" })).await), @r#"BAD_USER_INPUT 1:10: The variable `$input` cannot be used: a value of type `String!` is required at `input.text`. {"field":"input.text"}"#);
    assert_answer!(short(&app.create(json!({ "title": "a", "text": "", "slug": 7 })).await), @r#"BAD_USER_INPUT 1:10: The variable `$input` cannot be used: expected a value of type `String`, found a number at `input.slug`. {"field":"input.slug"}"#);
    assert_answer!(short(&app.query("{ article(by: { slug: \"\\u0000\" }) { id } }").await), @r#"BAD_USER_INPUT 1:3 article: slug must not contain a NUL character (U+0000) {"field":"by.slug"} | data: {"article":null}"#);
}

#[apply(on_both_databases)]
async fn an_invalid_page_is_rejected(database: Database) {
    let app = start!(database);
    assert_answer!(short(&app.query("{ articles(limit: 0) { id } }").await), @r#"BAD_USER_INPUT 1:3 articles: limit must be 1 to 100, but it is 0 {"field":"limit"} | data: null"#);
    assert_answer!(short(&app.query("{ articles(limit: 101) { id } }").await), @r#"BAD_USER_INPUT 1:3 articles: limit must be 1 to 100, but it is 101 {"field":"limit"} | data: null"#);
    assert_answer!(short(&app.query("{ articles(offset: -1) { id } }").await), @r#"BAD_USER_INPUT 1:3 articles: offset must be at least 0, but it is -1 {"field":"offset"} | data: null"#);
    assert_answer!(short(&app.query("{ articles(orderBy: RELEVANCE) { id } }").await), @r#"BAD_USER_INPUT 1:3 articles: RELEVANCE needs a search at the top level of the filter {"field":"orderBy"} | data: null"#);
    let connection = async |arguments: &str| {
        let query = format!("{{ articlesConnection({arguments}) {{ totalCount }} }}");
        app.query(&query).await
    };
    assert_answer!(short(&connection("first: 1, last: 1").await), @r#"BAD_USER_INPUT 1:3 articlesConnection: first and last cannot be combined; use first from the beginning of the list, or last from its end {"field":"last"} | data: null"#);
    assert_answer!(short(&connection("first: 101").await), @r#"BAD_USER_INPUT 1:3 articlesConnection: first must be 0 to 100, but it is 101 {"field":"first"} | data: null"#);
    assert_answer!(short(&connection("last: -1").await), @r#"BAD_USER_INPUT 1:3 articlesConnection: last must be 0 to 100, but it is -1 {"field":"last"} | data: null"#);
    assert_answer!(short(&connection("after: \"x\"").await), @r#"BAD_USER_INPUT 1:3 articlesConnection: this is not a cursor of a list of articles, or it was cut or changed {"field":"after"} | data: null"#);
    app.create(json!({ "title": "a", "text": "" })).await;
    let query = "{ articlesConnection(orderBy: TITLE_ASC) { pageInfo { endCursor } } }";
    let page = app.query(query).await.json();
    let cursor = page["data"]["articlesConnection"]["pageInfo"]["endCursor"].as_str();
    let cursor = cursor.unwrap();
    assert_answer!(short(&connection(&format!("orderBy: TITLE_DESC, before: {cursor:?}")).await), @r#"BAD_USER_INPUT 1:3 articlesConnection: this cursor belongs to another order; use it with the orderBy that produced it {"field":"before"} | data: null"#);
    let damaged = format!("{}A", &cursor[..cursor.len() - 1]);
    assert_answer!(short(&connection(&format!("orderBy: TITLE_ASC, after: {damaged:?}")).await), @r#"BAD_USER_INPUT 1:3 articlesConnection: this is not a cursor of a list of articles, or it was cut or changed {"field":"after"} | data: null"#);
    let ids = vec!["a"; 101];
    let request = json!({ "query": "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", "variables": { "ids": ids } });
    assert_answer!(short(&app.graphql(&request).await), @r#"BAD_USER_INPUT 1:23 nodes: ids may have at most 100 values, but it has 101 {"field":"ids"} | data: null"#);
}

#[apply(on_both_databases)]
async fn conflicts_of_slugs_and_versions_are_reported(database: Database) {
    let app = start!(database);
    let created = app.create(json!({ "title": "a", "text": "" })).await.json();
    app.create(json!({ "title": "b", "text": "" })).await;
    let id = created["data"]["createArticle"]["id"].as_str().unwrap();
    let mutation = async |call: &str| {
        let document = format!("mutation {{ {call} {{ slug version }} }}");
        app.query(&document.replace("$id", &format!("{id:?}")))
            .await
    };
    assert_answer!(app.create(json!({ "title": "c", "text": "", "slug": "a" })).await, @r#"
    {
      "errors": [
        {
          "message": "the slug \"a\" belongs to another article",
          "locations": [
            {
              "line": 1,
              "column": 41
            }
          ],
          "path": [
            "createArticle"
          ],
          "extensions": {
            "code": "SLUG_TAKEN",
            "field": "input.slug"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
    assert_answer!(short(&mutation("updateArticle(id: $id, input: { slug: \"b\" })").await), @r#"SLUG_TAKEN 1:12 updateArticle: the slug "b" belongs to another article {"field":"input.slug"} | data: {"updateArticle":null}"#);
    assert_answer!(short(&mutation("updateArticle(id: $id, input: {})").await), @r#"BAD_USER_INPUT 1:12 updateArticle: an update must change something: give a title, a slug or a text {"field":"input"} | data: {"updateArticle":null}"#);
    assert_answer!(short(&mutation("updateArticle(id: $id, input: { text: \"x\" }, expectedVersion: 2)").await), @r#"VERSION_CONFLICT 1:12 updateArticle: the article has version 1 now; fetch it again and retry {"currentVersion":1} | data: {"updateArticle":null}"#);
    assert_answer!(short(&mutation("deleteArticle(id: $id, expectedVersion: 2)").await), @r#"VERSION_CONFLICT 1:12 deleteArticle: the article has version 1 now; fetch it again and retry {"currentVersion":1} | data: {"deleteArticle":null}"#);
    assert_answer!(short(&mutation("updateArticle(id: \"1\", input: { text: \"x\" })").await), @r#"NOT_FOUND 1:12 updateArticle: there is no article with this id | data: {"updateArticle":null}"#);
    assert_answer!(short(&mutation("deleteArticle(id: \"0190163d-8694-739b-aea5-966c26f8ad91\")").await), @r#"NOT_FOUND 1:12 deleteArticle: there is no article with this id | data: {"deleteArticle":null}"#);
}

#[apply(on_both_databases)]
async fn an_error_of_one_mutation_does_not_affect_the_others(database: Database) {
    let app = start!(database);
    let document = "mutation { \
        a: createArticle(input: { title: \"a\", text: \"\" }) { slug } \
        b: createArticle(input: { title: \"b\", text: \"\", slug: \"a\" }) { slug } \
        c: createArticle(input: { title: \"c\", text: \"\" }) { slug } }";
    assert_answer!(short(&app.query(document).await), @r#"SLUG_TAKEN 1:71 b: the slug "a" belongs to another article {"field":"input.slug"} | data: {"a":{"slug":"a"},"b":null,"c":{"slug":"c"}}"#);
}

#[apply(on_both_databases)]
async fn a_large_document_is_rejected_with_the_limit(database: Database) {
    let app = start!(database);
    let deep = format!(
        "{{ articles(filter: {}{}) {{ id }} }}",
        "{ not: ".repeat(70),
        "}".repeat(70)
    );
    assert_answer!(app.query(&deep).await, @r#"
    {
      "errors": [
        {
          "message": "The document is too complex: its nesting is 72, and 64 is allowed.",
          "extensions": {
            "code": "TOO_COMPLEX",
            "limit": {
              "name": "nesting",
              "max": 64,
              "value": 72
            }
          }
        }
      ]
    }
    "#);
    let fields: Vec<String> = (0..51)
        .map(|n| format!("a{n}: articleChangesCursor"))
        .collect();
    assert_answer!(short(&app.query(&format!("{{ {} }}", fields.join(" "))).await), @r#"TOO_COMPLEX: The document is too complex: its number of root fields is 51, and 50 is allowed. {"limit":{"max":50,"name":"rootFields","value":51}}"#);
    let lists: Vec<String> = (0..41)
        .map(|n| format!("a{n}: articles(limit: 100) {{ id title slug text version }}"))
        .collect();
    let many = format!("{{ {} }}", lists.join(" "));
    assert_answer!(short(&app.query(&many).await), @r#"TOO_COMPLEX: The document is too complex: its complexity is 20541, and 20000 is allowed. {"limit":{"max":20000,"name":"complexity","value":20541}}"#);
}

#[apply(on_both_databases)]
async fn invalid_arguments_of_the_feed_are_rejected(database: Database) {
    let app = start!(database);
    assert_answer!(short(&app.query("{ articleChanges(after: \"x\") { hasMore } }").await), @r#"BAD_USER_INPUT 1:3 articleChanges: expected a cursor of the change feed, exactly as the server returned it {"field":"after"} | data: null"#);
}

/// SQLite has no time limit of its own for a statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_statement_that_waits_too_long_for_a_lock_times_out() {
    let app = start!(Database::Postgres, "--db-lock-timeout=100ms");
    let lock = app.database.lock_writes().await;
    let answer = app.create(json!({ "title": "a", "text": "" })).await;
    assert_answer!(short(&answer), @r#"TIMEOUT 1:41 createArticle: the request took too long; try again later, or ask for less | data: {"createArticle":null}"#);
    drop(lock);
}

#[apply(on_both_databases)]
async fn an_internal_error_has_only_the_request_id(database: Database) {
    let app = start!(database);
    app.database
        .execute("ALTER TABLE article RENAME COLUMN version TO revision")
        .await;
    assert_answer!(post(&app, "{\"query\": \"{ articles { version } }\"}").await, @r#"
    {
      "errors": [
        {
          "message": "something went wrong on our side; tell us the request id",
          "locations": [
            {
              "line": 1,
              "column": 3
            }
          ],
          "path": [
            "articles"
          ],
          "extensions": {
            "code": "INTERNAL",
            "requestId": "the-request-id"
          }
        }
      ],
      "data": null
    }
    "#);
    let create = "mutation { createArticle(input: { title: \\\"a\\\", text: \\\"\\\" }) { id } }";
    assert_answer!(short(&post(&app, &format!("{{\"query\": \"{create}\"}}")).await), @r#"INTERNAL 1:12 createArticle: something went wrong on our side; tell us the request id {"requestId":"the-request-id"} | data: {"createArticle":null}"#);
}

async fn post(app: &TestApp, body: &str) -> Answer {
    let request = client().post(app.url("/graphql")).body(body.to_owned());
    let request = request.header("content-type", "application/json");
    Answer::to(request.header("x-request-id", "the-request-id")).await
}

/// One line per error: status, code, locations, path, message and the other extensions; after the last one the data
/// of the response.
fn short(answer: &Answer) -> String {
    let response = answer.json();
    let lines = response["errors"].as_array().unwrap().iter().map(|error| {
        let mut extensions = error["extensions"].as_object().unwrap().clone();
        let code = extensions.remove("code").unwrap();
        let mut line = match answer.status {
            200 => String::new(),
            status => format!("{status} "),
        };
        line += code.as_str().unwrap();
        for location in error["locations"].as_array().into_iter().flatten() {
            write!(line, " {}:{}", location["line"], location["column"]).unwrap();
        }
        if let Some(path) = error["path"].as_array() {
            let path = path.iter().map(|segment| match segment.as_str() {
                Some(name) => name.to_owned(),
                None => segment.to_string(),
            });
            write!(line, " {}", path.collect::<Vec<_>>().join(".")).unwrap();
        }
        write!(line, ": {}", error["message"].as_str().unwrap()).unwrap();
        if !extensions.is_empty() {
            write!(line, " {}", Value::from(extensions)).unwrap();
        }
        line
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    match response.get("data") {
        Some(data) => format!("{lines} | data: {data}"),
        None => lines,
    }
}
