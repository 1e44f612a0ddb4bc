//! Sends the spans of completed requests over OTLP in the background.
//!
//! A [`Tracer`] decides for each request whether it is sampled ([`Tracer::begin`]), takes its spans when it has ended
//! ([`Tracer::end`], which never waits), and sends them in batches. `context.rs` implements W3C Trace Context,
//! `message.rs` OTLP's protobuf, `export.rs` the queue, and `client.rs` the connection to the collector.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use otlp_spans::{Kind, Sampler, Span, Tracer, TracerSettings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tracer = Tracer::start(TracerSettings {
//!     endpoint: "http://127.0.0.1:4318/v1/traces".to_owned(),
//!     headers: Vec::new(),
//!     service_name: "library".to_owned(),
//!     service_version: "1.0.0",
//!     sampler: Sampler::new("parentbased_always_on", 1.0)?,
//! })?;
//! let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
//! let trace = tracer.begin(Some(caller));
//! assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
//!
//! // After the request:
//! let (start, end) = (SystemTime::now(), SystemTime::now());
//! let mut request = Span::of_request(&trace, "GET /books");
//! (request.start, request.end) = (start, end);
//! let statement = request.child("SELECT book", Kind::Client, start, end);
//! tracer.end(vec![request, statement]);
//! tracer.flush(Duration::from_millis(100)).await;
//! # Ok(())
//! # }
//! ```

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

/// The maximum number of requests in the queue. The spans of further ones are dropped.
const QUEUE: usize = 1_024;

/// The endpoint for spans, and which are sent.
#[derive(Debug, Clone)]
pub struct TracerSettings {
    /// The URL that spans are sent to, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Headers of each request, such as an API key for the collector.
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
    /// Dropped because the queue was full.
    queue_full: Arc<AtomicU64>,
}

impl Tracer {
    /// Starts a task that sends what [`end`](Self::end) receives, and that ends with the last clone. Needs a Tokio
    /// runtime.
    ///
    /// # Errors
    /// The endpoint or a header is invalid.
    pub fn start(settings: TracerSettings) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::new(&settings.endpoint, &settings.headers)?;
        let (queue, queued) = mpsc::channel(QUEUE);
        let dropped = Arc::<AtomicU64>::default();
        let queue_full = Arc::<AtomicU64>::default();
        let exporter = Exporter {
            endpoint,
            service_name: settings.service_name,
            service_version: settings.service_version,
            dropped: Arc::clone(&dropped),
            queue_full: Arc::clone(&queue_full),
            logged: (0, None),
            is_failing: false,
        };
        tokio::spawn(exporter.run(queued));
        Ok(Self(Arc::new(Inner {
            sampler: settings.sampler,
            queue,
            dropped,
            queue_full,
        })))
    }

    /// The trace of a request: that of a valid `traceparent`, or a new one.
    pub fn begin(&self, traceparent: Option<&str>) -> Trace {
        Trace::begin(traceparent, self.0.sampler)
    }

    /// Takes the spans of a completed request. They are dropped where the queue is full.
    pub fn end(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.0.queue.try_send(Queued::Spans(spans)).is_err() {
            self.0.queue_full.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// The number of spans that were dropped, because the queue was full or the collector did not accept them.
    pub fn dropped(&self) -> u64 {
        let counts = [&self.0.dropped, &self.0.queue_full];
        counts
            .map(|count| count.load(Ordering::Relaxed))
            .iter()
            .sum()
    }

    /// Sends the queued spans, and waits at most `limit` for that.
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
