//! A whole server for one test: [`TestApp`], with its own database, a fixed clock and consecutive ids.
//!
//! A test of the contract is written once and runs on both databases through `#[apply(on_both_databases)]`. Without
//! PostgreSQL its case for PostgreSQL is ignored.

mod answer;
mod database;

use std::net::SocketAddr;
use std::time::Duration;

use broadsheet::article::{NewArticle, Slug, Text, Title};
use broadsheet::clock::{Clock, Timestamp};
use broadsheet::config::{DatabaseSettings, ServerSettings};
use broadsheet::server::{self, ServeError};
use broadsheet::store::Store;
use clap::builder::Resettable;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use rstest_reuse::template;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::answer::Answer;
pub(crate) use self::database::{Database, OwnDatabase, prepare};

/// The time of the clock of a [`TestApp`], until the test sets it.
pub(crate) const NOW: &str = "2026-01-31T09:30:00Z";

/// Every value of `ArticleOrder`.
pub(crate) const ORDERS: [&str; 9] = [
    "CREATED_AT_ASC",
    "CREATED_AT_DESC",
    "UPDATED_AT_ASC",
    "UPDATED_AT_DESC",
    "TITLE_ASC",
    "TITLE_DESC",
    "SLUG_ASC",
    "SLUG_DESC",
    "RELEVANCE",
];

/// The orders by a column, which need no search.
pub(crate) const COLUMN_ORDERS: &[&str] = ORDERS.split_at(8).0;

#[template]
#[rstest::rstest]
#[case::sqlite($crate::support::Database::Sqlite)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
#[case::postgres($crate::support::Database::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) fn on_both_databases(#[case] database: Database) {}

/// Starts a server on `database`, optionally with further flags; returns from the test if this machine has no such
/// database.
macro_rules! start {
    ($database:expr $(, $flag:expr)* $(,)?) => {
        match $crate::support::TestApp::start($database, &[$($flag),*]).await {
            Some(app) => app,
            None => return,
        }
    };
}
pub(crate) use start;

/// Compares an [`Answer`], or anything else that can be displayed, with an inline snapshot, which is the same for both
/// databases.
macro_rules! assert_answer {
    ($answer:expr, @$snapshot:literal) => {{
        let answer = $answer.to_string();
        insta::allow_duplicates! { insta::assert_snapshot!(answer, @$snapshot) }
    }};
}
pub(crate) use assert_answer;

/// The settings of a server from the flags of the program, without the environment.
#[derive(Debug, Parser)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) server: ServerSettings,
    #[command(flatten)]
    pub(crate) database: DatabaseSettings,
    #[arg(long)]
    pub(crate) no_migrate: bool,
}

impl Settings {
    pub(crate) fn new(url: &str, flags: &[&str]) -> Self {
        let database = format!("--database-url={url}");
        let flags = ["broadsheet", &database]
            .into_iter()
            .chain(flags.iter().copied());
        let command = Self::command().mut_args(|argument| argument.env(Resettable::Reset));
        Self::from_arg_matches(&command.get_matches_from(flags)).unwrap()
    }
}

/// A clock fixed at [`NOW`] that generates consecutive ids.
pub(crate) fn clock() -> Clock {
    Clock::fixed(instant(NOW))
}

/// The instant that the text gives.
pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A server that runs in this process.
pub(crate) struct TestApp {
    pub(crate) store: Store,
    /// The clock, which [`TestApp::at`] sets.
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    pub(crate) database: OwnDatabase,
    client: reqwest::Client,
    stop: CancellationToken,
    server: JoinHandle<Result<(), ServeError>>,
}

impl TestApp {
    /// Starts a server on a new database; `None` if this machine has no such database.
    pub(crate) async fn start(database: Database, flags: &[&str]) -> Option<Self> {
        Some(Self::start_on(&database.migrated().await?, flags).await)
    }

    /// Starts a server on an existing database, which other servers may use too.
    pub(crate) async fn start_on(database: &OwnDatabase, flags: &[&str]) -> Self {
        let settings = Settings::new(&database.url, flags);
        let clock = clock();
        let store = Store::open(&settings.database, clock.clone(), !settings.no_migrate)
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn({
            let (store, clock, stop) = (store.clone(), clock.clone(), stop.clone());
            async move { server::run(listener, &settings.server, store, clock, stop).await }
        });
        Self {
            store,
            clock,
            address,
            database: database.clone(),
            client: client(),
            stop,
            server,
        }
    }

    /// Moves the clock.
    pub(crate) fn at(&self, now: &str) {
        self.clock.set(instant(now));
    }

    /// The response to a GraphQL document without variables.
    pub(crate) async fn query(&self, document: &str) -> Answer {
        self.graphql(&json!({ "query": document })).await
    }

    /// The response to `createArticle` with this input as a variable.
    pub(crate) async fn create(&self, input: serde_json::Value) -> Answer {
        let query = "mutation($input: CreateArticleInput!) { createArticle(input: $input) \
            { id title slug text createdAt updatedAt version } }";
        self.graphql(&json!({ "query": query, "variables": { "input": input } }))
            .await
    }

    /// The response to a GraphQL request.
    pub(crate) async fn graphql(&self, request: &serde_json::Value) -> Answer {
        let url = self.url("/graphql");
        Answer::to(self.client.post(url).json(request)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(path)).await
    }

    /// A GET request that is to be completed and sent.
    pub(crate) fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Stops the server as SIGTERM does, and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // Its idle connections would otherwise delay the stop.
        drop(self.client);
        self.server.await.unwrap().unwrap();
    }
}

/// How long a client waits for the next bytes of a response, so that a test fails instead of hanging.
const READ_TIMEOUT: Duration = Duration::from_mins(2);

/// A client that uses no proxy and follows no redirects.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .read_timeout(READ_TIMEOUT)
        .build()
        .unwrap()
}

/// A valid article for the store.
pub(crate) fn article(title: &str, slug: Option<&str>, created_at: Option<&str>) -> NewArticle {
    NewArticle {
        title: Title::new(title.to_owned()).unwrap(),
        slug: slug.map(|slug| Slug::new(slug.to_owned()).unwrap()),
        text: Text::new(format!("About {title}.")).unwrap(),
        created_at: created_at.map(instant),
    }
}
