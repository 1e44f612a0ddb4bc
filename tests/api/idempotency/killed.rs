//! `kill -9` while clients repeat their requests with the same key until there is a response.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::create;
use crate::program::Program;
use crate::support::{Database, client, on_both_databases};

/// How often the server is killed, unless `KILL_ROUNDS` sets another number.
pub(super) fn rounds() -> u64 {
    let given = std::env::var_os("KILL_ROUNDS");
    given.map_or(5, |rounds| rounds.to_str().unwrap().parse().unwrap())
}

pub(super) const CLIENTS: usize = 8;

#[apply(on_both_databases)]
async fn every_key_has_exactly_one_article_after_kills(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let mut program = Program::start(&database.url, &[]).await;
    let address = watch::Sender::new(program.url("/graphql"));
    let is_over = Arc::new(AtomicBool::new(false));
    let clients = (0..CLIENTS).map(|number| {
        let (address, is_over) = (address.subscribe(), Arc::clone(&is_over));
        tokio::spawn(write(number, address, is_over))
    });
    let clients: Vec<_> = clients.collect();
    for round in 0..rounds() {
        // At a different moment of the writes each time.
        tokio::time::sleep(Duration::from_millis(40 + round * 37 % 160)).await;
        program.signal("KILL");
        let killed = std::mem::replace(&mut program, Program::start(&database.url, &[]).await);
        let (_, log) = killed.end().await;
        assert!(!log.contains("panicked"), "{log}");
        address.send_replace(program.url("/graphql"));
    }
    is_over.store(true, Ordering::Relaxed);
    let mut acknowledged = HashMap::new();
    for written in join_all(clients).await {
        acknowledged.extend(written.unwrap());
    }
    assert!(acknowledged.len() >= CLIENTS);
    let list = client()
        .get(program.url("/api/v1/articles/"))
        .send()
        .await
        .unwrap();
    let list: Vec<Value> = list.json().await.unwrap();
    let titles: HashSet<&str> = list
        .iter()
        .map(|it| it["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles.len(), list.len(), "an article was made twice");
    let stored: HashMap<_, _> = list
        .iter()
        .map(|it| (it["title"].as_str().unwrap().to_owned(), it["id"].clone()))
        .collect();
    assert_eq!(stored, acknowledged);
}

/// Creates articles one after another, and repeats each request, including the last, until there is a response.
pub(super) async fn write(
    number: usize,
    address: watch::Receiver<String>,
    is_over: Arc<AtomicBool>,
) -> HashMap<String, Value> {
    let mut acknowledged = HashMap::new();
    while !is_over.load(Ordering::Relaxed) {
        let title = format!("{number} {}", acknowledged.len());
        let key = format!("key of {title}");
        loop {
            // Connections are not reused, because they may belong to a killed server.
            let url = address.borrow().clone();
            let request = client()
                .post(url)
                .json(&create(&title))
                .header("idempotency-key", &key);
            if let Ok(answer) = request.timeout(Duration::from_secs(10)).send().await
                && let Ok(answer) = answer.json::<Value>().await
            {
                let code = answer["errors"][0]["extensions"]["code"].clone();
                if code == Value::Null {
                    let id = answer["data"]["createArticle"]["id"].clone();
                    acknowledged.insert(title, id);
                    break;
                }
                assert!(
                    [json!("UNAVAILABLE"), json!("TIMEOUT")].contains(&code),
                    "{answer}"
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    acknowledged
}
