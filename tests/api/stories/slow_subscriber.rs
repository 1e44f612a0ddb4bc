//! A subscriber that stops reading from its socket while ten thousand changes happen costs the server no memory worth
//! mention, and afterwards gets them all.
//!
//! It stops for as long as the changes take, or for `STORY_PAUSE` seconds where that is longer. A WebSocket that has
//! said nothing for 90 seconds, not even an answer to a ping, is given up: with such a pause it resumes by its cursor.

use std::time::Duration;

use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::PATIENCE;
use super::heard::Change;
use super::servers::{Remote, Servers};
use super::subscription::{Subscription, Transport};
use super::writer::CREATE_MANY;
use crate::support::{Database, on_both_databases};

const CHANGES: usize = 10_000;
/// How many articles one document creates.
const AT_ONCE: usize = 250;
/// The length of each text: all changes together take three times what the buffers of both ends of a socket can hold.
const TEXT_BYTES: usize = 4_000;

/// How much more the server may take than with two subscribers that read, for which it keeps the newest changes in memory
/// as well. All changes would take 28 MB for the two; the sockets' buffers, which are not the server's memory, hold a
/// third of them at the most. What the same load takes differs by up to 5 MB from time to time.
const MEMORY: usize = 8 * 1024 * 1024;

/// How long a server puts up with a WebSocket that does not even answer pings.
const SILENCE: Duration = Duration::from_secs(90);

#[apply(on_both_databases)]
async fn one_that_does_not_read_costs_nothing_and_then_gets_every_change(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let pause =
        std::env::var_os("STORY_PAUSE").map_or(0, |pause| pause.to_str().unwrap().parse().unwrap());
    let pause = Duration::from_secs(pause);
    let servers = Servers::start(&own.url, 1).await;
    let mut subscribers = subscribe(&servers).await;
    let reading: Vec<_> = subscribers
        .drain(..)
        .map(|(_, subscriber)| tokio::spawn(read_on(subscriber)))
        .collect();
    let (_, memory_read) = write(&servers, "read").await;
    reading.iter().for_each(tokio::task::JoinHandle::abort);

    let mut subscribers = subscribe(&servers).await;
    let server = Remote::new(servers.first().address());
    let first = create(&server, "first", 1).await;
    let mut last = String::new();
    for (_, subscriber) in &mut subscribers {
        let change = subscriber.next().await.unwrap();
        assert_eq!(change.article_id, first[0]);
        last = change.cursor;
    }
    let stopped = Instant::now();
    let (written, memory_unread) = write(&servers, "unread").await;
    sleep_until(stopped + pause).await;
    println!(
        "stopped for {:?}; memory: {memory_read} bytes with some that read, {memory_unread} with some that do not",
        stopped.elapsed()
    );
    assert!(
        memory_unread < memory_read + MEMORY,
        "{memory_read} grew to {memory_unread} bytes"
    );

    for (transport, subscriber) in subscribers {
        let reading = read(transport, subscriber, &servers, &last, written.len());
        let (changes, connections) = timeout(PATIENCE, reading).await.unwrap();
        let heard = changes.iter().map(|change| &change.article_id);
        assert!(heard.eq(&written), "{transport:?} has heard something else");
        let is_given_up = transport == Transport::WebSocket && pause > SILENCE;
        assert_eq!(connections, 1 + usize::from(is_given_up), "{transport:?}");
    }
    servers.check_logs();
}

/// One subscriber of each kind, to what comes next.
async fn subscribe(servers: &Servers) -> Vec<(Transport, Subscription)> {
    let address = servers.first().address();
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

/// Creates all articles whose titles begin so; answers with their ids, and the most memory that the server took meanwhile.
async fn write(servers: &Servers, title: &str) -> (Vec<String>, usize) {
    let server = Remote::new(servers.first().address());
    let mut written = Vec::new();
    let mut memory = 0;
    while written.len() < CHANGES {
        let title = format!("{title} {}", written.len());
        written.extend(create(&server, &title, AT_ONCE).await);
        memory = memory.max(servers.first().memory("VmRSS"));
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

/// Reads on, and subscribes again where the server has given it up; answers also with how many connections it took.
async fn read(
    transport: Transport,
    mut subscriber: Subscription,
    servers: &Servers,
    begin: &str,
    count: usize,
) -> (Vec<Change>, usize) {
    let mut changes: Vec<Change> = Vec::new();
    let mut connections = 1;
    while changes.len() < count {
        match subscriber.next().await {
            Ok(change) => changes.push(change),
            Err(_) => {
                connections += 1;
                let last = changes.last().map(|change| change.cursor.as_str());
                let address = servers.first().address();
                let again = Subscription::open(transport, address, begin, last).await;
                subscriber = again.unwrap();
            }
        }
    }
    (changes, connections)
}
