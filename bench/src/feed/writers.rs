//! The cost of the change log for writers on PostgreSQL: creates with and without its triggers.

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::subscriber::{Subscriber, Transport};
use super::{FIRST_RUN, Writer, plan};
use crate::create_cost::apply;
use crate::databases::{Databases, Tables};
use crate::measure;
use crate::options::Database;
use crate::process::Process;

const WRITERS: usize = 16;
/// The minimum number of rounds of both; every second round is in reverse order.
const ROUNDS: usize = 4;
/// Distinguishes the slugs of this file's writers from others.
const RUNS: u32 = 100_000;

/// The triggers that write the change log, found by the source of their functions.
const TRIGGERS: &str = "SELECT format('DROP TRIGGER %I ON article', t.tgname)
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgrelid = 'article'::regclass AND p.prosrc LIKE '%article_change%'";

/// Creates a second with and without the change log.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Writers {
    pub(crate) connections: usize,
    /// The number of subscribers during the writes; they receive nothing if nothing is logged.
    pub(crate) subscribers: usize,
    /// In each round.
    pub(crate) logged: Vec<f64>,
    /// In each round.
    pub(crate) unlogged: Vec<f64>,
    /// Creates with the log relative to creates without it, over all rounds.
    pub(crate) ratio: f64,
}

/// Measures without a subscriber, so that the log is only written, and with one, so that it is also read.
pub(super) async fn all(databases: &Databases, all: &mut Vec<Writers>) -> Result<()> {
    if !databases.options.databases.contains(&Database::Postgres) {
        return Ok(());
    }
    let client = databases.server()?.connect("broadsheet").await?;
    let rows = client.query(TRIGGERS, &[]).await?;
    let drops: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    ensure!(!drops.is_empty(), "no trigger writes the change log");
    drop(client);
    let rounds = if databases.options.quick {
        2
    } else {
        ROUNDS.max(databases.options.rounds)
    };
    let mut run = RUNS;
    for subscribers in [0, 1] {
        let (mut logged, mut unlogged) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let first_is_logged = round % 2 == 0;
            for is_logged in [first_is_logged, !first_is_logged] {
                run += 1;
                let drops: &[String] = if is_logged { &[] } else { &drops };
                let rate = creates_per_second(databases, drops, subscribers, run).await?;
                if is_logged {
                    logged.push(rate);
                } else {
                    unlogged.push(rate);
                }
            }
        }
        let ratio = logged.iter().sum::<f64>() / unlogged.iter().sum::<f64>();
        eprintln!(
            "creates with the change log over without, {subscribers} subscribers: {ratio:.2}"
        );
        all.push(Writers {
            connections: WRITERS,
            subscribers,
            logged,
            unlogged,
            ratio,
        });
    }
    Ok(())
}

async fn creates_per_second(
    databases: &Databases,
    drops: &[String],
    subscribers: usize,
    run: u32,
) -> Result<f64> {
    let name = databases
        .fresh(Database::Postgres, Tables::Broadsheet)
        .await?;
    apply(databases, Database::Postgres, name, drops).await?;
    let url = databases.url(Database::Postgres, name)?;
    let variables = [("DATABASE_URL", url.as_str()), ("NO_MIGRATE", "true")];
    let program = &databases.options.broadsheet;
    let mut process = Process::start(program, &databases.directory, &variables)?;
    process.wait_until_ready()?;
    let mut listeners = JoinSet::new();
    let (reports, mut received) = mpsc::unbounded_channel();
    let cursor = Writer::open(databases, process.port, run)
        .await?
        .cursor()
        .await?;
    for _ in 0..subscribers {
        let subscriber = Subscriber::open(process.port, Transport::WebSocket, &cursor).await?;
        listeners.spawn(subscriber.listen(reports.clone()));
    }
    let postgres = Some(databases.server()?.process);
    let plan = plan(databases, FIRST_RUN + run);
    let round = measure::drive(databases, &process, postgres, &plan, WRITERS)?;
    // A subscriber that receives nothing costs nothing either.
    let is_notified = drops.is_empty() && subscribers > 0;
    ensure!(
        received.try_recv().is_ok_and(|received| received.is_ok()) == is_notified,
        "a subscriber received changes that are not logged, or did not receive some that are"
    );
    Ok(round.requests_per_second())
}
