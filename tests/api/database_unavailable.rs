//! A database that is unavailable for a while: the responses to new subscriptions, to existing ones, and to writes.

use std::time::Duration;

use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::program::Program;
use crate::socket::Socket;
use crate::support::{
    Answer, Database, OwnDatabase, TestApp, assert_answer, client, on_both_databases, start,
};

/// Events must arrive within this time, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

const SUBSCRIPTION: &str = "subscription { articleChanges { kind article { slug } } }";

fn create(slug: &str) -> String {
    format!(
        r#"mutation {{ createArticle(input: {{ title: "a", slug: "{slug}", text: "" }}) {{ slug }} }}"#
    )
}

/// The event of the subscription for this article's creation.
fn created_event(slug: &str) -> Value {
    json!({ "data": { "articleChanges": { "kind": "CREATED", "article": { "slug": slug } } } })
}

/// A proxy in front of PostgreSQL whose connections can be cut.
struct Proxy {
    /// The database's URL through the proxy.
    url: String,
    is_cut: watch::Sender<bool>,
}

impl Proxy {
    async fn before(database: &OwnDatabase) -> Self {
        let target: tokio_postgres::Config = database.url.parse().unwrap();
        let [tokio_postgres::config::Host::Tcp(host)] = target.get_hosts() else {
            panic!("the tests' PostgreSQL is not reached by TCP");
        };
        let target = (host.clone(), target.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_cut, cut) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (target, mut cut) = (target.clone(), cut.clone());
                tokio::spawn(async move {
                    let forward = async {
                        let mut server = TcpStream::connect(target).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    };
                    tokio::select! {
                        biased;
                        _ = cut.wait_for(|cut| *cut) => {}
                        () = forward => {}
                    }
                });
            }
        });
        let (_, name) = database.url.rsplit_once('/').unwrap();
        Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/{name}"),
            is_cut,
        }
    }

    /// Cuts all connections, and rejects new ones.
    fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

/// A subscription as an event stream.
struct Stream(reqwest::Response);

impl Stream {
    async fn open(url: &str) -> reqwest::Response {
        let request = json!({ "query": SUBSCRIPTION });
        let request = client().post(url).json(&request);
        let request = request.header("accept", "text/event-stream");
        request.send().await.unwrap()
    }

    /// The JSON of the next event.
    async fn next(&mut self) -> Value {
        let mut read = String::new();
        let reading = async {
            loop {
                let chunk = self.0.chunk().await.unwrap().unwrap();
                read.push_str(std::str::from_utf8(&chunk).unwrap());
                let data = read.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data.filter(|_| read.ends_with("\n\n")) {
                    break serde_json::from_str(data).unwrap();
                }
            }
        };
        timeout(TIMEOUT, reading).await.unwrap()
    }
}

async fn post(program: &Program, query: &str) -> Answer {
    let request = client().post(program.url("/graphql"));
    Answer::to(request.json(&json!({ "query": query }))).await
}

/// The request was rejected with a code that says it may be retried, and without data.
fn assert_is_retryable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer}");
    assert_eq!(answer.header("retry-after"), "1");
    let body = answer.json();
    assert_eq!(body["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(body.get("data"), None, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn no_false_completion_or_acknowledgement_while_the_database_is_unavailable() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    let proxy = Proxy::before(&database).await;
    let mut program = Program::start(&proxy.url, &["--request-timeout=5s"]).await;
    let url = program.url("/graphql");
    let mut socket = Socket::ready(program.address()).await;
    socket.subscribe("1", SUBSCRIPTION).await;
    let mut stream = Stream(Stream::open(&url).await);
    post(&program, &create("before")).await;
    let before = json!({ "id": "1", "type": "next", "payload": created_event("before") });
    assert_eq!(socket.receive().await, before);
    assert_eq!(stream.next().await, created_event("before"));

    proxy.cut();
    let rejected = post(&program, &create("meanwhile")).await;
    // The first request may have begun on a connection that was just lost.
    let rejected = match rejected.status {
        200 => post(&program, &create("meanwhile")).await,
        _ => rejected,
    };
    assert_is_retryable(&rejected);
    let two = "mutation { __typename a: deleteArticle(id: \"0\") { id } \
        b: deleteArticle(id: \"01a2075d-fb60-734b-b984-a47653891a1b\") { id } }";
    // The first mutation fails before it needs the database.
    let partial_result = post(&program, two).await;
    assert_eq!(partial_result.status, 200, "{partial_result}");
    let two = two.replace("\"0\"", "\"01a2075d-fb60-734b-b984-a47653891a1c\"");
    assert_is_retryable(&post(&program, &two).await);
    let as_events = client()
        .post(&url)
        .header("accept", "text/event-stream")
        .json(&json!({ "query": create("meanwhile") }));
    assert_is_retryable(&Answer::to(as_events).await);
    let mut writer = Socket::ready(program.address()).await;
    writer.subscribe("1", &create("meanwhile")).await;
    let message = writer.receive().await;
    assert_eq!(message["type"], "error", "{message}");
    let code = &message["payload"][0]["extensions"]["code"];
    assert_eq!(code, "UNAVAILABLE", "{message}");
    assert_is_retryable(&Answer::to(client().get(program.url("/api/v1/articles/"))).await);
    let response = Stream::open(&url).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let content_type = "application/json; charset=utf-8";
    assert_eq!(response.headers()["content-type"], content_type);
    let mut rejected_socket = Socket::ready(program.address()).await;
    rejected_socket.subscribe("1", SUBSCRIPTION).await;
    assert_eq!(rejected_socket.closed().await, 1013);

    let mut waiting = Socket::ready(program.address()).await;
    waiting.subscribe("1", SUBSCRIPTION).await;
    waiting.is_heard().await;
    proxy.mend();
    // The waiting subscription receives articles from some moment on. Those that had begun receive all of them.
    let mut slugs = Vec::new();
    let mut creations = async || loop {
        let slug = format!("after-{}", slugs.len());
        let answer = post(&program, &create(&slug)).await;
        if answer.code().is_empty() {
            slugs.push(slug);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let first = tokio::select! {
        message = waiting.receive() => message,
        () = creations() => unreachable!(),
    };
    assert_eq!(first["type"], "next", "{first}");
    for slug in &slugs {
        let next = json!({ "id": "1", "type": "next", "payload": created_event(slug) });
        assert_eq!(socket.receive().await, next);
        assert_eq!(stream.next().await, created_event(slug));
    }
    program.logged("the database is available again").await;
    let log = program.log();
    assert!(!log.contains("panicked"), "{log}");
    // Logged once, however many requests failed in the meantime.
    for logged_text in [
        "the database is unavailable:",
        "the database is available again",
    ] {
        assert_eq!(log.matches(logged_text).count(), 1, "{log}");
    }
}

/// If a connection is lost during a statement, it is unknown whether the statement was executed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn an_unknown_outcome_of_a_mutation_is_reported() {
    let app = start!(Database::Postgres);
    let lock = app.database.lock_writes().await;
    let terminate = async {
        // Waits until the mutation waits for the lock.
        let terminate = "DO $$ BEGIN LOOP
                PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock';
                EXIT WHEN FOUND;
                PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
            END LOOP; END $$";
        app.database.execute(terminate).await;
    };
    let mutation = create("a");
    let (answer, ()) = tokio::join!(app.query(&mutation), terminate);
    drop(lock);
    assert_answer!(answer, @r#"
    {
      "errors": [
        {
          "message": "the connection to the database was lost, so the change may or may not have been made; check before you send it again",
          "locations": [
            {
              "line": 1,
              "column": 12
            }
          ],
          "path": [
            "createArticle"
          ],
          "extensions": {
            "code": "UNAVAILABLE"
          }
        }
      ],
      "data": {
        "createArticle": null
      }
    }
    "#);
}

/// Occupies the only reading connection of a server for seconds.
async fn take_the_connection(database: Database, app: &TestApp) {
    match database {
        Database::Sqlite => {
            let conditions: Vec<_> = (0..20)
                .map(|number| json!({ "text": { "contains": format!("nothing {number}") } }))
                .collect();
            let query = "query($filter: ArticleFilter) { articles(filter: $filter) { id } }";
            let variables = json!({ "filter": { "or": conditions } });
            let request = json!({ "query": query, "variables": variables });
            app.graphql(&request).await;
        }
        Database::Postgres => {
            let lock = app.database.lock_writes().await;
            let mutation = create("a");
            let (answer, ()) = tokio::join!(app.query(&mutation), async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                drop(lock);
            });
            assert_eq!(answer.code(), "", "{answer}");
        }
    }
}

#[apply(on_both_databases)]
async fn subscribing_without_a_free_connection_is_retried_or_waits(database: Database) {
    let app = start!(
        database,
        "--db-max-size=1",
        "--db-min-size=0",
        "--db-wait-timeout=50ms"
    );
    if let Database::Sqlite = database {
        app.database.fill(2_000, 10_000).await;
    }
    let address = app.address.to_string();
    let mut socket = Socket::ready(&address).await;
    let subscribed = async {
        // Waits until the connection is in use.
        while Stream::open(&app.url("/graphql")).await.status() != 503 {}
        socket.subscribe("1", SUBSCRIPTION).await;
        socket.is_heard().await;
        assert_is_retryable(&Answer::to(app.request("/api/v1/articles/")).await);
    };
    tokio::join!(take_the_connection(database, &app), subscribed);
    let mut slugs = 0;
    let mut creations = async || loop {
        app.query(&create(&format!("after-{slugs}"))).await;
        slugs += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let first = tokio::select! {
        message = socket.receive() => message,
        () = creations() => unreachable!(),
    };
    assert_eq!(first["type"], "next", "{first}");
}
