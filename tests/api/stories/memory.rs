//! Limits on the memory that clients can make a server use: responses that are too large, and clients that do not read.

use std::time::Duration;

use broadsheet::graphql::websocket::SUBPROTOCOL;
use futures_util::{SinkExt as _, StreamExt as _};
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::program::Program;
use crate::support::{Answer, Database, client, on_both_databases};

const MB: usize = 1_000_000;

/// Longer than any expected event takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

#[apply(on_both_databases)]
async fn a_short_request_for_a_large_response_takes_little_memory(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let program = Program::start(&own.url, &[]).await;
    let begin = ask(
        &program,
        "{ articleChangesCursor articles(limit: 1) { text } }",
    )
    .await;
    let begin = begin["data"]["articleChangesCursor"].as_str().unwrap();
    own.fill(100, 190_000).await;
    let ids = ask(&program, "{ articles(limit: 100) { id } }").await;
    let ids = ids["data"]["articles"].as_array().unwrap().iter();
    let ids: Vec<&Value> = ids.map(|article| &article["id"]).collect();
    let all = json!(ids).to_string();
    let before = program.memory("VmRSS");

    let many = |field: &str| {
        let fields = aliased(45, |_| field.to_owned());
        format!("{{ {fields} }}")
    };
    let text_often = aliased(45, |_| "text".to_owned());
    for document in [
        many("articles(limit: 100) { text }"),
        many("articlesConnection(first: 100) { nodes { text } }"),
        many(&format!(
            "nodes(ids: {all}) {{ ... on Article {{ text }} }}"
        )),
        format!("{{ articles(limit: 100) {{ {text_often} }} }}"),
        format!("{{ nodes(ids: {all}) {{ ... on Article {{ {text_often} }} }} }}"),
        format!("{{ articlesConnection(first: 100) {{ edges {{ node {{ {text_often} }} }} }} }}"),
    ] {
        let answer = ask(&program, &document).await;
        let error = &answer["errors"][0]["extensions"];
        assert_eq!(error["code"], "TOO_COMPLEX", "{answer}");
        assert_eq!(error["limit"]["name"], "responseBytes");
    }
    // A page of changes reaches the limit.
    let changes = format!(
        r#"articleChanges(after: "{begin}", first: 500) {{ changes {{ article {{ text }} }} }}"#
    );
    let answer = ask(&program, &many(&changes)).await;
    let code = &answer["errors"][0]["extensions"]["code"];
    assert!(code.is_null() || code == "TOO_COMPLEX", "{code}");

    let grown = program.memory("VmHWM").saturating_sub(before);
    println!("grew by {grown} bytes from {before}");
    assert!(grown < 300 * MB, "grew by {grown} bytes from {before}");
}

#[apply(on_both_databases)]
async fn lookups_of_large_articles_take_little_memory(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let program = Program::start(&own.url, &[]).await;
    own.fill(50, 2_000_000).await;
    ask(&program, "{ articles(limit: 1) { id } }").await;
    let before = program.memory("VmRSS");
    let lookup = |n| format!(r#"article(by: {{ slug: "article-{n}" }}) {{ text }}"#);
    let fields = aliased(50, lookup);
    let answer = ask(&program, &format!("{{ {fields} }}")).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "TOO_COMPLEX");
    // Lookups within the limit succeed, however many are batched.
    let fields = aliased(15, lookup);
    let answer = ask(&program, &format!("{{ {fields} }}")).await;
    let articles = answer["data"].as_object().unwrap().values();
    let lengths = articles.map(|article| article["text"].as_str().unwrap().len());
    assert_eq!(lengths.collect::<Vec<_>>(), [2_000_000; 15]);
    let grown = program.memory("VmHWM").saturating_sub(before);
    println!("grew by {grown} bytes from {before}");
    assert!(grown < 300 * MB, "grew by {grown} bytes from {before}");
}

#[apply(on_both_databases)]
async fn clients_that_do_not_read_the_list_take_little_memory_and_are_disconnected(
    database: Database,
) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let program = Program::start(&own.url, &["--write-timeout=5s"]).await;
    own.fill(500, 190_000).await;
    let health = Answer::to(client().get(program.url("/health/ready"))).await;
    assert_eq!(health.status, 200);
    drop(health);
    let before = program.memory("VmRSS");
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&program).await;
        let request = b"GET /api/v1/articles/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        clients.push(stream);
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(program.connections(), 8, "cut off too soon");
    let grown = program.memory("VmHWM").saturating_sub(before);
    println!("grew by {grown} bytes from {before}");
    assert!(grown < 128 * MB, "grew by {grown} bytes from {before}");
    until_cut_off(&program).await;
}

#[apply(on_both_databases)]
async fn equal_results_waiting_on_one_socket_share_memory(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let program = Program::start(&own.url, &[]).await;
    own.fill(100, 190_000).await;
    ask(&program, "{ articles(limit: 1) { id } }").await;
    let before = program.memory("VmRSS");
    let mut socket = open_socket(&program).await;
    for id in 0..50 {
        let list = json!({ "query": "{ articles(limit: 100) { text } }" });
        subscribe(&mut socket, &id.to_string(), &list).await;
    }
    sleep(Duration::from_secs(5)).await;
    let grown = program.memory("VmHWM").saturating_sub(before);
    println!("grew by {grown} bytes from {before}");
    // Fifty would take 950 MB.
    assert!(grown < 300 * MB, "grew by {grown} bytes from {before}");
    drop(socket);
}

#[apply(on_both_databases)]
async fn a_client_that_does_not_read_is_disconnected_on_every_route(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let program = Program::start(&own.url, &["--write-timeout=1s"]).await;
    let begin = ask(&program, "{ articleChangesCursor }").await;
    let begin = begin["data"]["articleChangesCursor"].as_str().unwrap();
    own.fill(100, 190_000).await;
    let list = json!({ "query": "{ articles(limit: 100) { text } }" });
    let subscription =
        format!(r#"subscription {{ articleChanges(after: "{begin}") {{ article {{ text }} }} }}"#);
    let subscription = json!({ "query": subscription });
    for (what, accept, body) in [
        ("an answer", "application/json", Some(&list)),
        ("the streamed list", "application/json", None),
        ("an event stream", "text/event-stream", Some(&subscription)),
        (
            "an event stream of one answer",
            "text/event-stream",
            Some(&list),
        ),
    ] {
        let mut stream = connect(&program).await;
        let request = match body {
            Some(body) => {
                let body = body.to_string();
                format!(
                    "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            None => "GET /api/v1/articles HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        };
        stream.write_all(request.as_bytes()).await.unwrap();
        until_accepted(&program).await;
        println!("{what}");
        until_cut_off(&program).await;
    }
    for operation in [subscription, list] {
        let mut socket = open_socket(&program).await;
        subscribe(&mut socket, "1", &operation).await;
        until_cut_off(&program).await;
    }
    // Clients that read are served.
    let answer = ask(&program, "{ articles(limit: 100) { text } }").await;
    assert_eq!(answer["data"]["articles"].as_array().unwrap().len(), 100);
    let log = program.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// A WebSocket that is ready for operations.
async fn open_socket(program: &Program) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/graphql", program.address())
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    let (mut socket, _) = client_async(request, connect(program).await).await.unwrap();
    let init = Message::from(r#"{"type":"connection_init"}"#);
    socket.send(init).await.unwrap();
    let acknowledged = socket.next().await.unwrap().unwrap();
    assert_eq!(acknowledged, Message::from(r#"{"type":"connection_ack"}"#));
    socket
}

async fn subscribe(socket: &mut WebSocketStream<TcpStream>, id: &str, operation: &Value) {
    let message = json!({ "id": id, "type": "subscribe", "payload": operation });
    socket
        .send(Message::from(message.to_string()))
        .await
        .unwrap();
}

/// This number of fields, numbered from 1 on.
fn aliased(count: usize, field: impl Fn(usize) -> String) -> String {
    let fields = (1..=count).map(|n| format!("a{n}: {}", field(n)));
    fields.collect::<Vec<_>>().join(" ")
}

/// A connection with small buffers, so that the other end soon notices that this one does not read.
async fn connect(program: &Program) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let address = program.address().parse().unwrap();
    socket.connect(address).await.unwrap()
}

/// Waits until there is a connection.
async fn until_accepted(program: &Program) {
    let accepted = async {
        while program.connections() == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TIMEOUT, accepted).await.unwrap();
}

/// Waits until there are no connections.
async fn until_cut_off(program: &Program) {
    let began = Instant::now();
    while program.connections() > 0 {
        assert!(began.elapsed() < TIMEOUT, "it was never cut off");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn ask(program: &Program, document: &str) -> Value {
    let request = client().post(program.url("/graphql"));
    Answer::to(request.json(&json!({ "query": document })))
        .await
        .json()
}
