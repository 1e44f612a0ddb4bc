//! More requests than can be served. They arrive at a fixed rate, independently of responses, and latency is measured
//! from when a request was due: 0.5 to 10 times the capacity, which is the throughput with 64 connections that wait
//! for their responses. Then half the capacity again, until the server has recovered. If there are two or more cores,
//! the load generator has one to itself.

mod cores;
mod open_loop;
mod tables;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use self::cores::Apart;
use self::open_loop::{Arrivals, Outcome};
pub(crate) use self::tables::{chart, write};
use crate::databases::{Databases, Tables};
use crate::generator::{self, Load};
use crate::options::{Contestant, Database, Workload};
use crate::process::Process;
use crate::request::{Language, Plan};
use crate::usage;

/// The rates, as multiples of the capacity.
const FACTORS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];

/// The connections with which the capacity is measured.
const CLOSED_CONNECTIONS: usize = 64;

/// The duration of half the load after the overload.
const AFTER: Duration = Duration::from_secs(10);

/// The interval for which recovery is decided.
const BUCKET: Duration = Duration::from_millis(500);

/// Distinguishes the slugs of this part's creates from others.
const FIRST_RUN: u32 = 3_000_000;

/// The results of one workload on one database.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Overload {
    pub(crate) database: Database,
    pub(crate) workload: Workload,
    /// Requests per second with 64 connections, each of which waits for its response.
    pub(crate) capacity: f64,
    /// Whether the load generator had a core to itself.
    pub(crate) is_apart: bool,
    pub(crate) levels: Vec<Level>,
    /// The time from the end of the overload until all requests were served again, as fast as at half the capacity
    /// before.
    pub(crate) recovery_seconds: Option<f64>,
}

/// The results of one rate.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Level {
    /// The multiple of the capacity.
    pub(crate) factor: f64,
    /// Per second: requests that were due, sent, served, and rejected with 503.
    pub(crate) offered: f64,
    pub(crate) sent: f64,
    pub(crate) served: f64,
    pub(crate) shed: f64,
    /// Latencies of served requests.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) memory_bytes: u64,
    /// The number of cores used by the load generator, and by the server and PostgreSQL.
    pub(crate) generator_cores: f64,
    pub(crate) server_cores: f64,
}

/// Measures slug reads and creates on each database.
pub(crate) async fn all(databases: &Databases, results: &mut Vec<Overload>) -> Result<()> {
    let mut run = FIRST_RUN;
    for &database in &databases.options.databases {
        let postgres = databases.server.as_ref().map(|server| server.process);
        let postgres = postgres.filter(|_| database == Database::Postgres);
        let apart = Apart::begin(postgres)?;
        for workload in [Workload::Slug, Workload::Create] {
            if !databases.options.workloads.contains(&workload) {
                continue;
            }
            let mut one = One {
                databases,
                database,
                workload,
                postgres,
                apart: apart.as_ref(),
                run,
            };
            results.push(one.measure().await?);
            run = one.run;
        }
    }
    Ok(())
}

/// One workload on one database.
struct One<'a> {
    databases: &'a Databases,
    database: Database,
    workload: Workload,
    /// The server process of PostgreSQL.
    postgres: Option<u32>,
    apart: Option<&'a Apart>,
    run: u32,
}

impl One<'_> {
    async fn measure(&mut self) -> Result<Overload> {
        let options = &self.databases.options;
        let title = format!("{} {}", self.database.title(), self.workload.title());
        let mut process = self.start().await?;
        let load = Load {
            port: process.port,
            connections: CLOSED_CONNECTIONS,
            warm_up: options.warm_up(),
            measure: options.measure(),
        };
        let driven = generator::drive(&self.plan(), load, || Ok(()));
        let (tally, (), ()) = driven.with_context(|| process.log())?;
        let capacity = rate(tally.latencies.len(), options.measure());
        eprintln!("{title}: {capacity:.0} requests/s with {CLOSED_CONNECTIONS} connections");

        let mut levels = Vec::new();
        let length = Duration::from_secs_f64(options.overload_seconds);
        for factor in FACTORS {
            // Creates become slower as the number of articles grows, so each rate begins with the same number.
            if self.workload.writes() {
                process.stop()?;
                process = self.start().await?;
            }
            let (mut outcome, [generator_cores, server_cores]) =
                self.drive(&process, capacity * factor, length)?;
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
                server_cores,
            };
            eprintln!(
                "{title}: {factor} times: {:.0} served, {:.0} shed, p99 {:.1} ms",
                level.served, level.shed, level.p99_ms
            );
            levels.push(level);
        }
        let usual = levels.first().map_or(0.0, |level| level.p99_ms);
        let (after, _) = self.drive(&process, capacity * 0.5, AFTER)?;
        process.stop()?;
        Ok(Overload {
            database: self.database,
            workload: self.workload,
            capacity,
            is_apart: self.apart.is_some(),
            levels,
            recovery_seconds: after.recovered(BUCKET, 5.0 * usual),
        })
    }

    /// Starts a server on a database that has only the loaded articles.
    async fn start(&self) -> Result<Process> {
        let databases = self.databases;
        let tables = Tables::Broadsheet;
        let name = if self.workload.writes() {
            databases.fresh(self.database, tables).await?
        } else {
            tables.name()
        };
        databases.read_through(self.database, name)?;
        let url = databases.url(self.database, name)?;
        let variables = [("DATABASE_URL", url.as_str())];
        let program = &databases.options.broadsheet;
        let start = || Process::start(program, &databases.directory, &variables);
        let mut process = match self.apart {
            Some(apart) => apart.start(start)?,
            None => start()?,
        };
        process.wait_until_ready()?;
        Ok(process)
    }

    fn plan(&mut self) -> Plan {
        self.run += 1;
        Plan {
            language: Language::GraphQl,
            workload: self.workload,
            articles: self.databases.options.articles,
            cursors: self.databases.cursors(Contestant::Broadsheet),
            run: self.run,
            only: None,
            authorization: None,
        }
    }

    /// Sends requests at this rate; returns their outcomes, and the number of cores that the load generator and the
    /// server have used.
    fn drive(
        &mut self,
        process: &Process,
        per_second: f64,
        length: Duration,
    ) -> Result<(Outcome, [f64; 2])> {
        let arrivals = Arrivals {
            port: process.port,
            connections: self.databases.options.overload_connections,
            per_second,
            length,
        };
        let plan = self.plan();
        let before = self.cpu_seconds(process)?;
        let outcome = open_loop::drive(&plan, arrivals).with_context(|| process.log())?;
        let after = self.cpu_seconds(process)?;
        let [generator, server] = [after.0 - before.0, after.1 - before.1];
        let seconds = length.as_secs_f64();
        Ok((outcome, [generator / seconds, server / seconds]))
    }

    /// The CPU time of the load generator, and of the server with PostgreSQL.
    fn cpu_seconds(&self, process: &Process) -> Result<(f64, f64)> {
        let generator = usage::cpu_seconds(std::process::id())?;
        let server = usage::cpu_seconds(process.id())?;
        let postgres = self.postgres.map(usage::family_cpu_seconds).transpose()?;
        Ok((generator, server + postgres.unwrap_or_default()))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run are small enough"
)]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
