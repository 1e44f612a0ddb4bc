//! The servers of a story, one process each, and single requests to them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::TIMEOUT;
use super::random::Chance;
use super::received::{Article, Change};
use crate::program::Program;
use crate::support::client;

/// Running servers on one database.
pub(super) struct Servers {
    database_url: String,
    programs: Vec<Program>,
    addresses: Addresses,
}

/// The addresses of the servers, including one that has just been killed.
#[derive(Clone)]
pub(super) struct Addresses(Arc<Mutex<Vec<String>>>);

impl Addresses {
    /// The address of one of them, such as `127.0.0.1:1234`.
    pub(super) fn any(&self, chance: &mut Chance) -> String {
        chance.of(&self.0.lock().unwrap()).clone()
    }
}

impl Servers {
    pub(super) async fn start(database_url: &str, count: usize) -> Self {
        let mut programs = Vec::new();
        for _ in 0..count {
            programs.push(start(database_url).await);
        }
        let addresses = programs.iter().map(|program| program.address().to_owned());
        Self {
            database_url: database_url.to_owned(),
            addresses: Addresses(Arc::new(Mutex::new(addresses.collect()))),
            programs,
        }
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// The first of them.
    pub(super) fn first(&self) -> &Program {
        &self.programs[0]
    }

    /// Kills one of them with SIGKILL, and starts another in its place.
    pub(super) async fn kill_and_restart(&mut self, index: usize) {
        let another = start(&self.database_url);
        self.programs[index].signal("KILL");
        let another = another.await;
        another
            .address()
            .clone_into(&mut self.addresses.0.lock().unwrap()[index]);
        let killed = std::mem::replace(&mut self.programs[index], another);
        let (_, log) = killed.end().await;
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Checks what the servers have logged.
    pub(super) fn check_logs(&self) {
        for program in &self.programs {
            let log = program.log();
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// Starts a server, and starts it again if its connection is killed before it listens, as a supervisor would.
async fn start(database_url: &str) -> Program {
    loop {
        match Program::try_start(database_url, &["--db-max-size=6"]).await {
            Ok(program) => return program,
            Err(log) => assert!(
                log.contains("terminating connection") || log.contains("connection closed"),
                "{log}"
            ),
        }
    }
}

/// The client of one server, which may have been killed.
#[derive(Clone)]
pub(super) struct Remote {
    client: reqwest::Client,
    address: String,
}

impl Remote {
    pub(super) fn new(address: &str) -> Self {
        Self {
            client: client(),
            address: address.to_owned(),
        }
    }

    /// The whole response; an error if the connection is refused or lost.
    ///
    /// # Panics
    ///
    /// If the server does not respond, although it is running.
    pub(super) async fn ask(&self, query: &str, variables: Value) -> reqwest::Result<Value> {
        let request = json!({ "query": query, "variables": variables });
        let url = format!("http://{}/graphql", self.address);
        let request = self.client.post(url).json(&request).timeout(TIMEOUT / 2);
        let response = request.send().await;
        let answer = match response {
            Ok(response) => response.json().await,
            Err(error) => Err(error),
        };
        if let Err(error) = &answer
            && error.is_timeout()
        {
            let connected = TcpStream::connect(&self.address).await;
            assert!(connected.is_err(), "{query}: {error}");
        }
        answer
    }

    /// The `data` of a response; retried while the database is unavailable.
    ///
    /// # Panics
    ///
    /// If it is unavailable for [`TIMEOUT`].
    pub(super) async fn data(&self, query: &str, variables: Value) -> Value {
        let begin = Instant::now();
        loop {
            let mut answer = self.ask(query, variables.clone()).await.unwrap();
            match code(&answer) {
                "" => return answer["data"].take(),
                "UNAVAILABLE" | "TIMEOUT" if begin.elapsed() < TIMEOUT => {
                    sleep(Duration::from_millis(50)).await;
                }
                _ => panic!("{query}: {answer}"),
            }
        }
    }

    pub(super) async fn head(&self) -> String {
        let data = self.data("{ articleChangesCursor }", json!({})).await;
        data["articleChangesCursor"].as_str().unwrap().to_owned()
    }

    /// What a polling client receives, from `begin` to the end.
    pub(super) async fn replay(&self, begin: &str) -> Vec<Change> {
        let query = format!(
            "query($after: String!) {{ articleChanges(after: $after, first: 500) {{
                changes {{ {} }} endCursor hasMore
            }} }}",
            Change::FIELDS
        );
        let mut changes: Vec<Change> = Vec::new();
        let mut after = begin.to_owned();
        loop {
            let data = self.data(&query, json!({ "after": after })).await;
            let page = &data["articleChanges"];
            let more: Vec<Change> = serde_json::from_value(page["changes"].clone()).unwrap();
            changes.extend(more);
            page["endCursor"].as_str().unwrap().clone_into(&mut after);
            if page["hasMore"] == false {
                return changes;
            }
        }
    }

    /// All articles, newest first.
    pub(super) async fn articles(&self) -> Vec<Article> {
        let query = format!(
            "query($after: String) {{ articlesConnection(first: 100, after: $after) {{
                nodes {{ {} }} pageInfo {{ hasNextPage endCursor }}
            }} }}",
            Article::FIELDS
        );
        let mut articles: Vec<Article> = Vec::new();
        let mut after = Value::Null;
        loop {
            let mut data = self.data(&query, json!({ "after": after })).await;
            let page = &mut data["articlesConnection"];
            let more: Vec<Article> = serde_json::from_value(page["nodes"].take()).unwrap();
            articles.extend(more);
            after = page["pageInfo"]["endCursor"].take();
            if page["pageInfo"]["hasNextPage"] == false {
                return articles;
            }
        }
    }
}

/// The `code` of the first error of a response, or an empty text.
pub(super) fn code(answer: &Value) -> &str {
    match answer.get("errors") {
        None => "",
        Some(errors) => errors[0]["extensions"]["code"].as_str().unwrap_or("none"),
    }
}
