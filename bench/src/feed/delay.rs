//! The time from a commit to the arrival of the change at a subscriber of an otherwise idle server.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use broadsheet_bench::article::Random;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::subscriber::{Subscriber, Transport};
use super::{Writer, quantile};
use crate::databases::{Databases, Tables};
use crate::options::Database;
use crate::process::Process;

const CHANGES: usize = 200;
const CHANGES_QUICK: usize = 50;
/// Changes before the first that counts.
const WARM_UP: usize = 20;
/// The maximum time to wait for a change.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Distinguishes the slugs of this file's writers from others.
const RUNS: u32 = 200_000;

/// From the commit to the arrival of the change. The commit happens between the client's request and its response, so
/// both are given.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Delay {
    pub(crate) database: Database,
    /// Whether the subscriber is connected to another server than the writer.
    pub(crate) across_servers: bool,
    pub(crate) changes: usize,
    pub(crate) from_request_p50_ms: f64,
    pub(crate) from_request_p99_ms: f64,
    /// Negative if the change arrived before the response.
    pub(crate) from_answer_p50_ms: f64,
    pub(crate) from_answer_p99_ms: f64,
}

/// Measures on each database; on PostgreSQL also from one server to another.
pub(super) async fn all(databases: &Databases, delays: &mut Vec<Delay>) -> Result<()> {
    let mut run = RUNS;
    for &database in &databases.options.databases {
        for across_servers in [false, true] {
            // An SQLite database has one server.
            if across_servers && database == Database::Sqlite {
                continue;
            }
            run += 1;
            let delay = one(databases, database, across_servers, run).await?;
            eprintln!(
                "{}: change to subscriber: {:.1} ms",
                database.title(),
                delay.from_request_p50_ms
            );
            delays.push(delay);
        }
    }
    Ok(())
}

async fn one(
    databases: &Databases,
    database: Database,
    across_servers: bool,
    run: u32,
) -> Result<Delay> {
    let name = databases.fresh(database, Tables::Broadsheet).await?;
    let url = databases.url(database, name)?;
    let variables = [("DATABASE_URL", url.as_str())];
    let program = &databases.options.broadsheet;
    let mut process = Process::start(program, &databases.directory, &variables)?;
    process.wait_until_ready()?;
    let other = if across_servers {
        let directory = databases.directory.join("other");
        fs::create_dir_all(&directory)?;
        let mut other = Process::start(program, &directory, &variables)?;
        other.wait_until_ready()?;
        Some(other)
    } else {
        None
    };
    let mut writer = Writer::open(databases, process.port, run).await?;
    let port = other.as_ref().map_or(process.port, |other| other.port);
    let cursor = writer.cursor().await?;
    let subscriber = Subscriber::open(port, Transport::WebSocket, &cursor).await?;
    let (reports, mut received) = mpsc::unbounded_channel();
    let mut listeners = JoinSet::new();
    listeners.spawn(subscriber.listen(reports));
    let changes = if databases.options.quick {
        CHANGES_QUICK
    } else {
        CHANGES
    };
    let mut random = Random::new(u64::from(run));
    let (mut from_request, mut from_answer) = (Vec::new(), Vec::new());
    for change in 0..WARM_UP + changes {
        // Different pauses, so that the changes do not fall into step with a timer of the server.
        let pause = 30 + u64::from(random.below(50));
        sleep(Duration::from_millis(pause)).await;
        let slug = writer.prepare()?;
        let sent = Instant::now();
        writer.create(&slug).await.with_context(|| process.log())?;
        let answered = Instant::now();
        let received = timeout(TIMEOUT, received.recv())
            .await
            .with_context(|| format!("{slug} was not received: {}", process.log()))?;
        let received = received.context("the subscriber is gone")??;
        ensure!(
            received.slug == slug,
            "{} came before {slug}",
            received.slug
        );
        if change >= WARM_UP {
            from_request.push(milliseconds(received.at, sent));
            from_answer.push(milliseconds(received.at, answered));
        }
    }
    Ok(Delay {
        database,
        across_servers,
        changes,
        from_request_p50_ms: quantile(&mut from_request, 500)?,
        from_request_p99_ms: quantile(&mut from_request, 990)?,
        from_answer_p50_ms: quantile(&mut from_answer, 500)?,
        from_answer_p99_ms: quantile(&mut from_answer, 990)?,
    })
}

/// The time between two instants; negative if `to` was first.
pub(super) fn milliseconds(to: Instant, from: Instant) -> f64 {
    let after = to.saturating_duration_since(from);
    let before = from.saturating_duration_since(to);
    (after.as_secs_f64() - before.as_secs_f64()) * 1000.0
}
