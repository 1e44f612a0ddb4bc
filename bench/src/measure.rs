//! Measures each contestant in turn, on a server that is started for it and killed afterwards.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::credential::Credential;
use crate::databases::{Databases, Tables};
use crate::generator::{self, Connection, Load, Tally};
use crate::options::{Contestant, Database, Workload};
use crate::pgbench;
use crate::process::Process;
use crate::request::{Language, Plan, Requests};
use crate::summary::summarize;
use crate::usage;

/// The article that the contestant `memory` responds with.
const ONLY: u32 = 50;

/// One line of a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measurement {
    pub(crate) database: Database,
    pub(crate) workload: Workload,
    pub(crate) connections: usize,
    pub(crate) contestant: Contestant,
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    /// Requests per second in each round.
    pub(crate) rounds: Vec<f64>,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// CPU time of the server for one request.
    pub(crate) server_cpu_us: Option<f64>,
    /// CPU time of PostgreSQL for one request.
    pub(crate) postgres_cpu_us: Option<f64>,
    /// CPU time of the load generator for one request, on the same cores.
    pub(crate) generator_cpu_us: Option<f64>,
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Why it could not be measured completely.
    pub(crate) failure: Option<String>,
}

/// The result of one round of one contestant.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) latencies: Vec<u32>,
    pub(crate) server_cpu: Option<f64>,
    pub(crate) postgres_cpu: Option<f64>,
    pub(crate) generator_cpu: Option<f64>,
    pub(crate) peak_memory: Option<u64>,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run are small enough"
)]
impl Round {
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// CPU seconds so far.
struct Cpu {
    server: f64,
    postgres: Option<f64>,
    generator: f64,
}

/// Measures everything that the options select.
pub(crate) async fn all(databases: &Databases) -> Result<Vec<Measurement>> {
    let options = databases.options.clone();
    let mut measurements = Vec::new();
    let mut run = 0;
    for &database in &options.databases {
        for &workload in &options.workloads {
            for &connections in &options.connections {
                let mut contestants: Vec<_> = options
                    .contestants
                    .iter()
                    .filter(|contestant| contestant.takes_part(database, workload))
                    .map(|contestant| (*contestant, Vec::new(), None))
                    .collect();
                for round in 0..options.rounds {
                    for (contestant, rounds, failure) in &mut contestants {
                        if failure.is_some() {
                            continue;
                        }
                        // Retries once after a failure, which may be caused by the disk; it is reported anyway.
                        for attempt in 0..2 {
                            run += 1;
                            let (setting, who) = ((database, workload, connections), *contestant);
                            match one(databases, setting, who, run).await {
                                Ok(done) => {
                                    rounds.push(done);
                                    break;
                                }
                                Err(error) if attempt == 0 => {
                                    eprintln!("{} failed, once more: {error:#}", who.title());
                                }
                                Err(error) => *failure = Some(format!("{error:#}")),
                            }
                        }
                    }
                    // The next round is in reverse order.
                    if round + 1 < options.rounds {
                        contestants.reverse();
                    }
                }
                contestants.sort_by_key(|(contestant, ..)| {
                    options.contestants.iter().position(|one| one == contestant)
                });
                for (contestant, rounds, failure) in contestants {
                    let mut measurement = summarize(rounds, failure);
                    measurement.database = database;
                    measurement.workload = workload;
                    measurement.connections = connections;
                    measurement.contestant = contestant;
                    eprintln!("{}", line(&measurement));
                    measurements.push(measurement);
                }
            }
        }
    }
    Ok(measurements)
}

fn line(measurement: &Measurement) -> String {
    format!(
        "{:10}  {:32}  {:3}  {:12}  {}",
        measurement.database.title(),
        measurement.workload.title(),
        measurement.connections,
        measurement.contestant.title(),
        match &measurement.failure {
            None => format!("{:.0} requests/s", measurement.requests_per_second),
            Some(failure) => format!("failed: {failure}"),
        }
    )
}

/// One round of one contestant.
async fn one(
    databases: &Databases,
    (database, workload, connections): (Database, Workload, usize),
    contestant: Contestant,
    run: u32,
) -> Result<Round> {
    let tables = Tables::of(contestant);
    let name = if workload.writes() {
        databases.fresh(database, tables).await?
    } else {
        tables.name()
    };
    let mut plan = Plan {
        language: match contestant {
            Contestant::Floor => Language::Rest,
            _ => Language::GraphQl,
        },
        workload,
        articles: databases.options.articles,
        cursors: databases.cursors(contestant),
        run,
        only: None,
        authorization: None,
    };
    if contestant == Contestant::Pgbench {
        return pgbench_round(databases, name, workload, connections);
    }
    databases.read_through(database, name)?;
    let url = databases.url(database, name)?;
    let program = program(databases, contestant)?;
    let body = databases.directory.join("body.json");
    if contestant == Contestant::Memory {
        plan.cursors = databases.cursors(Contestant::Broadsheet);
        plan.only = Some(ONLY.min(plan.articles.saturating_sub(1)));
        fs::write(&body, broadsheet_answer(databases, &url, &plan).await?)?;
    }
    let body = body.to_string_lossy();
    let broadsheet = &databases.options.broadsheet;
    let credential = Credential::of(contestant, broadsheet, &databases.directory)?;
    plan.authorization = credential.authorization;
    let mut variables = vec![("DATABASE_URL", url.as_str()), ("BODY", &body)];
    let known = credential.variables.iter();
    variables.extend(known.map(|(name, value)| (*name, value.as_str())));
    let mut process = Process::start(&program, &databases.directory, &variables)?;
    process.wait_until_ready()?;
    let postgres = match database {
        Database::Postgres => Some(databases.server()?.process),
        Database::Sqlite => None,
    };
    drive(databases, &process, postgres, &plan, connections)
}

/// Sends the load to a running server.
pub(crate) fn drive(
    databases: &Databases,
    process: &Process,
    postgres: Option<u32>,
    plan: &Plan,
    connections: usize,
) -> Result<Round> {
    let load = Load {
        port: process.port,
        connections,
        warm_up: databases.options.warm_up(),
        measure: databases.options.measure(),
    };
    let observe = || {
        Ok(Cpu {
            server: usage::cpu_seconds(process.id())?,
            postgres: postgres.map(usage::family_cpu_seconds).transpose()?,
            generator: usage::cpu_seconds(std::process::id())?,
        })
    };
    let driven = generator::drive(plan, load, observe);
    let (Tally { latencies }, before, after) = driven.with_context(|| process.log())?;
    Ok(Round {
        requests: latencies.len() as u64,
        seconds: databases.options.seconds,
        latencies,
        server_cpu: Some(after.server - before.server),
        postgres_cpu: after.postgres.zip(before.postgres).map(|(a, b)| a - b),
        generator_cpu: Some(after.generator - before.generator),
        peak_memory: Some(usage::peak_memory(process.id())?),
    })
}

fn pgbench_round(
    databases: &Databases,
    name: &str,
    workload: Workload,
    connections: usize,
) -> Result<Round> {
    let server = databases.server()?;
    let options = &databases.options;
    let run = |time| {
        let what = (options, workload, connections);
        pgbench::run(server, name, what, &databases.directory, time)
    };
    run(options.warm_up())?;
    let before = usage::family_cpu_seconds(server.process)?;
    let done = run(options.measure())?;
    let after = usage::family_cpu_seconds(server.process)?;
    Ok(Round {
        requests: done.requests,
        // pgbench counts whole seconds.
        seconds: options.seconds.ceil().max(1.0),
        latencies: done.latencies,
        postgres_cpu: Some(after - before),
        ..Round::default()
    })
}

/// The program of a contestant: Broadsheet, or a binary of this package.
fn program(databases: &Databases, contestant: Contestant) -> Result<PathBuf> {
    let name = match contestant {
        Contestant::Broadsheet | Contestant::Token | Contestant::Jwt | Contestant::Pgbench => {
            return Ok(databases.options.broadsheet.clone());
        }
        Contestant::Before => {
            let before = databases.options.before.clone();
            return before.context("--before names no program");
        }
        Contestant::Floor => "floor",
        Contestant::Textbook => "textbook",
        Contestant::Memory => "memory",
    };
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Broadsheet's response to the first request of a plan.
async fn broadsheet_answer(databases: &Databases, url: &str, plan: &Plan) -> Result<Vec<u8>> {
    let program = &databases.options.broadsheet;
    let mut process = Process::start(program, &databases.directory, &[("DATABASE_URL", url)])?;
    process.wait_until_ready()?;
    let mut connection = Connection::open(process.port).await?;
    let mut request = Vec::new();
    let expected = Requests::new(plan.clone(), 0).next(&mut request)?;
    let body = connection.exchange(&request).await?;
    expected.check_thoroughly(body)?;
    Ok(body.to_vec())
}
