//! A thousand subscribers on one server: how soon the last one receives a change, and how much
//! memory each one takes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::delay::milliseconds;
use super::subscriber::{Received, Subscriber, Transport};
use super::{FIRST_RUN, SUBSCRIBERS, Writer, plan, quantile};
use crate::databases::{Databases, Tables};
use crate::generator::Connection;
use crate::options::{Database, Workload};
use crate::process::Process;
use crate::request::Requests;
use crate::usage;

const CHANGES: usize = 20;
/// Readers that make a server allocate what it allocates only once (for first requests, connections to the database
/// and subscribers), before it is measured.
const WARM_UP_READERS: usize = 16;
const WARM_UP_READS: usize = 1_000;
const WARM_UP_CHANGES: usize = 200;
const WARM_UP_SUBSCRIBERS: usize = 10;
/// The maximum time to wait for a change.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A server's memory is measured after it has been idle for this time.
const SETTLE_TIME: Duration = Duration::from_secs(1);
/// Distinguishes the slugs of this file's writers from others.
const RUNS: u32 = 300_000;

/// The delay of many subscribers of one server, and their memory.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Crowd {
    pub(crate) database: Database,
    pub(crate) transport: Transport,
    pub(crate) subscribers: usize,
    pub(crate) changes: usize,
    /// From the request that makes a change to its arrival at the last subscriber.
    pub(crate) last_heard_p50_ms: f64,
    pub(crate) last_heard_most_ms: f64,
    /// Resident memory of the server before the subscribers.
    pub(crate) memory_before_bytes: u64,
    /// After all have received all changes.
    pub(crate) memory_after_bytes: u64,
    pub(crate) memory_of_each_bytes: f64,
}

/// Measures both transports on each database.
pub(super) async fn all(databases: &Databases, crowds: &mut Vec<Crowd>) -> Result<()> {
    let mut run = RUNS;
    for &database in &databases.options.databases {
        for transport in [Transport::WebSocket, Transport::Sse] {
            run += 1;
            let crowd = one(databases, database, transport, run).await?;
            eprintln!(
                "{}: {SUBSCRIBERS} subscribers over {}: the last one received it after {:.0} ms, {:.1} kB each",
                database.title(),
                transport.title(),
                crowd.last_heard_p50_ms,
                crowd.memory_of_each_bytes / 1e3
            );
            crowds.push(crowd);
        }
    }
    Ok(())
}

async fn one(
    databases: &Databases,
    database: Database,
    transport: Transport,
    run: u32,
) -> Result<Crowd> {
    let name = databases.fresh(database, Tables::Broadsheet).await?;
    let url = databases.url(database, name)?;
    let program = &databases.options.broadsheet;
    let variables = [("DATABASE_URL", url.as_str())];
    let mut process = Process::start(program, &databases.directory, &variables)?;
    process.wait_until_ready()?;
    let mut writer = Writer::open(databases, process.port, run).await?;

    let _readers = warm_up(databases, process.port, run).await?;
    let mut few =
        Listeners::open(&mut writer, process.port, transport, WARM_UP_SUBSCRIBERS).await?;
    for _ in 0..WARM_UP_CHANGES {
        few.receive_one(&mut writer)
            .await
            .with_context(|| process.log())?;
    }
    drop(few);
    sleep(SETTLE_TIME).await;
    let memory_before_bytes = usage::memory(process.id())?;

    let mut crowd = Listeners::open(&mut writer, process.port, transport, SUBSCRIBERS).await?;
    // The first change shows that all have subscribed, and does not count.
    let mut last_heard = Vec::new();
    for change in 0..=CHANGES {
        let milliseconds = crowd
            .receive_one(&mut writer)
            .await
            .with_context(|| process.log())?;
        if change > 0 {
            last_heard.push(milliseconds);
        }
        sleep(SETTLE_TIME / 10).await;
    }
    sleep(SETTLE_TIME).await;
    let memory_after_bytes = usage::memory(process.id())?;
    let grown = memory_after_bytes.saturating_sub(memory_before_bytes);
    Ok(Crowd {
        database,
        transport,
        subscribers: SUBSCRIBERS,
        changes: CHANGES,
        last_heard_p50_ms: quantile(&mut last_heard, 500)?,
        last_heard_most_ms: quantile(&mut last_heard, 1000)?,
        memory_before_bytes,
        memory_after_bytes,
        memory_of_each_bytes: each(grown, SUBSCRIBERS),
    })
}

/// Sends reads at the same time, so that the server opens all its connections to the database. The readers'
/// connections are kept open: their memory, once freed, would be reused for the subscribers.
async fn warm_up(databases: &Databases, port: u16, run: u32) -> Result<Vec<Connection>> {
    let mut plan = plan(databases, FIRST_RUN + run);
    plan.workload = Workload::Page;
    let readers = (0..WARM_UP_READERS).map(|reader| {
        let mut requests = Requests::new(plan.clone(), reader);
        async move {
            let mut connection = Connection::open(port).await?;
            let mut request = Vec::new();
            for _ in 0..WARM_UP_READS {
                let expected = requests.next(&mut request)?;
                expected.check(connection.exchange(&request).await?)?;
            }
            anyhow::Ok(connection)
        }
    });
    try_join_all(readers).await
}

#[expect(clippy::cast_precision_loss, reason = "no process is that large")]
fn each(bytes: u64, count: usize) -> f64 {
    bytes as f64 / count as f64
}

/// Subscribers that report what they receive; they disconnect when this is dropped.
struct Listeners {
    tasks: JoinSet<()>,
    received: UnboundedReceiver<Result<Received>>,
}

impl Listeners {
    async fn open(
        writer: &mut Writer,
        port: u16,
        transport: Transport,
        count: usize,
    ) -> Result<Self> {
        let cursor = writer.cursor().await?;
        let (reports, received) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let subscriber = Subscriber::open(port, transport, &cursor).await?;
            tasks.spawn(subscriber.listen(reports.clone()));
        }
        Ok(Self { tasks, received })
    }

    /// Makes a change, and returns the milliseconds until the last one receives it.
    async fn receive_one(&mut self, writer: &mut Writer) -> Result<f64> {
        let slug = writer.prepare()?;
        let sent = Instant::now();
        writer.create(&slug).await?;
        let mut last = sent;
        for place in 0..self.tasks.len() {
            let received = timeout(TIMEOUT, self.received.recv())
                .await
                .with_context(|| format!("{place} subscribers received {slug}, no more"))?;
            let received = received.context("all subscribers are gone")??;
            ensure!(
                received.slug == slug,
                "{} in place of {slug}",
                received.slug
            );
            last = last.max(received.at);
        }
        Ok(milliseconds(last, sent))
    }
}
