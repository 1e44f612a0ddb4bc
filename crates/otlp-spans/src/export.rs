//! The queue of spans, and the task that sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::client::{Endpoint, PostError};
use super::message;
use super::span::Span;

/// The maximum number of spans in a batch, and how long the first of them waits for others.
const BATCH: usize = 512;
const DELAY: Duration = Duration::from_secs(5);

/// How often the log reports that spans were dropped because the queue was full.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The pause before a failed batch is sent once more.
const PAUSE: Duration = Duration::from_secs(1);

/// An entry of the queue.
pub(crate) enum Queued {
    Spans(Vec<Span>),
    /// Send all entries before this one immediately.
    Flush(oneshot::Sender<()>),
}

/// Sends spans in batches.
pub(crate) struct Exporter {
    pub(crate) endpoint: Endpoint,
    pub(crate) service_name: String,
    pub(crate) service_version: &'static str,
    pub(crate) dropped: Arc<AtomicU64>,
    /// Spans that were dropped because the queue was full.
    pub(crate) queue_full: Arc<AtomicU64>,
    /// The number of them that was last logged, and when.
    pub(crate) logged: (u64, Option<Instant>),
    /// Whether the failure of the collector was logged.
    pub(crate) is_failing: bool,
}

impl Exporter {
    /// Sends spans until all senders are dropped.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        while let Some(first) = queue.recv().await {
            let (spans, flushed) = gather(first, &mut queue).await;
            if !spans.is_empty() {
                self.send(spans).await;
            }
            self.log_queue_full();
            for flushed in flushed {
                // The caller may have stopped waiting.
                let _ = flushed.send(());
            }
        }
    }

    /// Logs the number of dropped spans, at most once per interval.
    fn log_queue_full(&mut self) {
        let (logged, at) = self.logged;
        let count = self.queue_full.load(Ordering::Relaxed);
        if count > logged && at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.logged = (count, Some(Instant::now()));
            tracing::warn!(
                spans = count - logged,
                "spans were dropped because too many wait to be sent: sample fewer requests (OTEL_TRACES_SAMPLER)"
            );
        }
    }

    /// Sends a batch. Logs once that the collector has failed, and once that it works again.
    async fn send(&mut self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let resource = [
            ("service.name", self.service_name.as_str()),
            ("service.version", self.service_version),
        ];
        let body = message::request(spans, resource).encode_to_vec();
        let mut sent = self.endpoint.post(body.clone()).await;
        if sent.as_ref().is_err_and(PostError::may_pass) {
            tokio::time::sleep(PAUSE).await;
            sent = self.endpoint.post(body).await;
        }
        match sent {
            Ok(()) if std::mem::take(&mut self.is_failing) => {
                tracing::info!("the trace collector accepts spans again");
            }
            Ok(()) => {}
            Err(error) => {
                self.dropped.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_failing, true) {
                    let cause = error.to_string();
                    tracing::warn!(
                        cause,
                        "the trace collector accepts no spans; they are dropped until it does"
                    );
                }
            }
        }
    }
}

/// The next batch, and those who wait for it to be sent.
async fn gather(
    first: Queued,
    queue: &mut mpsc::Receiver<Queued>,
) -> (Vec<Span>, Vec<oneshot::Sender<()>>) {
    let until = Instant::now() + DELAY;
    let (mut spans, mut flushed) = (Vec::new(), Vec::new());
    let mut next = Some(first);
    while let Some(queued) = next {
        match queued {
            Queued::Spans(more) => spans.extend(more),
            Queued::Flush(done) => {
                flushed.push(done);
                break;
            }
        }
        if spans.len() >= BATCH {
            break;
        }
        next = timeout_at(until, queue.recv()).await.ok().flatten();
    }
    (spans, flushed)
}
