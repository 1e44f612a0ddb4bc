//! A client that writes through the API and expects some rejections.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::random::Chance;
use super::received::Written;
use super::servers::{Addresses, Remote, code};

/// The articles that the writers of a story share.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<Vec<String>>>);

impl Known {
    fn add(&self, ids: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap().extend(ids);
    }

    fn one(&self, chance: &mut Chance) -> Option<String> {
        let known = self.0.lock().unwrap();
        (!known.is_empty()).then(|| chance.of(&known).clone())
    }

    /// Takes one of them, to delete it, while there are more than `kept`.
    fn take(&self, chance: &mut Chance, kept: usize) -> Option<String> {
        let mut known = self.0.lock().unwrap();
        (known.len() > kept).then(|| {
            let index = chance.index(known.len());
            known.swap_remove(index)
        })
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The behaviour of a writer.
#[derive(Clone)]
pub(super) struct Manner {
    /// The maximum pause between two writes, in milliseconds.
    pub(super) pause: u64,
    /// The maximum number of articles that one document creates.
    pub(super) bulk: u64,
    /// The maximum number of articles: none is created until others are deleted.
    pub(super) articles: usize,
    pub(super) until: Instant,
}

pub(super) struct Writer {
    /// The prefix of all texts that it writes.
    name: String,
    servers: Addresses,
    known: Known,
    chance: Chance,
    count: usize,
    written: Written,
}

const CREATE: &str =
    "mutation($input: CreateArticleInput!) { done: createArticle(input: $input) { id } }";
pub(super) const CREATE_MANY: &str =
    "mutation($inputs: [CreateArticleInput!]!) { done: createArticles(inputs: $inputs) { id } }";
const UPDATE: &str = "mutation($id: ID!, $text: String!, $version: Int) {
    done: updateArticle(id: $id, input: { text: $text }, expectedVersion: $version) { id }
}";
const DELETE: &str = "mutation($id: ID!) { done: deleteArticle(id: $id) { id } }";

impl Writer {
    pub(super) fn new(name: String, servers: Addresses, known: Known, chance: Chance) -> Self {
        Self {
            name,
            servers,
            known,
            chance,
            count: 0,
            written: Written::default(),
        }
    }

    pub(super) async fn write(mut self, manner: Manner) -> Written {
        let mut server = Remote::new(&self.servers.any(&mut self.chance));
        while Instant::now() < manner.until {
            // On SQLite another program gets the lock of the file only between writes.
            sleep(self.chance.millis(manner.pause)).await;
            if self.one_write(&server, &manner).await.is_err() {
                // It is unknown whether the write was executed.
                sleep(Duration::from_millis(20)).await;
                server = Remote::new(&self.servers.any(&mut self.chance));
            }
        }
        self.written
    }

    async fn one_write(&mut self, server: &Remote, manner: &Manner) -> reqwest::Result<()> {
        let kind = self.chance.below(10);
        let has_room = self.known.count() < manner.articles;
        match kind {
            0..=2 if has_room => {
                let text = self.text();
                // Equal titles compete for generated slugs.
                let title = if kind == 0 { "One of many" } else { &text };
                let input = json!({ "title": title, "text": text });
                let variables = json!({ "input": input });
                self.write_texts(server, CREATE, variables, vec![text], true)
                    .await
            }
            3 if has_room => {
                let count = 1 + self.chance.below(manner.bulk);
                let texts: Vec<String> = (0..count).map(|_| self.text()).collect();
                let inputs = texts
                    .iter()
                    .map(|text| json!({ "title": text, "text": text }));
                let variables = json!({ "inputs": inputs.collect::<Value>() });
                self.write_texts(server, CREATE_MANY, variables, texts, true)
                    .await
            }
            // The second input is invalid, so the first is rolled back.
            4 => {
                let texts = [self.text(), self.text()];
                let inputs = texts
                    .each_ref()
                    .map(|text| json!({ "title": "Two", "slug": "claimed twice", "text": text }));
                let variables = json!({ "inputs": inputs });
                self.write_texts(server, CREATE_MANY, variables, texts.into(), false)
                    .await
            }
            5 => match self.known.take(&mut self.chance, manner.articles / 4) {
                Some(id) => self.delete(server, id).await,
                None => Ok(()),
            },
            _ => match self.known.one(&mut self.chance) {
                Some(id) => {
                    let text = self.text();
                    // A version that does not exist must be rejected.
                    let version = (kind == 6).then_some(1_000_000);
                    let variables = json!({ "id": id, "text": text, "version": version });
                    self.write_texts(server, UPDATE, variables, vec![text], version.is_none())
                        .await
                }
                None => Ok(()),
            },
        }
    }

    /// Sends a mutation that writes all of these texts or none. `may` says whether it may succeed.
    async fn write_texts(
        &mut self,
        server: &Remote,
        mutation: &str,
        variables: Value,
        texts: Vec<String>,
        may: bool,
    ) -> reqwest::Result<()> {
        let answer = server.ask(mutation, variables).await?;
        match code(&answer) {
            "" if may => {
                self.written.texts.extend(texts);
                if mutation != UPDATE {
                    self.known.add(ids(&answer["data"]["done"]));
                }
            }
            "NOT_FOUND" | "SLUG_TAKEN" | "VERSION_CONFLICT" => self.written.rejected.extend(texts),
            "UNAVAILABLE" | "TIMEOUT" => {}
            _ => panic!("{answer}"),
        }
        Ok(())
    }

    async fn delete(&mut self, server: &Remote, id: String) -> reqwest::Result<()> {
        let answer = server.ask(DELETE, json!({ "id": id })).await?;
        match code(&answer) {
            "" => self.written.deleted.push(id),
            "NOT_FOUND" | "UNAVAILABLE" | "TIMEOUT" => {}
            _ => panic!("{answer}"),
        }
        Ok(())
    }

    /// A text that was not written before.
    fn text(&mut self) -> String {
        self.count += 1;
        format!("{} {}", self.name, self.count)
    }
}

/// The id of an article, or those of a list.
fn ids(done: &Value) -> Vec<String> {
    let id = |article: &Value| article["id"].as_str().unwrap().to_owned();
    match done.as_array() {
        Some(articles) => articles.iter().map(id).collect(),
        None => vec![id(done)],
    }
}
