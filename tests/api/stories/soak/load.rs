//! Clients that send all kinds of requests, and clients that misbehave.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::Tally;
use super::faults::Disturbance;
use crate::program::Program;
use crate::stories::random::Chance;
use crate::support::client;

/// The number of articles that a client maintains.
const KEPT: usize = 40;

/// A well-behaved client. It has its own articles, so that it conflicts with no other.
pub(super) struct Client {
    number: usize,
    count: usize,
    url: String,
    /// Ids and slugs.
    articles: Vec<(String, String)>,
    chance: Chance,
    tally: Tally,
    disturbance: Disturbance,
}

impl Client {
    pub(super) fn new(
        number: usize,
        program: &Program,
        chance: Chance,
        tally: Tally,
        disturbance: Disturbance,
    ) -> Self {
        Self {
            number,
            count: 0,
            url: program.url("/graphql"),
            articles: Vec::new(),
            chance,
            tally,
            disturbance,
        }
    }

    pub(super) async fn run(mut self, until: Instant) {
        while Instant::now() < until {
            match self.chance.below(12) {
                0 | 1 => self.create().await,
                2 => self.update().await,
                3 if self.articles.len() > KEPT => self.delete().await,
                4 => self.abort().await,
                5 => self.follow().await,
                6 => {
                    let search = "{ articles(filter: { search: \"words\" }, limit: 5) { title } }";
                    self.ask("search", json!({ "query": search })).await;
                }
                7 | 8 => {
                    let newest = "{ articles(limit: 20) { title text } }";
                    self.ask("newest", json!({ "query": newest })).await;
                }
                _ => self.lookup().await,
            }
        }
    }

    fn one(&mut self) -> Option<(String, String)> {
        let count = self.articles.len() as u64;
        let index = usize::try_from(self.chance.below(count.max(1))).unwrap();
        self.articles.get(index).cloned()
    }

    async fn create(&mut self) {
        self.count += 1;
        let title = format!("Article {} of {}", self.count, self.number);
        let text = "some words ".repeat(usize::try_from(self.chance.below(200)).unwrap());
        let input = json!({ "title": title, "text": text });
        let query =
            "mutation($input: CreateArticleInput!) { createArticle(input: $input) { id slug } }";
        let request = json!({ "query": query, "variables": { "input": input } });
        // With a key it can be repeated until there is a response.
        let key = format!("create {title}");
        for _ in 0..200 {
            let request = client()
                .post(&self.url)
                .header("idempotency-key", &key)
                .json(&request);
            if let Some(data) = self.send("create", request).await {
                let article = &data["createArticle"];
                let text = |name: &str| article[name].as_str().unwrap().to_owned();
                self.articles.push((text("id"), text("slug")));
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.tally.add("create", "! never answered");
    }

    async fn update(&mut self) {
        let Some((id, _)) = self.one() else { return };
        let query = "mutation($id: ID!) { updateArticle(id: $id, input: { text: \"other words\" }) { version } }";
        let request = json!({ "query": query, "variables": { "id": id } });
        self.ask("update", request).await;
    }

    async fn delete(&mut self) {
        let (id, _) = self.articles.remove(0);
        let query = "mutation($id: ID!) { deleteArticle(id: $id) { id } }";
        let request = json!({ "query": query, "variables": { "id": id } });
        self.ask("delete", request).await;
    }

    async fn lookup(&mut self) {
        let Some((_, slug)) = self.one() else { return };
        let query = "query($slug: String!) { article(by: { slug: $slug }) { title text } }";
        let request = json!({ "query": query, "variables": { "slug": slug } });
        if let Some(data) = self.ask("lookup", request).await
            && data["article"].is_null()
        {
            self.tally
                .add("lookup", "! an acknowledged article is gone");
        }
    }

    /// Sends a request and disconnects.
    async fn abort(&mut self) {
        let query = "{ articles(filter: { text: { contains: \"nothing\" } }) { id text } }";
        let request = client().post(&self.url).json(&json!({ "query": query }));
        let wait = Duration::from_micros(self.chance.below(5_000));
        let _ = timeout(wait, request.send()).await;
        self.tally.add("aborted requests", "");
    }

    /// Subscribes, receives events, and disconnects without a close.
    async fn follow(&mut self) {
        let query = "subscription { articleChanges { kind } }";
        let request = client()
            .post(&self.url)
            .header("accept", "text/event-stream")
            .json(&json!({ "query": query }));
        let wait = Duration::from_millis(self.chance.below(400));
        let received = async {
            if let Ok(mut response) = request.send().await {
                while let Ok(Some(_)) = response.chunk().await {}
            }
        };
        let _ = timeout(wait, received).await;
        self.tally.add("subscriptions", "");
    }

    async fn ask(&self, request_kind: &'static str, request: Value) -> Option<Value> {
        self.send(request_kind, client().post(&self.url).json(&request))
            .await
    }

    /// The response; `None` for an error, which is counted, with a `!` if no fault has caused it.
    async fn send(&self, request_kind: &'static str, request: RequestBuilder) -> Option<Value> {
        let began = Instant::now();
        let answer = async {
            let response = request.timeout(Duration::from_mins(1)).send().await?;
            response.json::<Value>().await
        };
        let code = match answer.await {
            Ok(answer) => {
                let Value::String(code) = &answer["errors"][0]["extensions"]["code"] else {
                    self.tally.add(request_kind, "ok");
                    return Some(answer["data"].clone());
                };
                code.clone()
            }
            Err(error) => format!("{error:?}"),
        };
        let may_come = matches!(code.as_str(), "UNAVAILABLE" | "TIMEOUT");
        let answered = match may_come && self.disturbance.was_there_since(began) {
            true => format!("{code}, because of a fault"),
            false => format!("! {code}"),
        };
        self.tally.add(request_kind, answered);
        None
    }
}

/// Makes each connection to the database read all articles.
pub(super) async fn fill_caches(program: &Program) {
    for round in 0..3 {
        let requests = (0..30).map(|number| {
            let part = format!("nothing {round} {number}");
            let query =
                format!("{{ articles(filter: {{ text: {{ contains: \"{part}\" }} }}) {{ id }} }}");
            let request = client().post(program.url("/graphql"));
            request.json(&json!({ "query": query })).send()
        });
        for response in futures_util::future::join_all(requests).await {
            assert_eq!(response.unwrap().status(), 200);
        }
    }
}

/// A misbehaving client: it sends half of a request, reads nothing, or disconnects in the middle.
pub(super) async fn rude(address: String, mut chance: Chance, tally: Tally, until: Instant) {
    const LIST: &[u8] = b"GET /api/v1/articles/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const HALF: &[u8] =
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{\"query\":";
    let mut waiting: Vec<TcpStream> = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_millis(chance.below(200))).await;
        let Ok(mut stream) = TcpStream::connect(&address).await else {
            tally.add("rude clients", "! rejected");
            continue;
        };
        match chance.below(4) {
            0 => {
                let _ = stream.write_all(HALF).await;
            }
            1 => {
                let _ = stream.write_all(LIST).await;
                let mut some = [0; 100];
                let _ = timeout(Duration::from_millis(100), stream.read(&mut some)).await;
            }
            // Reads nothing until either side closes it.
            2 => {
                let _ = stream.write_all(&LIST.repeat(20)).await;
                waiting.push(stream);
            }
            _ => {
                let _ = stream.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").await;
            }
        }
        if waiting.len() > 20 {
            waiting.remove(0);
        }
        tally.add("rude clients", "");
    }
}
