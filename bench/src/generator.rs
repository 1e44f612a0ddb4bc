//! The load generator: a number of HTTP/1.1 connections, each of which sends its next request after verifying the last
//! response. It shares the machine with the server, so it does little: one thread per 128 connections, at most two, no
//! HTTP library, one buffer per connection.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem::find;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;

use crate::request::{Plan, Requests};

/// One in this number of responses is parsed and compared completely.
const THOROUGH: u64 = 1000;

/// The number of connections, and the duration.
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
    /// The latency of each request, in tenths of a microsecond.
    pub(crate) latencies: Vec<u32>,
}

/// Drives a server, and calls `observe` when the measurement begins and when it ends.
///
/// # Errors
/// A response was wrong or missing.
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
            tasks.spawn(drive_one(port, requests, begin, end));
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.append(&mut done??);
        }
        Ok(latencies)
    })
}

async fn drive_one(
    port: u16,
    mut requests: Requests,
    begin: Instant,
    end: Instant,
) -> Result<Vec<u32>> {
    let mut connection = Connection::open(port).await?;
    let mut request = Vec::new();
    let mut latencies = Vec::new();
    let mut count: u64 = 0;
    loop {
        let expected = requests.next(&mut request)?;
        let sent = Instant::now();
        if sent >= end {
            return Ok(latencies);
        }
        let body = connection.exchange(&request).await?;
        let answered = Instant::now();
        if sent >= begin && answered <= end {
            let tenths = (answered - sent).as_nanos() / 100;
            latencies.push(u32::try_from(tenths).unwrap_or(u32::MAX));
        }
        expected.check(body)?;
        if count.is_multiple_of(THOROUGH) {
            expected.check_thoroughly(body)?;
        }
        count += 1;
    }
}

/// An HTTP/1.1 connection that is kept alive.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(1 << 16),
        })
    }

    /// Sends a request and waits for the body of its response.
    ///
    /// # Errors
    /// The status is not 200, or the server closed the connection or did not send the length of the body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        let (status, body) = self.exchange_any(request).await?;
        if status != 200 {
            bail!("{status}: {}", String::from_utf8_lossy(body));
        }
        Ok(body)
    }

    /// The same for a response with any status.
    ///
    /// # Errors
    /// The server closed the connection or did not send the length of the body.
    pub(crate) async fn exchange_any(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.answer.clear();
        self.stream.write_all(request).await?;
        let mut status = 0;
        let mut body: Option<(usize, usize)> = None;
        loop {
            if let Some((start, length)) = body {
                let end = start + length;
                if self.answer.len() >= end {
                    ensure!(self.answer.len() == end, "more than one answer");
                    return Ok((status, self.answer.get(start..end).unwrap_or_default()));
                }
                self.answer.reserve(end - self.answer.len());
            }
            let read = self.stream.read_buf(&mut self.answer).await?;
            ensure!(read > 0, "the server closed the connection");
            if body.is_none()
                && let Some(head) = find(&self.answer, b"\r\n\r\n")
            {
                let start = head + 4;
                let head = self.answer.get(..start).unwrap_or_default();
                let head = std::str::from_utf8(head)?;
                let number = head
                    .strip_prefix("HTTP/1.1 ")
                    .and_then(|rest| rest.get(..3));
                status = number.context("an answer without a status")?.parse()?;
                body = Some((start, content_length(head)?));
            }
        }
    }
}

fn content_length(head: &str) -> Result<usize> {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim())
    });
    Ok(length
        .context("an answer without content-length")?
        .parse()?)
}
