//! `LOG_REQUESTS`: a line for each request, and for each operation on a WebSocket.

use rstest_reuse::apply;
use serde_json::{Value, json};

use super::redacted;
use crate::admission::Tokens;
use crate::program::Program;
use crate::socket::Socket;
use crate::support::{Answer, Database, OwnDatabase, assert_answer, client, on_both_databases};

/// Sends a request with its own id to a server that logs requests.
async fn post(program: &Program, id: &str, body: &Value) -> Answer {
    let request = client().post(program.url("/graphql")).json(body);
    Answer::to(request.header("x-request-id", id)).await
}

/// The line of the request with this id.
async fn line(program: &mut Program, id: &str) -> String {
    let line = program.logged(&format!("id=\"{id}\"")).await;
    assert!(line.contains("broadsheet::requests"), "{line}");
    redacted(&line)
}

async fn start(database: &OwnDatabase, flags: &[&str]) -> Program {
    let flags: Vec<_> = ["--log-requests"].iter().chain(flags).copied().collect();
    Program::start(&database.url, &flags).await
}

#[apply(on_both_databases)]
async fn each_request_has_one_line_with_its_caller_operation_status_and_times(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let tokens = Tokens::new();
    let mut program = start(&database, &[&tokens.flag()]).await;
    let create = "mutation Create($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    let inputs = json!([{ "title": "a", "text": "" }, { "title": "b", "text": "" }]);
    let create = json!({ "query": create, "variables": { "inputs": inputs } });
    let request = client().post(program.url("/graphql")).json(&create);
    let request = request.header("authorization", tokens.bearer("writer"));
    let created = Answer::to(request.header("x-request-id", "create")).await;
    assert_eq!(created.status, 200, "{created}");
    assert_answer!(line(&mut program, "create").await, @r#"INFO request{id="create" method=POST path="/graphql" caller="writer"}: broadsheet::requests: answered status=200 duration_ms=N bytes=121 operation="mutation" name="Create" document="ffb7efc53ee5808a9547f1168db2d372602d62aff04b8ce8b4b6e2ea5a6665c3" prepare_ms=N execute_ms=N wait_ms=N database_ms=N rows=2 shared=false"#);
    post(
        &program,
        "list",
        &json!({ "query": "query List { articles { slug } }" }),
    )
    .await;
    assert_answer!(line(&mut program, "list").await, @r#"INFO request{id="list" method=POST path="/graphql" caller="anonymous"}: broadsheet::requests: answered status=200 duration_ms=N bytes=49 operation="query" name="List" document="2cac201fb0c75a045625c88e86ee13ab9d0d5ca292d93966c5241ab20ae19ea2" prepare_ms=N execute_ms=N wait_ms=N database_ms=N rows=2 shared=false"#);
    post(
        &program,
        "wrong",
        &json!({ "query": "{ nothing }", "operationName": "a\nb" }),
    )
    .await;
    assert_answer!(line(&mut program, "wrong").await, @r#"INFO request{id="wrong" method=POST path="/graphql" caller="anonymous"}: broadsheet::requests: answered status=200 duration_ms=N bytes=157 name="a\nb" document="919c0b7aa452b0b2fb42688461501bb8b0c3ef3b9d05ce7b9afd4f28bbe96ceb" code="GRAPHQL_VALIDATION_FAILED" prepare_ms=N wait_ms=N database_ms=N rows=0 shared=false"#);
    post(&program, "no-request", &json!([])).await;
    assert_answer!(line(&mut program, "no-request").await, @r#"INFO request{id="no-request" method=POST path="/graphql"}: broadsheet::requests: answered status=400 duration_ms=N bytes=122 code="BAD_REQUEST""#);
    let request = client().get(program.url("/nothing"));
    Answer::to(request.header("x-request-id", "elsewhere")).await;
    assert_answer!(line(&mut program, "elsewhere").await, @r#"INFO request{id="elsewhere" method=GET path="/nothing"}: broadsheet::requests: answered status=404 duration_ms=N bytes=123 code="BAD_REQUEST""#);
    let long = format!("query {} {{ __typename }}", "N".repeat(100));
    post(&program, "long-name", &json!({ "query": long })).await;
    let line = line(&mut program, "long-name").await;
    let name = format!("name=\"{}…\"", "N".repeat(64));
    assert!(line.contains(&name), "{line}");
    assert_eq!(program.log().matches("broadsheet::requests").count(), 6);
}

#[apply(on_both_databases)]
async fn each_operation_on_a_socket_has_a_line(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let mut program = start(&database, &[]).await;
    let mut socket = Socket::ready(program.address()).await;
    socket.subscribe("1", "query One { articles { id } }").await;
    assert_eq!(socket.receive().await["type"], "next");
    let line = program.logged("name=\"One\"").await;
    let (_, logged_fields) = line.split_once("broadsheet::requests").unwrap();
    assert_answer!(redacted(logged_fields), @r#"answered on a WebSocket duration_ms=N bytes=24 operation="query" name="One" document="16e1e11db8778ac9db7e442a308ac19ad886a50e0f149f2f3309be868df774e3" prepare_ms=N execute_ms=N wait_ms=N database_ms=N rows=0 shared=false"#);
}

/// A list that many request at once is read once; the log shows who shared it.
#[apply(on_both_databases)]
async fn the_line_says_whether_the_execution_was_shared(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let program = start(&database, &[]).await;
    let body = json!({ "query": "{ articles { id } }" });
    let mut sent_requests = 0;
    while !program.log().contains("shared=true") {
        assert!(sent_requests < 10_000, "nobody has shared an execution");
        let requests = (0..50).map(|_| post(&program, "many", &body));
        futures_util::future::join_all(requests).await;
        sent_requests += 50;
    }
    assert!(program.log().contains("shared=false"));
}

#[apply(on_both_databases)]
async fn in_json_each_field_occurs_once_and_numbers_have_units(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let mut program = start(&database, &["--log-format=json"]).await;
    post(
        &program,
        "json",
        &json!({ "query": "query List { articles { id } }" }),
    )
    .await;
    let line = program.logged("\"id\":\"json\"").await;
    let mut line: Value = serde_json::from_str(&line).unwrap();
    for (name, value) in line.as_object_mut().unwrap() {
        if name.ends_with("_ms") {
            assert!(value.is_number(), "{name}: {value}");
            *value = json!("N");
        }
    }
    line["timestamp"] = json!("NOW");
    assert_answer!(serde_json::to_string_pretty(&line).unwrap(), @r#"
    {
      "bytes": 24,
      "database_ms": "N",
      "document": "0abfce7decefeb80ca76f5a014591fe6257b854b877331f2a8c0c9c8138a38cc",
      "duration_ms": "N",
      "execute_ms": "N",
      "level": "INFO",
      "message": "answered",
      "name": "List",
      "operation": "query",
      "parse_ms": "N",
      "prepare_ms": "N",
      "rows": 0,
      "shared": false,
      "span": {
        "caller": "anonymous",
        "id": "json",
        "method": "POST",
        "name": "request",
        "path": "/graphql"
      },
      "status": 200,
      "target": "broadsheet::requests",
      "timestamp": "NOW",
      "validate_ms": "N",
      "wait_ms": "N"
    }
    "#);
}

#[apply(on_both_databases)]
async fn without_the_setting_requests_are_not_logged(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let program = Program::start(&database.url, &[]).await;
    post(
        &program,
        "silent",
        &json!({ "query": "{ articles { id } }" }),
    )
    .await;
    program.signal("TERM");
    let (_, log) = program.end().await;
    assert!(!log.contains("silent"), "{log}");
}
