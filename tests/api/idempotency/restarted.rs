//! PostgreSQL is stopped without a shutdown and started again while clients repeat their requests with the same key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::create;
use super::killed::{CLIENTS, rounds, write};
use crate::postgres::{DURABLE, Server, programs};
use crate::program::Program;
use crate::support::{Answer, client, prepare};

/// The time allowed on a busy machine. `KILL_ROUNDS` prints the measured time.
const TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn after_postgresql_restarts_no_key_has_two_articles() {
    let programs = programs().unwrap();
    let start = move || Server::start(&programs, &[], &DURABLE);
    let server = Arc::new(tokio::task::spawn_blocking(start).await.unwrap());
    let url = server.admin_url();
    prepare(&url).await;
    let program = Program::start(&url, &[]).await;
    let address = watch::Sender::new(program.url("/graphql"));
    let is_over = Arc::new(AtomicBool::new(false));
    let clients = (0..CLIENTS).map(|number| {
        let (address, is_over) = (address.subscribe(), Arc::clone(&is_over));
        tokio::spawn(write(number, address, is_over))
    });
    let clients: Vec<_> = clients.collect();
    let mut longest = Duration::ZERO;
    for round in 0..rounds() {
        // At a different moment of the writes each time.
        sleep(Duration::from_millis(200 + round * 37 % 300)).await;
        let stopped = Arc::clone(&server);
        let restart = move || {
            stopped.stop_hard();
            std::thread::sleep(Duration::from_millis(round * 173 % 1_500));
            stopped.start_again();
        };
        tokio::task::spawn_blocking(restart).await.unwrap();
        let back = Instant::now();
        until_all_is_served(&program, round).await;
        longest = longest.max(back.elapsed());
    }
    println!("all was served {longest:?} after PostgreSQL was back at the latest");
    is_over.store(true, Ordering::Relaxed);
    let mut acknowledged = HashMap::new();
    for written in join_all(clients).await {
        acknowledged.extend(written.unwrap());
    }
    assert!(acknowledged.len() >= CLIENTS);
    let list = Answer::to(client().get(program.url("/api/v1/articles/"))).await;
    let list = list.json();
    let list = list.as_array().unwrap().iter();
    let list: Vec<_> = list
        .filter(|article| !article["title"].as_str().unwrap().starts_with("round"))
        .collect();
    let titles: HashSet<&str> = list
        .iter()
        .map(|article| article["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles.len(), list.len(), "an article was made twice");
    let stored: HashMap<String, Value> = list
        .iter()
        .map(|it| (it["title"].as_str().unwrap().to_owned(), it["id"].clone()))
        .collect();
    assert_eq!(stored, acknowledged);
    let (_, log) = {
        program.signal("TERM");
        program.end().await
    };
    assert!(!log.contains("panicked"), "{log}");
    // In a blocking task, because it waits for PostgreSQL's processes.
    tokio::task::spawn_blocking(move || drop(server))
        .await
        .unwrap();
}

/// Waits until a query, a list, a mutation, a search and readiness have each been answered.
async fn until_all_is_served(program: &Program, round: u64) {
    let began = Instant::now();
    let graphql = |request: Value| client().post(program.url("/graphql")).json(&request);
    let search =
        "{ articles(filter: { search: \"round\" }, limit: 1) { id } articleChangesCursor }";
    loop {
        let requests_to_send = [
            client().get(program.url("/health/ready")),
            client().get(program.url("/api/v1/articles/")),
            graphql(json!({ "query": search })),
            graphql(create(&format!("round {round}")))
                .header("idempotency-key", format!("round {round}")),
        ];
        let mut failed = None;
        for request in requests_to_send {
            let request = request.timeout(TIMEOUT).send().await;
            let answer = async {
                let response = request.map_err(|error| error.to_string())?;
                let status = response.status();
                let body = response.text().await.map_err(|error| error.to_string())?;
                match status.is_success() && !body.contains("\"errors\"") {
                    true => Ok(()),
                    false => Err(body),
                }
            };
            let answer: Result<(), String> = answer.await;
            failed = failed.or(answer.err());
        }
        let Some(failed) = failed else {
            return;
        };
        assert!(began.elapsed() < TIMEOUT, "{failed}");
        sleep(Duration::from_millis(20)).await;
    }
}
