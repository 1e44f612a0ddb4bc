//! What connected clients receive when the server stops.

use std::time::Duration;

use broadsheet::article::{ArticleKey, Columns};
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::program::Program;
use crate::socket::Socket;
use crate::support::{Answer, Database, client, on_both_databases};

fn create(slug: &str) -> String {
    format!(
        r#"mutation {{ createArticle(input: {{ title: "a", slug: "{slug}", text: "" }}) {{ slug }} }}"#
    )
}

fn created(slug: &str) -> Value {
    json!({ "data": { "createArticle": { "slug": slug } } })
}

#[apply(on_both_databases)]
async fn a_mutation_under_way_gets_its_response_on_every_transport(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let flags = ["--db-wait-timeout=30s", "--db-lock-timeout=30s"];
    let mut program = Program::start(&database.url, &flags).await;
    let mut socket = Socket::ready(program.address()).await;
    socket
        .subscribe("subscription", "subscription { articleChanges { kind } }")
        .await;
    let lock = database.lock_writes().await;
    socket.subscribe("1", &create("socket")).await;
    socket.is_heard().await;
    let url = program.url("/graphql");
    let post = |accept: &'static str, slug: &str| {
        let request = json!({ "query": create(slug) });
        let request = client().post(&url).header("accept", accept).json(&request);
        tokio::spawn(Answer::to(request))
    };
    let stream = post("text/event-stream", "stream");
    let http = post("application/json", "http");
    // There is no signal for when these two have been read.
    tokio::time::sleep(Duration::from_secs(1)).await;

    program.signal("TERM");
    program.logged("stopping").await;
    socket.subscribe("late", &create("late")).await;
    drop(lock);
    let mut messages = Vec::new();
    while messages.last() != Some(&json!({ "id": "1", "type": "complete" })) {
        let message = socket.receive().await;
        // Any number of changes may arrive in the meantime.
        if message["id"] == "subscription" {
            assert_eq!(message["type"], "next");
        } else {
            messages.push(message);
        }
    }
    let next = json!({ "id": "1", "type": "next", "payload": created("socket") });
    assert_eq!(messages[..messages.len() - 1], [next]);
    assert_eq!(socket.closed().await, 1001);
    let stream = stream.await.unwrap().body.replace(": \n\n", "");
    let next = format!("event: next\ndata: {}\n\n", created("stream"));
    assert_eq!(stream, format!("{next}event: complete\ndata:\n\n"));
    assert_eq!(http.await.unwrap().json(), created("http"));
    let (status, log) = program.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("disconnected"), "{log}");

    let store = database.open(&[]).await.unwrap();
    for (slug, is_there) in [
        ("socket", true),
        ("stream", true),
        ("http", true),
        ("late", false),
    ] {
        let key = ArticleKey::Slug(slug.to_owned());
        let found = store.article(key, Columns::ID).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{slug}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_thousand_sockets_is_closed_with_1001() {
    let program = Program::start("sqlite::memory:", &["--max-streams-per-caller=0"]).await;
    let mut sockets = Vec::new();
    while sockets.len() < 1_000 {
        // The accept queue is short on some systems.
        let more = (0..100).map(|_| Socket::ready(program.address()));
        sockets.extend(join_all(more).await);
    }
    for socket in &mut sockets {
        socket
            .subscribe("1", "subscription { articleChanges { kind } }")
            .await;
        socket.is_heard().await;
    }
    program.signal("TERM");
    let codes = join_all(sockets.iter_mut().map(Socket::closed)).await;
    let notified = codes.iter().filter(|code| **code == 1001).count();
    assert_eq!(notified, 1_000);
    let (status, log) = program.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("disconnected"), "{log}");
}
