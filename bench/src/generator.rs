//! The load generator: as many HTTP/1.1 connections as asked for, each sending its next request when it has
//! verified the answer to the last. It shares the machine with what it measures, so it does little: one thread
//! for every 128 connections at the most two, no HTTP library, one buffer a connection.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem::find;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;

use crate::request::{Plan, Requests};

/// Of so many answers one is read and compared whole.
const THOROUGH: u64 = 1000;

/// How hard, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What was measured after the warm-up.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Of each request, in tenths of a microsecond.
    pub(crate) latencies: Vec<u32>,
}

/// Drives a server, and calls `observe` when the measurement begins and when it ends.
///
/// # Errors
/// An answer was wrong or did not come.
pub(crate) fn drive<T>(
    plan: &Plan,
    load: Load,
    mut observe: impl FnMut() -> Result<T>,
) -> Result<(Tally, T, T)> {
    let threads = load.connections.min(2);
    let begin = Instant::now() + load.warm_up;
    let end = begin + load.measure;
    let drivers: Vec<_> = (0..threads)
        .map(|thread| {
            let plan = plan.clone();
            let connections = (thread..load.connections).step_by(threads);
            thread::spawn(move || drive_some(&plan, load.port, connections, begin, end))
        })
        .collect();
    thread::sleep(begin.saturating_duration_since(Instant::now()));
    let before = observe()?;
    thread::sleep(end.saturating_duration_since(Instant::now()));
    let after = observe()?;
    let mut tally = Tally::default();
    for driver in drivers {
        let Ok(done) = driver.join() else {
            bail!("the load generator panicked")
        };
        tally.latencies.append(&mut done?);
    }
    ensure!(!tally.latencies.is_empty(), "not one answer in time");
    Ok((tally, before, after))
}

fn drive_some(
    plan: &Plan,
    port: u16,
    connections: impl Iterator<Item = usize>,
    begin: Instant,
    end: Instant,
) -> Result<Vec<u32>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for connection in connections {
            let requests = Requests::new(plan.clone(), connection);
            tasks.spawn_local_or_send(port, requests, begin, end);
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.append(&mut done??);
        }
        Ok(latencies)
    })
}
