//! The cost of a response without HTTP: reading a request, reading and writing cursors, and executing a query on
//! SQLite. A page without texts shows how much of it is SQLite's. `cargo bench --bench answers`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark of something that fails is none"
)]

use std::time::Duration;

use broadsheet::api::{Api, ApiSettings, ExecutionResult};
use broadsheet::article::page::Cursor;
use broadsheet::article::{Article, ArticleId, ArticleOrder};
use broadsheet::clock::{Clock, Timestamp};
use broadsheet::config::DatabaseSettings;
use broadsheet::feed::Feed;
use broadsheet::graphql::operation::GraphQLParams;
use broadsheet::store::Store;
use clap::Parser;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use graphql_guard::json::ObjectText;
use serde_json::{Map, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

const ARTICLES: usize = 100;

const CREATE: &str =
    "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";

fn main() {
    divan::main();
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    database: DatabaseSettings,
}

/// An API over a database in memory with some articles of 1 kB each.
fn api(runtime: &Runtime) -> Api {
    let settings = Settings::parse_from(["answers", "--database-url=sqlite::memory:"]);
    let api = runtime.block_on(async {
        let store = Store::open(&settings.database, Clock::system(), true).await;
        let store = store.unwrap();
        let feed = Feed::start(store.clone(), Duration::from_hours(1));
        Api::new(store, feed, ApiSettings::default()).unwrap()
    });
    let inputs: Vec<_> = (0..ARTICLES)
        .map(|number| json!({ "title": "Title", "slug": format!("slug-{number}"), "text": "word\n ".repeat(170) }))
        .collect();
    let variables = Map::from_iter([("inputs".to_owned(), inputs.into())]);
    let variables = ObjectText::from(&variables);
    let create = api.prepare(CREATE, None, &variables).unwrap();
    let created = runtime.block_on(api.execute(&create, "")).result;
    let is_created = matches!(&created, ExecutionResult::Response(body) if !body.has_errors);
    assert!(is_created, "{created:?}");
    api
}

#[divan::bench(args = [
    "{ article(by: { slug: \"slug-7\" }) { id title slug text createdAt updatedAt } }",
    "{ articles { id } }",
    "{ articles { id title slug text createdAt updatedAt } }",
    "{ articlesConnection { edges { cursor node { id title slug text } } pageInfo { hasNextPage endCursor } } }",
])]
fn query(bencher: Bencher<'_, '_>, document: &str) {
    let runtime = Runtime::new().unwrap();
    let api = api(&runtime);
    let run = || {
        let operation = api
            .prepare(black_box(document), None, &ObjectText::default())
            .unwrap();
        match runtime.block_on(api.execute(&operation, "")).result {
            ExecutionResult::Response(body) => body.json,
            other => panic!("{other:?}"),
        }
    };
    bencher.counter(BytesCount::new(run().len())).bench(run);
}

#[divan::bench]
fn read_request(bencher: Bencher<'_, '_>) {
    let body = json!({
        "operationName": "Article",
        "query": "query Article($slug: String!) {\n  article(by: {slug: $slug}) {\n    id\n    title\n    text\n  }\n}",
        "variables": { "slug": "article-99999" },
    });
    let body = body.to_string();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| GraphQLParams::from_json(black_box(body.as_bytes())));
}

fn cursor() -> Cursor {
    let now = Timestamp::from_micros(1_795_426_099_202_091).unwrap();
    let article = Article {
        id: ArticleId(Uuid::from_u128(7)),
        title: String::new(),
        slug: String::new(),
        text: String::new(),
        created_at: now,
        updated_at: now,
        version: 1,
        stored_keys: None,
    };
    Cursor::of(&article, ArticleOrder::CreatedAtDesc, 0)
}

#[divan::bench]
fn write_cursor(bencher: Bencher<'_, '_>) {
    let cursor = cursor();
    bencher.bench(|| black_box(&cursor).encode());
}

#[divan::bench]
fn read_cursor(bencher: Bencher<'_, '_>) {
    let text = cursor().encode();
    bencher.bench(|| Cursor::decode(black_box(&text), ArticleOrder::CreatedAtDesc).is_ok());
}
