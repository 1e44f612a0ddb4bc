//! Traces over OTLP: off unless a collector is configured; then they continue the caller's trace.

use std::time::Duration;

use rstest_reuse::apply;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::program::{Program, run};
use crate::socket::Socket;
use crate::support::{Answer, Database, client, on_both_databases, start};

/// Longer than any expected event takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Receives one request as the collector, and responds to it.
async fn take(listener: &TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        read.extend_from_slice(&part[..count]);
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
            let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(ok).await.unwrap();
            return read;
        }
    }
}

fn has(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[apply(on_both_databases)]
async fn a_request_is_traced_with_its_parts_and_statements_in_the_trace_of_its_caller(
    database: Database,
) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = collector.local_addr().unwrap();
    let flag = format!("--otel-exporter-otlp-endpoint=http://{address}");
    let mut program = Program::start(&database.url, &[&flag, "--log-requests"]).await;
    let request = client().post(program.url("/graphql"));
    let request = request.json(&json!({ "query": "query Listed { articles(filter: { title: { contains: \"secret\" } }) { id } }" }));
    let caller = format!("00-{TRACE}-b7ad6b7169203331-01");
    let answer = Answer::to(request.header("traceparent", caller)).await;
    assert_eq!(answer.body, r#"{"data":{"articles":[]}}"#);
    let traceparent = answer.header("traceparent");
    assert!(
        traceparent.starts_with(&format!("00-{TRACE}-")),
        "{traceparent}"
    );
    assert!(!traceparent.contains("b7ad6b7169203331"), "{traceparent}");
    program.logged(&format!("trace=\"{TRACE}\"")).await;
    let mut socket = Socket::ready(program.address()).await;
    socket
        .subscribe("1", "query OnSocket { articles { id } }")
        .await;
    assert_eq!(socket.receive().await["type"], "next");
    drop(socket);
    // Queued spans are sent before the end.
    program.signal("TERM");
    let body = timeout(PATIENCE, take(&collector)).await.unwrap();
    for part in [
        "POST /v1/traces HTTP/1.1",
        "graphql.document.parsing",
        "graphql.document.validation",
        "graphql.operation.execution",
        "db.query.text",
        "SELECT",
        "Listed",
        "OnSocket",
        "http.response.status_code",
    ] {
        assert!(has(&body, part.as_bytes()), "{part}");
    }
    assert!(has(
        &body,
        &[0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd]
    ));
    assert!(!has(&body, b"secret"));
    assert!(program.end().await.0.success());
}

#[tokio::test]
async fn the_issuer_of_jwts_gets_the_trace_in_which_its_keys_are_fetched() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let [of_collector, of_issuer] = [&collector, &issuer].map(|it| it.local_addr().unwrap());
    let endpoint = format!("--otel-exporter-otlp-endpoint=http://{of_collector}");
    let keys = format!("--jwt-jwks=http://{of_issuer}/jwks.json");
    let mut program = Program::start("sqlite::memory:", &[&endpoint, &keys]).await;
    let (mut stream, _) = timeout(PATIENCE, issuer.accept()).await.unwrap().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream
        .write_all(b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    let head = String::from_utf8(head).unwrap();
    let traceparent = head
        .lines()
        .find_map(|line| line.strip_prefix("traceparent: 00-"));
    let trace = &traceparent.unwrap()[..32];
    let trace: Vec<_> = (0..16)
        .map(|place| u8::from_str_radix(&trace[2 * place..][..2], 16).unwrap())
        .collect();
    program
        .logged("newer keys for JWTs could not be fetched")
        .await;
    program.signal("TERM");
    let body = timeout(PATIENCE, take(&collector)).await.unwrap();
    for part in [&*trace, b"GET", b"server.address", b"/jwks.json"] {
        assert!(has(&body, part), "{}", String::from_utf8_lossy(part));
    }
    assert!(program.end().await.0.success());
}

#[apply(on_both_databases)]
async fn without_a_collector_nothing_is_traced(database: Database) {
    let app = start!(database);
    let caller = format!("00-{TRACE}-b7ad6b7169203331-01");
    let request = app.request("/graphql?query=%7B__typename%7D");
    let answer = Answer::to(request.header("traceparent", caller)).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("traceparent"));
}

#[tokio::test]
async fn invalid_trace_settings_prevent_startup() {
    for (name, value, says) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4318",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
        ("OTEL_TRACES_SAMPLER", "sometimes", "OTEL_TRACES_SAMPLER"),
    ] {
        let environment = [
            ("DATABASE_URL", "sqlite::memory:"),
            ("PORT", "0"),
            (name, value),
        ];
        let (code, _, error) = run(&[], &environment).await;
        assert_eq!(code, 1);
        assert!(error.lines().last().unwrap().contains(says), "{error}");
    }
}
