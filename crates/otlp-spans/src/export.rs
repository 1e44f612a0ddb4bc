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

/// The most spans of a batch, and how long the first of them waits for others.
const BATCH: usize = 512;
const DELAY: Duration = Duration::from_secs(5);

/// How often the log says that spans were dropped because too many waited.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// How long after a failure a batch is sent once more.
const PAUSE: Duration = Duration::from_secs(1);

/// What waits in the queue.
pub(crate) enum Queued {
    Spans(Vec<Span>),
    /// All before it are to be sent at once.
    Flush(oneshot::Sender<()>),
}

/// Sends spans in batches.
pub(crate) struct Exporter {
    pub(crate) endpoint: Endpoint,
    pub(crate) service_name: String,
    pub(crate) service_version: &'static str,
    pub(crate) dropped: Arc<AtomicU64>,
    /// Those that were dropped because too many waited.
    pub(crate) crowded_out: Arc<AtomicU64>,
    /// How many of them the log was told of, and when.
    pub(crate) told: (u64, Option<Instant>),
    /// Whether the log was told that the collector takes nothing.
    pub(crate) is_failing: bool,
}

impl Exporter {
    /// Sends what comes until nobody can send any more.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        while let Some(first) = queue.recv().await {
            let (spans, flushed) = gather(first, &mut queue).await;
            if !spans.is_empty() {
                self.send(spans).await;
            }
            self.tell_of_crowded_out();
            for flushed in flushed {
                // Who asked may have gone.
                let _ = flushed.send(());
            }
        }
    }

    /// Tells the log how many spans did not fit, unless it was told a moment ago.
    fn tell_of_crowded_out(&mut self) {
        let (told, at) = self.told;
        let count = self.crowded_out.load(Ordering::Relaxed);
        if count > told && at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.told = (count, Some(Instant::now()));
            tracing::warn!(
                spans = count - told,
                "spans were dropped because too many wait to be sent: sample fewer requests (OTEL_TRACES_SAMPLER)"
            );
        }
    }

    /// The log is told of a collector that takes nothing once, and once that it does again.
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
                tracing::info!("the collector of traces takes spans again");
            }
            Ok(()) => {}
            Err(error) => {
                self.dropped.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_failing, true) {
                    let cause = error.to_string();
                    tracing::warn!(
                        cause,
                        "the collector of traces takes no spans, which are dropped until it does"
                    );
                }
            }
        }
    }
}

/// The next batch, and whoever waits for it to be sent.
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
