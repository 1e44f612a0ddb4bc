//! The program from start to stop: what it needs, what it logs, and how it stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use broadsheet::article::{ArticleKey, Columns};
use futures_util::future::join_all;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rstest_reuse::apply;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::config::Host;

use crate::postgres;
use crate::program::{Program, run};
use crate::support::{Database, assert_answer, client, on_both_databases};

#[apply(on_both_databases)]
async fn stopping_under_load_loses_no_acknowledged_article(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let mut program = Program::start(&with_password(&database.url), &[]).await;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (url, acknowledged) = (program.url("/graphql"), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let client = client();
                for number in 0.. {
                    let slug = format!("{writer}-{number}");
                    let query = format!(
                        r#"mutation {{ createArticle(input: {{ title: "a", slug: "{slug}", text: "" }}) {{ slug }} }}"#
                    );
                    let request = client.post(&url).json(&json!({ "query": query }));
                    // The server has stopped listening, or no longer responds.
                    let Ok(response) = request.send().await else { return };
                    let Ok(answer) = response.json::<serde_json::Value>().await else { return };
                    assert_eq!(answer["data"]["createArticle"]["slug"], slug, "{answer}");
                    acknowledged.lock().unwrap().push(slug);
                }
            })
        })
        .collect();
    while acknowledged.lock().unwrap().len() < 100 {
        tokio::task::yield_now().await;
    }
    program.signal("TERM");
    program.logged("stopping").await;
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let (status, log) = program.end().await;
    assert_eq!(status.code(), Some(0), "{log}");

    let store = database.open(&[]).await.unwrap();
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    for slug in acknowledged {
        let key = ArticleKey::Slug(slug.clone());
        assert!(
            store.article(key, Columns::ID).await.unwrap().is_some(),
            "{slug} was lost"
        );
    }
    let what = store.describe();
    for expected_text in [
        "connected",
        "listening on http://127.0.0.1:",
        "stopping",
        "disconnected",
        &what,
    ] {
        assert!(
            log.contains(expected_text),
            "{expected_text:?} is not in:\n{log}"
        );
    }
    assert!(!log.contains("s3cret"), "{log}");
    assert!(!log.contains('\u{1b}'), "colours for no terminal: {log}");
}

/// The URL, with a password if it has none: the tests' own server requires none.
fn with_password(url: &str) -> String {
    match url.split_once('@') {
        Some((user, rest)) if user.matches(':').count() == 1 => format!("{user}:s3cret@{rest}"),
        _ => url.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn the_program_waits_for_an_unavailable_database() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    let target: tokio_postgres::Config = database.url.parse().unwrap();
    let (host, port) = (target.get_hosts()[0].clone(), target.get_ports()[0]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let there = Arc::new(AtomicBool::new(false));
    // A proxy that closes connections while the database is unavailable.
    tokio::spawn({
        let there = Arc::clone(&there);
        async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                if !there.load(Ordering::SeqCst) {
                    continue;
                }
                let host = host.clone();
                tokio::spawn(async move {
                    let _ = match host {
                        Host::Tcp(name) => {
                            let mut server = TcpStream::connect((name, port)).await.unwrap();
                            copy_bidirectional(&mut client, &mut server).await
                        }
                        Host::Unix(directory) => {
                            let socket = directory.join(format!(".s.PGSQL.{port}"));
                            let mut server = UnixStream::connect(socket).await.unwrap();
                            copy_bidirectional(&mut client, &mut server).await
                        }
                    };
                });
            }
        }
    });
    let name = target.get_dbname().unwrap();
    let user = target.get_user().unwrap();
    let password = target.get_password().unwrap_or_default();
    let password = percent_encode(password, NON_ALPHANUMERIC);
    let url = format!("postgres://{user}:{password}@{here}/{name}");
    let mut program = Program::spawn(&url, &[]);
    program.logged("waiting for the database").await;
    there.store(true, Ordering::SeqCst);
    program.logged("listening on http://").await;
}

#[tokio::test]
async fn the_program_reports_a_database_that_stays_unavailable() {
    let url = "postgres://user:s3cret@127.0.0.1:1/articles";
    let environment = [
        ("DATABASE_URL", url),
        ("DB_START_TIMEOUT", "300ms"),
        ("PORT", "0"),
    ];
    let (code, _, error) = run(&[], &environment).await;
    assert_eq!(code, 1);
    assert!(error.contains("waiting for the database"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    assert_answer!(error.lines().last().unwrap(), @"broadsheet: cannot connect to the database: cannot connect to postgres://user@127.0.0.1:1/articles: error connecting to server: Connection refused (os error 111)");
}

#[tokio::test]
async fn an_invalid_database_url_is_rejected_and_not_repeated() {
    let (code, _, error) = run(
        &[],
        &[("DATABASE_URL", "mysql://user:s3cret@host/articles")],
    )
    .await;
    assert_eq!(code, 2);
    assert_answer!(error, @"error: the database URL is invalid: expected sqlite:PATH, sqlite::memory:, postgres://… or postgresql://…");
    let (code, _, error) = run(
        &[],
        &[
            ("DATABASE_URL", "postgres://u:s3cret@h/d?sslmode=on"),
            ("PORT", "0"),
        ],
    )
    .await;
    assert_eq!(code, 1);
    assert_answer!(error.lines().last().unwrap(), @"broadsheet: `sslmode` in a PostgreSQL URL must be disable, allow, prefer, require, verify-ca or verify-full");
}

#[tokio::test]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_database_with_another_encoding_is_rejected() {
    let Some(database) = postgres::ascii_database().await else {
        return;
    };
    for arguments in [&[][..], &["--no-migrate"], &["migrate"]] {
        let (code, _, error) =
            run(arguments, &[("DATABASE_URL", &database.url), ("PORT", "0")]).await;
        assert_eq!(code, 1, "{arguments:?}: {error}");
        assert_answer!(error.lines().last().unwrap(), @"broadsheet: the database is in the encoding SQL_ASCII, which cannot store every text; create one with ENCODING 'UTF8'");
    }
}

#[tokio::test]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_database_without_trigrams_causes_one_warning() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    for warnings in [0, 1] {
        let program = Program::start(&database.url, &[]).await;
        program.signal("TERM");
        let (_, log) = program.end().await;
        let warned = log.matches("without the extension pg_trgm").count();
        assert_eq!(warned, warnings, "{log}");
        database
            .execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")
            .await;
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let environment = [("DATABASE_URL", "sqlite::memory:"), ("PORT", &port)];
    let (code, _, error) = run(&[], &environment).await;
    assert_eq!(code, 1);
    let last = error.lines().last().unwrap().replace(&port, "PORT");
    assert_answer!(last, @"broadsheet: cannot listen on 127.0.0.1:PORT: Address already in use (os error 98)");
}

#[tokio::test]
async fn an_invalid_log_filter_is_rejected() {
    let environment = [
        ("DATABASE_URL", "sqlite::memory:"),
        ("LOG", "broadsheet=loud"),
    ];
    let (code, _, error) = run(&[], &environment).await;
    assert_eq!(code, 1);
    assert_answer!(error, @r#"broadsheet: LOG is invalid: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5"#);
}

#[tokio::test]
async fn the_log_is_json_if_configured() {
    let program = Program::start("sqlite::memory:", &["--log-format=json"]).await;
    program.signal("INT");
    let (status, log) = program.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    for expected_text in ["connected", "listening", "stopping", "disconnected"] {
        assert!(
            log.contains(expected_text),
            "{expected_text:?} is not in:\n{log}"
        );
    }
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["message"].is_string() && line["level"] == "INFO",
            "{line}"
        );
    }
}
