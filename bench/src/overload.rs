//! More requests than can be served. They arrive at a fixed rate whatever happens, and latency counts from when a request
//! was to be sent: 0.5 to 10 times what the server can do when 64 connections wait for it. Then half of it again, until
//! the server is as it was.

mod open_loop;
mod tables;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use self::open_loop::{Arrivals, Outcome};
pub(crate) use self::tables::{chart, write};
use crate::databases::{Databases, Tables};
use crate::generator::{self, Load};
use crate::options::{Contestant, Database, Workload};
use crate::process::Process;
use crate::request::{Language, Plan};
use crate::usage;

/// Times the capacity.
const FACTORS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];

/// The connections by which the capacity is found.
const CLOSED_CONNECTIONS: usize = 64;

/// How long half the load goes on after the overload.
const AFTER: Duration = Duration::from_secs(10);

/// What is looked at as a whole while the server recovers.
const BUCKET: Duration = Duration::from_millis(500);

/// Runs of the creates of this part do not share slugs with others.
const FIRST_RUN: u32 = 3_000_000;

/// What one workload on one database gave.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Overload {
    pub(crate) database: Database,
    pub(crate) workload: Workload,
    /// Requests a second that were served to 64 connections, each of which waits for its response.
    pub(crate) capacity: f64,
    pub(crate) levels: Vec<Level>,
    /// How long after the overload every request was served again, as soon as at half the capacity before.
    pub(crate) recovery_seconds: Option<f64>,
}

/// What one rate gave.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Level {
    /// Times the capacity.
    pub(crate) factor: f64,
    /// A second, each: what was to be sent, what was sent, what was served, what got 503.
    pub(crate) offered: f64,
    pub(crate) sent: f64,
    pub(crate) served: f64,
    pub(crate) shed: f64,
    /// Of what was served.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) memory_bytes: u64,
    /// Of the cores, how many the load generator took.
    pub(crate) generator_cores: f64,
}

/// Measures slug reads and creates on each database.
pub(crate) async fn all(databases: &Databases, results: &mut Vec<Overload>) -> Result<()> {
    let mut run = FIRST_RUN;
    for &database in &databases.options.databases {
        for workload in [Workload::Slug, Workload::Create] {
            if !databases.options.workloads.contains(&workload) {
                continue;
            }
            let found = one(databases, database, workload, &mut run).await?;
            results.push(found);
        }
    }
    Ok(())
}

async fn one(
    databases: &Databases,
    database: Database,
    workload: Workload,
    run: &mut u32,
) -> Result<Overload> {
    let options = &databases.options;
    let tables = Tables::Broadsheet;
    let name = if workload.writes() {
        databases.fresh(database, tables).await?
    } else {
        tables.name()
    };
    databases.read_through(database, name)?;
    let url = databases.url(database, name)?;
    let variables = [("DATABASE_URL", url.as_str())];
    let mut process = Process::start(&options.broadsheet, &databases.directory, &variables)?;
    process.wait_until_ready()?;
    let mut plan = || {
        *run += 1;
        Plan {
            language: Language::GraphQl,
            workload,
            articles: options.articles,
            cursors: databases.cursors(Contestant::Broadsheet),
            run: *run,
            only: None,
            authorization: None,
        }
    };
    let load = Load {
        port: process.port,
        connections: CLOSED_CONNECTIONS,
        warm_up: options.warm_up(),
        measure: options.measure(),
    };
    let (tally, (), ()) =
        generator::drive(&plan(), load, || Ok(())).with_context(|| process.log())?;
    let capacity = rate(tally.latencies.len(), options.measure());
    let title = format!("{} {}", database.title(), workload.title());
    eprintln!("{title}: {capacity:.0} requests/s with {CLOSED_CONNECTIONS} connections");

    let mut levels = Vec::new();
    let drive = |plan: Plan, factor: f64, length: Duration| -> Result<(Outcome, f64)> {
        let before = usage::cpu_seconds(std::process::id())?;
        let arrivals = Arrivals {
            port: process.port,
            connections: options.overload_connections,
            per_second: capacity * factor,
            length,
        };
        let outcome = open_loop::drive(&plan, arrivals).with_context(|| process.log())?;
        let cpu = usage::cpu_seconds(std::process::id())? - before;
        Ok((outcome, cpu / length.as_secs_f64()))
    };
    let length = Duration::from_secs_f64(options.overload_seconds);
    for factor in FACTORS {
        let (mut outcome, generator_cores) = drive(plan(), factor, length)?;
        let level = Level {
            factor,
            offered: capacity * factor,
            sent: rate(outcome.sent, length),
            served: rate(outcome.served.len(), length),
            shed: rate(outcome.shed.len(), length),
            p50_ms: outcome.quantile_ms(500),
            p99_ms: outcome.quantile_ms(990),
            memory_bytes: usage::memory(process.id())?,
            generator_cores,
        };
        eprintln!(
            "{title}: {factor} times: {:.0} served, {:.0} shed, p99 {:.1} ms",
            level.served, level.shed, level.p99_ms
        );
        levels.push(level);
    }
    let usual = levels.first().map_or(0.0, |level| level.p99_ms);
    let (after, _) = drive(plan(), 0.5, AFTER)?;
    let recovery_seconds = after.recovered(BUCKET, 5.0 * usual);
    process.stop()?;
    Ok(Overload {
        database,
        workload,
        capacity,
        levels,
        recovery_seconds,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run are small enough"
)]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
