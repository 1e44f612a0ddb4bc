//! A subscriber that stops reading its socket during ten thousand changes costs the server hardly any memory, and
//! receives all of them afterwards.
//!
//! It stops for as long as the changes take, but at least for `STORY_PAUSE` seconds. A WebSocket that has sent nothing
//! for 90 seconds, not even the response to a ping, is disconnected: after such a pause the subscriber resumes by its
//! cursor. The write timeout, which would disconnect both transports sooner, is off.

use std::time::Duration;

use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::TIMEOUT;
use super::servers::Remote;
use super::subscription::{Subscription, Transport};
use super::writer::CREATE_MANY;
use crate::program::Program;
use crate::support::{Database, on_both_databases};

const CHANGES: usize = 10_000;
/// The number of articles that one document creates.
const AT_ONCE: usize = 250;
/// The length of each text.
const TEXT_BYTES: usize = 4_000;

/// How much more memory the server may use than with two subscribers that read, for which it also keeps the newest
/// changes. The memory for the same load varies by up to 8 MB while SQLite's caches fill. The changes take 43 MB for
/// each of the two subscribers; the buffers of their sockets, which are not part of the server's memory, hold only a
/// few of them.
const MEMORY: usize = 12 * 1024 * 1024;

/// How long a server waits for a WebSocket that does not respond to pings.
const SILENCE: Duration = Duration::from_secs(90);

#[apply(on_both_databases)]
async fn a_paused_subscriber_costs_no_memory_and_gets_every_change(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    // Few connections, and two rounds of writes with subscribers that read, in which SQLite's caches and the newest
    // changes that the server keeps become full.
    let flags = ["--db-max-size=2", "--write-timeout=0"];
    let program = Program::start(&own.url, &flags).await;
    let server = Remote::new(program.address());
    let reading: Vec<JoinHandle<()>> = subscribe(&program)
        .await
        .into_iter()
        .map(|(_, subscriber)| tokio::spawn(read_on(subscriber)))
        .collect();
    let mut memory_read = 0;
    for title in ["warm", "read"] {
        let (_, memory) = write(&program, title).await;
        memory_read = memory_read.max(memory);
    }
    reading.iter().for_each(JoinHandle::abort);

    let mut subscribers = subscribe(&program).await;
    let first = create(&server, "first", 1).await;
    let mut begin = String::new();
    for (_, subscriber) in &mut subscribers {
        let change = subscriber.next().await.unwrap();
        assert_eq!(change.article_id, first[0]);
        begin = change.cursor;
    }
    let stopped = Instant::now();
    let (written, memory_unread) = write(&program, "unread").await;
    sleep_until(stopped + pause()).await;
    println!(
        "stopped for {:?}; memory: {memory_read} bytes with some that read, {memory_unread} with some that do not",
        stopped.elapsed()
    );
    assert!(
        memory_unread < memory_read + MEMORY,
        "{memory_read} grew to {memory_unread} bytes"
    );

    for (transport, subscriber) in subscribers {
        let reading = read(
            transport,
            subscriber,
            program.address(),
            &begin,
            written.len(),
        );
        let (received, connections) = timeout(TIMEOUT, reading).await.unwrap();
        assert!(
            received == written,
            "{transport:?} has received something else"
        );
        let is_given_up = transport == Transport::WebSocket && pause() > SILENCE;
        assert_eq!(connections, 1 + usize::from(is_given_up), "{transport:?}");
    }
    let log = program.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// The minimum time for which subscribers stop reading.
fn pause() -> Duration {
    std::env::var_os("STORY_PAUSE").map_or(Duration::ZERO, |seconds| {
        Duration::from_secs(seconds.to_str().unwrap().parse().unwrap())
    })
}

/// A subscriber of each transport, from the current position on.
async fn subscribe(program: &Program) -> Vec<(Transport, Subscription)> {
    let address = program.address();
    let begin = Remote::new(address).head().await;
    let mut subscribers = Vec::new();
    for transport in [Transport::WebSocket, Transport::Events] {
        let subscriber = Subscription::open(transport, address, &begin, None).await;
        subscribers.push((transport, subscriber.unwrap()));
    }
    subscribers
}

async fn read_on(mut subscriber: Subscription) {
    while subscriber.next().await.is_ok() {}
}

/// Creates all articles, whose titles begin with `title`; returns their ids, and the maximum memory of the server in
/// the meantime.
async fn write(program: &Program, title: &str) -> (Vec<String>, usize) {
    let server = Remote::new(program.address());
    let mut written = Vec::new();
    let mut memory = 0;
    while written.len() < CHANGES {
        let title = format!("{title} {}", written.len());
        written.extend(create(&server, &title, AT_ONCE).await);
        memory = memory.max(program.memory("VmRSS"));
    }
    (written, memory)
}

async fn create(server: &Remote, title: &str, count: usize) -> Vec<String> {
    let text = "word ".repeat(TEXT_BYTES / 5);
    let inputs: Value = (0..count)
        .map(|number| json!({ "title": format!("{title} {number}"), "text": text }))
        .collect();
    let data = server.data(CREATE_MANY, json!({ "inputs": inputs })).await;
    let created = data["done"].as_array().unwrap().iter();
    created
        .map(|article| article["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Continues to read, and subscribes again if the server has disconnected it. Returns the articles of the changes, and
/// the number of connections.
async fn read(
    transport: Transport,
    mut subscriber: Subscription,
    address: &str,
    begin: &str,
    count: usize,
) -> (Vec<String>, usize) {
    let mut received = Vec::new();
    let mut last: Option<String> = None;
    let mut connections = 1;
    while received.len() < count {
        if let Ok(change) = subscriber.next().await {
            received.push(change.article_id);
            last = Some(change.cursor);
        } else {
            connections += 1;
            let again = Subscription::open(transport, address, begin, last.as_deref()).await;
            subscriber = again.unwrap();
        }
    }
    (received, connections)
}
