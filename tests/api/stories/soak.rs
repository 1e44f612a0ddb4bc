//! Mixed load with faults for a configurable time: memory and descriptors stay level, and every error has a fault as
//! its cause.
//!
//! `SOAK_SECONDS=600 cargo test --test api soak -- --nocapture` prints the requests, responses and measurements;
//! `BROADSHEET_PROGRAM` names another build of the program.

mod faults;
mod load;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rstest_reuse::apply;
use tokio::time::{Instant, sleep};

use self::faults::{Disturbance, Target};
use super::random::Chance;
use crate::program::Program;
use crate::support::{Database, on_both_databases};

const MB: usize = 1024 * 1024;

/// The number of concurrent clients, each of which sends its next request after the response.
const CLIENTS: usize = 12;

/// A run of this length distinguishes growth from warming up.
const LONG: Duration = Duration::from_mins(1);

fn duration() -> Duration {
    let seconds = std::env::var_os("SOAK_SECONDS");
    let seconds = seconds.map_or(5, |seconds| seconds.to_str().unwrap().parse().unwrap());
    Duration::from_secs(seconds)
}

/// The number of each outcome, by kind of request.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<(&'static str, String), u64>>>);

impl Tally {
    fn add(&self, request_kind: &'static str, outcome: impl Into<String>) {
        let mut counts = self.0.lock().unwrap();
        *counts.entry((request_kind, outcome.into())).or_default() += 1;
    }

    fn print(&self) {
        for ((request_kind, outcome), count) in &*self.0.lock().unwrap() {
            println!("{count:>9}  {request_kind}: {outcome}");
        }
    }

    /// The errors that no fault has caused.
    fn unasked(&self) -> Vec<String> {
        let counts = self.0.lock().unwrap();
        let unasked = counts
            .keys()
            .filter(|(_, outcome)| outcome.starts_with('!'));
        unasked
            .map(|(request_kind, outcome)| format!("{request_kind}: {outcome}"))
            .collect()
    }
}

/// Memory in bytes and open descriptors of the server.
#[derive(Debug, Clone, Copy)]
struct Sample {
    memory: usize,
    descriptors: usize,
}

impl Sample {
    fn of(program: &Program) -> Self {
        Self {
            memory: program.memory("VmRSS"),
            descriptors: program.descriptors(),
        }
    }
}

fn median(values: impl Iterator<Item = usize>) -> usize {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

#[apply(on_both_databases)]
async fn memory_and_descriptors_stay_constant_and_errors_have_a_cause(database: Database) {
    let Some(target) = Target::new(database).await else {
        return;
    };
    let flags = ["--db-wait-timeout=5s", "--write-timeout=2s"];
    let program = Program::start(target.url(), &flags).await;
    if duration() >= LONG
        && let Target::Sqlite(own) = &target
    {
        // More than the cache of a connection holds, so that all caches are full before memory is measured.
        own.fill(20_000, 1_000).await;
        load::fill_caches(&program).await;
    }
    let tally = Tally::default();
    let disturbance = Disturbance::default();
    let until = Instant::now() + duration();
    let mut chance = Chance::of_story();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let client = load::Client::new(
                number,
                &program,
                chance.another(),
                tally.clone(),
                disturbance.clone(),
            );
            tokio::spawn(client.run(until))
        })
        .collect();
    let rude = tokio::spawn(load::rude(
        program.address().to_owned(),
        chance.another(),
        tally.clone(),
        until,
    ));
    let target = Arc::new(target);
    let faults = tokio::spawn(faults::cause(
        Arc::clone(&target),
        chance.another(),
        tally.clone(),
        disturbance,
        until,
    ));

    let mut samples = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_millis(500)).await;
        samples.push(Sample::of(&program));
    }
    for client in clients {
        client.await.unwrap();
    }
    rude.await.unwrap();
    faults.await.unwrap();
    // Waits until the last connections are closed.
    sleep(Duration::from_secs(4)).await;
    let end = Sample::of(&program);
    report(database, &tally, &samples, end);

    assert!(tally.unasked().is_empty(), "{:#?}", tally.unasked());
    // Descriptors that stay open: connections to the database, the log, the runtime.
    assert!(
        end.descriptors < 64,
        "{} descriptors are open",
        end.descriptors
    );
    if duration() >= LONG {
        let quarter = samples.len() / 4;
        let early = median(samples[quarter..2 * quarter].iter().map(|it| it.memory));
        let late = median(samples[3 * quarter..].iter().map(|it| it.memory));
        assert!(late < early * 5 / 4 + 8 * MB, "from {early} to {late}");
    }
    program.signal("TERM");
    let (status, log) = program.end().await;
    assert!(status.success(), "{status}");
    assert!(!log.contains("panicked"), "{log}");
    tokio::task::spawn_blocking(move || drop(target))
        .await
        .unwrap();
}

fn report(database: Database, tally: &Tally, samples: &[Sample], end: Sample) {
    println!("{database:?}, {:?}:", duration());
    tally.print();
    let quarter = samples.len().div_ceil(4);
    for (number, samples) in samples.chunks(quarter).enumerate() {
        let memory = median(samples.iter().map(|it| it.memory)) / MB;
        let descriptors = median(samples.iter().map(|it| it.descriptors));
        println!(
            "quarter {}: {memory} MB, {descriptors} descriptors",
            number + 1
        );
    }
    let (memory, descriptors) = (end.memory / MB, end.descriptors);
    println!("in the end: {memory} MB, {descriptors} descriptors");
}
