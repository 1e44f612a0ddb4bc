//! The matrix: transports, credentials, and what callers without a token may do.

use std::fmt::Write as _;

use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{MUTATION, QUERY, SUBSCRIPTION, Tokens};
use crate::program::Program;
use crate::socket::Socket;
use crate::support::{Answer, Database, assert_answer, client, on_both_databases};

/// How a request is sent.
#[derive(Clone, Copy)]
enum By {
    Post,
    Get,
    Events,
    EventsByGet,
    /// With the token in the handshake.
    Socket,
    /// With the token in `connection_init`.
    SocketInit,
}

const ALL: [By; 6] = [
    By::Post,
    By::Get,
    By::Events,
    By::EventsByGet,
    By::Socket,
    By::SocketInit,
];

/// The outcome of a request: `ok` if the caller was admitted, else the status, or the code with which the socket was
/// closed, or the code of the error, marked with `*`, if it is the only sign of the rejection.
async fn outcome(program: &Program, by: By, authorization: Option<&str>, query: &str) -> String {
    let (url, request) = (program.url("/graphql"), json!({ "query": query }));
    let accept = match by {
        By::Events | By::EventsByGet => "text/event-stream",
        _ => "application/json",
    };
    let http = match by {
        By::Post | By::Events => client().post(url).json(&request),
        By::Get | By::EventsByGet => {
            let query = percent_encoding::percent_encode(
                query.as_bytes(),
                percent_encoding::NON_ALPHANUMERIC,
            );
            client().get(format!("{url}?query={query}"))
        }
        By::Socket | By::SocketInit => {
            let (header, payload) = match by {
                By::Socket => (authorization, Value::Null),
                _ => (None, json!({ "Authorization": authorization })),
            };
            let payload = match authorization {
                None => Value::Null,
                Some(_) => payload,
            };
            return by_socket(program, header, &payload, query).await;
        }
    };
    let http = http.header("accept", accept);
    let answer = Answer::to(with(http, authorization)).await;
    match answer.status {
        200 => outcome_of(&first_event(&answer.body)),
        status => {
            assert!(
                answer.body.contains("errors") && !answer.body.contains("data"),
                "{answer}"
            );
            status.to_string()
        }
    }
}

fn with(http: reqwest::RequestBuilder, authorization: Option<&str>) -> reqwest::RequestBuilder {
    match authorization {
        None => http,
        Some(value) => http.header("authorization", value),
    }
}

/// The response, which may be an event.
fn first_event(body: &str) -> Value {
    let data = body.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.unwrap_or(body)).unwrap()
}

async fn by_socket(
    program: &Program,
    authorization: Option<&str>,
    payload: &Value,
    query: &str,
) -> String {
    let address = program.address();
    let mut socket = Socket::initialised(address, authorization, payload).await;
    match socket.receive_or_close().await {
        Ok(message) => assert_eq!(message, json!({ "type": "connection_ack" })),
        Err(code) => return code.to_string(),
    }
    socket.subscribe("1", query).await;
    let message = socket.receive().await;
    match message["type"].as_str() {
        Some("next") => outcome_of(&message["payload"]),
        _ => outcome_of(&json!({ "errors": message["payload"] })),
    }
}

/// `ok` if the engine has executed the request: this test's requests then have no error, or one of these two codes.
fn outcome_of(answer: &Value) -> String {
    match answer["errors"][0]["extensions"]["code"].as_str() {
        None | Some("BAD_USER_INPUT" | "NOT_FOUND") => "ok".to_owned(),
        Some("UNAUTHENTICATED") => "401*".to_owned(),
        Some("FORBIDDEN") => "403*".to_owned(),
        Some(other) => other.to_owned(),
    }
}

/// A row for each credential. The columns are queries, mutations and subscriptions on the transports that serve them,
/// then the list of all articles, the schema, and a document that is requested by its hash.
async fn table(database: Database, reads: bool, writes: bool) -> Option<String> {
    const HASHED: &str = "{__typename}";
    const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
    let own = database.migrated().await?;
    let tokens = Tokens::new();
    let (reads, writes) = (
        format!("--anonymous-reads={reads}"),
        format!("--anonymous-writes={writes}"),
    );
    let mut program = Program::start(&own.url, &[&tokens.flag(), &reads, &writes]).await;
    let revoked = tokens.bearer("revoked");
    let before = outcome(&program, By::Post, Some(&revoked), QUERY).await;
    assert_eq!(before, "ok");
    tokens.revoke("revoked");
    program.signal("HUP");
    program.logged("read tokens and keys again").await;
    // From now on callers who may read can use the document by its hash.
    let named = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": HASH } } });
    let mut registration = named.clone();
    registration["query"] = json!(HASHED);
    let reader = tokens.bearer("reader");
    let registration = client().post(program.url("/graphql")).json(&registration);
    let answer = Answer::to(with(registration, Some(&reader))).await;
    assert_eq!(answer.body, r#"{"data":{"__typename":"Query"}}"#);

    let mut table = String::new();
    for (name, authorization) in [
        ("none", None),
        ("broken", Some("Bearer bs_broken".to_owned())),
        ("basic", Some("Basic dTpw".to_owned())),
        ("expired", Some(tokens.bearer("expired"))),
        ("revoked", Some(revoked)),
        ("idle", Some(tokens.bearer("idle"))),
        ("reader", Some(reader)),
        ("writer", Some(tokens.bearer("writer"))),
    ] {
        let authorization = authorization.as_deref();
        let ask = async |by, query| outcome(&program, by, authorization, query).await;
        write!(table, "{name:8}").unwrap();
        for (query, transports) in [
            (QUERY, &ALL[..]),
            (MUTATION, &ALL[..]),
            (SUBSCRIPTION, &ALL[2..]),
        ] {
            for by in transports {
                write!(table, "{:5}", ask(*by, query).await).unwrap();
            }
            table.push_str("| ");
        }
        for path in ["/api/v1/articles/", "/schema.graphql"] {
            let answer = Answer::to(with(client().get(program.url(path)), authorization)).await;
            write!(table, "{:4}", answer.status).unwrap();
        }
        let by_hash = client().post(program.url("/graphql")).json(&named);
        let answer = Answer::to(with(by_hash, authorization)).await;
        writeln!(table, "{:4}", answer.status).unwrap();
    }
    Some(table)
}

#[apply(on_both_databases)]
async fn with_anonymous_reads_and_writes(database: Database) {
    let Some(table) = table(database, true, true).await else {
        return;
    };
    assert_answer!(table, @r"
    none    ok   ok   ok   ok   ok   ok   | ok   405  ok   405  ok   ok   | ok   ok   ok   ok   |  200 200 200
    broken  401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    basic   401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    expired 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    revoked 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    idle    403  403  403  403  4403 4403 | 403  403  403  403  4403 4403 | 403  403  4403 4403 |  403 403 403
    reader  ok   ok   ok   ok   ok   ok   | 403  403  403  403  403* 403* | ok   ok   ok   ok   |  200 200 200
    writer  ok   ok   ok   ok   ok   ok   | ok   405  ok   405  ok   ok   | ok   ok   ok   ok   |  200 200 200
    ");
}

#[apply(on_both_databases)]
async fn with_anonymous_reads(database: Database) {
    let Some(table) = table(database, true, false).await else {
        return;
    };
    assert_answer!(table, @r"
    none    ok   ok   ok   ok   ok   ok   | 401  401  401  401  401* 401* | ok   ok   ok   ok   |  200 200 200
    broken  401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    basic   401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    expired 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    revoked 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    idle    403  403  403  403  4403 4403 | 403  403  403  403  4403 4403 | 403  403  4403 4403 |  403 403 403
    reader  ok   ok   ok   ok   ok   ok   | 403  403  403  403  403* 403* | ok   ok   ok   ok   |  200 200 200
    writer  ok   ok   ok   ok   ok   ok   | ok   405  ok   405  ok   ok   | ok   ok   ok   ok   |  200 200 200
    ");
}

#[apply(on_both_databases)]
async fn with_anonymous_writes_only(database: Database) {
    let Some(table) = table(database, false, true).await else {
        return;
    };
    assert_answer!(table, @r"
    none    401  401  401  401  401* 401* | ok   405  ok   405  ok   ok   | 401  401  401* 401* |  401 401 401
    broken  401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    basic   401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    expired 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    revoked 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    idle    403  403  403  403  4403 4403 | 403  403  403  403  4403 4403 | 403  403  4403 4403 |  403 403 403
    reader  ok   ok   ok   ok   ok   ok   | 403  403  403  403  403* 403* | ok   ok   ok   ok   |  200 200 200
    writer  ok   ok   ok   ok   ok   ok   | ok   405  ok   405  ok   ok   | ok   ok   ok   ok   |  200 200 200
    ");
}

#[apply(on_both_databases)]
async fn without_anonymous_access(database: Database) {
    let Some(table) = table(database, false, false).await else {
        return;
    };
    assert_answer!(table, @r"
    none    401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    broken  401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    basic   401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    expired 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    revoked 401  401  401  401  4403 4403 | 401  401  401  401  4403 4403 | 401  401  4403 4403 |  401 401 401
    idle    403  403  403  403  4403 4403 | 403  403  403  403  4403 4403 | 403  403  4403 4403 |  403 403 403
    reader  ok   ok   ok   ok   ok   ok   | 403  403  403  403  403* 403* | ok   ok   ok   ok   |  200 200 200
    writer  ok   ok   ok   ok   ok   ok   | ok   405  ok   405  ok   ok   | ok   ok   ok   ok   |  200 200 200
    ");
}
