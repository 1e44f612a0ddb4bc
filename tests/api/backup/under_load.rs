//! Writers while a backup is made.
//!
//! `BACKUP_MB=1000 cargo test --test api writers_continue -- --nocapture` measures with a database of that size.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{Place, create};
use crate::program::Program;
use crate::support::Database;

const WRITERS: usize = 8;

/// The phases of the test: writes without a backup, and with one.
const ALONE: usize = 0;
const COPIED: usize = 1;
const OVER: usize = 2;

fn megabytes() -> Option<usize> {
    let given = std::env::var_os("BACKUP_MB");
    given.map(|given| given.to_str().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_continue_during_a_backup() {
    let place = Place::new();
    let own = Database::Sqlite.migrated().await.unwrap();
    let program = Program::start(&own.url, &[]).await;
    // The change log stores each text again.
    own.fill(megabytes().unwrap_or(20) * 100, 5_000).await;
    while own.count("search_due").await > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    let phase = Arc::new(AtomicUsize::new(ALONE));
    let writers = (0..WRITERS).map(|number| {
        let (url, phase) = (program.url("/graphql"), Arc::clone(&phase));
        tokio::spawn(write(url, number, phase))
    });
    let writers: Vec<_> = writers.collect();
    let alone = match megabytes() {
        Some(_) => Duration::from_secs(20),
        None => Duration::from_millis(500),
    };
    for copy in ["first", "second"] {
        sleep(alone).await;
        phase.store(COPIED, Ordering::Relaxed);
        let began = Instant::now();
        let file = place.path(copy);
        let environment = [("DATABASE_URL", own.url.as_str())];
        let arguments = ["backup", file.to_str().unwrap()];
        let (code, out, error) = crate::program::run(&arguments, &environment).await;
        assert_eq!(code, 0, "{error}");
        phase.store(ALONE, Ordering::Relaxed);
        println!("{:?}: {out}", began.elapsed());
    }
    sleep(alone).await;
    phase.store(OVER, Ordering::Relaxed);
    let (mut during_none, mut during_copy) = (Vec::new(), Vec::new());
    for took in join_all(writers).await {
        let [none, copy] = took.unwrap();
        during_none.extend(none);
        during_copy.extend(copy);
    }
    let [none, copy] = [during_none, during_copy].map(|mut times| {
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 1_000];
        println!(
            "{} creates: p50 {:?}, p99 {:?}, p99.9 {:?}, the longest {:?}",
            times.len(),
            at(500),
            at(990),
            at(999),
            times[times.len() - 1]
        );
        at(990)
    });
    println!(
        "p99 with a backup is {:.2} of that without",
        copy.as_secs_f64() / none.as_secs_f64()
    );
}

/// Creates articles one by one; returns how long each took, without and with a backup.
async fn write(url: String, number: usize, phase: Arc<AtomicUsize>) -> [Vec<Duration>; 2] {
    let mut took = [Vec::new(), Vec::new()];
    let mut count = 0;
    loop {
        let began = Instant::now();
        let before = phase.load(Ordering::Relaxed);
        if before == OVER {
            return took;
        }
        create(&url, &format!("{number} {count}")).await;
        count += 1;
        // Writes that began before the backup are not affected by all of it.
        if phase.load(Ordering::Relaxed) == before {
            took[before].push(began.elapsed());
        }
    }
}
