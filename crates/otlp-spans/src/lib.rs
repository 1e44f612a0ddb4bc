//! Spans of requests that have ended, sent over OTLP in the background.
//!
//! A [`Tracer`] says for each request whether it is sampled ([`Tracer::begin`]), takes its spans when it has ended
//! ([`Tracer::end`], which never waits), and sends them in batches. `context.rs` is W3C Trace Context, `message.rs` OTLP's
//! protobuf, `export.rs` the queue, `client.rs` the way to the collector.

mod client;
mod context;
mod export;
mod message;
mod sampler;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use self::client::Endpoint;
pub use self::client::EndpointError;
pub use self::context::{TRACEPARENT, Trace};
use self::export::{Exporter, Queued};
pub use self::sampler::{Sampler, UnknownSampler};
pub use self::span::{Kind, Span, Value};

/// How many requests wait to be sent. Those beyond are dropped.
const QUEUE: usize = 1_024;

/// Where spans go, and which.
#[derive(Debug, Clone)]
pub struct TracerSettings {
    /// The URL that spans are sent to, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Headers of each request, such as a key of the collector's.
    pub headers: Vec<(String, String)>,
    /// `service.name`.
    pub service_name: String,
    /// `service.version`.
    pub service_version: &'static str,
    pub sampler: Sampler,
}

/// Sends the spans of requests. Clones share the queue.
#[derive(Debug, Clone)]
pub struct Tracer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sampler: Sampler,
    queue: mpsc::Sender<Queued>,
    dropped: Arc<AtomicU64>,
    /// Because too many waited.
    crowded_out: Arc<AtomicU64>,
}

impl Tracer {
    /// Begins to send what [`end`](Self::end) is given, in a task that ends with the last clone. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The endpoint or a header is not understood.
    pub fn start(settings: TracerSettings) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::new(&settings.endpoint, &settings.headers)?;
        let (queue, queued) = mpsc::channel(QUEUE);
        let dropped = Arc::<AtomicU64>::default();
        let crowded_out = Arc::<AtomicU64>::default();
        let exporter = Exporter {
            endpoint,
            service_name: settings.service_name,
            service_version: settings.service_version,
            dropped: Arc::clone(&dropped),
            crowded_out: Arc::clone(&crowded_out),
            told: (0, None),
            is_failing: false,
        };
        tokio::spawn(exporter.run(queued));
        Ok(Self(Arc::new(Inner {
            sampler: settings.sampler,
            queue,
            dropped,
            crowded_out,
        })))
    }

    /// The trace that a request belongs to: the one that its `traceparent` names, where that is valid, or a new one.
    pub fn begin(&self, traceparent: Option<&str>) -> Trace {
        Trace::begin(traceparent, self.0.sampler)
    }

    /// Takes the spans of a request that has ended. They are dropped where too many wait.
    pub fn end(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.0.queue.try_send(Queued::Spans(spans)).is_err() {
            self.0.crowded_out.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// How many spans were dropped, because too many waited or the collector did not take them.
    pub fn dropped(&self) -> u64 {
        let counts = [&self.0.dropped, &self.0.crowded_out];
        counts
            .map(|count| count.load(Ordering::Relaxed))
            .iter()
            .sum()
    }

    /// Sends what waits, and waits for that no longer than `limit`.
    pub async fn flush(&self, limit: Duration) {
        let flush = async {
            let (done, is_done) = oneshot::channel();
            if self.0.queue.send(Queued::Flush(done)).await.is_ok() {
                let _ = is_done.await;
            }
        };
        let _ = tokio::time::timeout(limit, flush).await;
    }
}

#[cfg(test)]
mod tests;
