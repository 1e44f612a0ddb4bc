//! The tracer with a collector that works, is slow, or is unavailable.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::message::{AnyValueKind, ExportTraceServiceRequest};
use super::*;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn sampler(name: &str) -> Sampler {
    Sampler::new(name, 0.25).unwrap()
}

fn tracer(endpoint: &str) -> Tracer {
    Tracer::start(TracerSettings {
        endpoint: endpoint.to_owned(),
        headers: vec![("x-key".to_owned(), "secret".to_owned())],
        service_name: "test".to_owned(),
        service_version: "1.2.3",
        sampler: sampler("parentbased_always_on"),
    })
    .unwrap()
}

/// Reads a complete request, and responds with 200.
async fn take(listener: &TcpListener) -> (String, ExportTraceServiceRequest) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        read.extend_from_slice(&part[..count]);
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        if read.len() >= end + 4 + length {
            let body = ExportTraceServiceRequest::decode(&read[end + 4..]).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
            return (head, body);
        }
    }
}

#[tokio::test]
async fn spans_are_sent_by_otlp_with_their_service_and_their_parents() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tracer = tracer(&format!("http://{address}/v1/traces"));
    let trace = tracer.begin(Some(CALLER));
    assert!(trace.is_sampled);
    assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
    let mut request = Span::of_request(&trace, "query");
    (request.start, request.end) = (SystemTime::UNIX_EPOCH, SystemTime::now());
    request.attributes.push(("rows", Value::Number(7)));
    request.is_error = true;
    let statement = request.child("SELECT", Kind::Client, request.start, request.end);
    tracer.end(vec![request, statement]);
    let (taken, ()) = tokio::join!(take(&listener), tracer.flush(Duration::from_secs(30)));
    let (head, mut body) = taken;
    assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
    assert!(head.contains("x-key: secret"), "{head}");
    let mut all = body.resource_spans.remove(0);
    let service = &all.resource.unwrap().attributes[0];
    assert_eq!(service.key, "service.name");
    let value = service.value.clone().unwrap().value;
    assert_eq!(value, Some(AnyValueKind::Text("test".to_owned())));
    let spans = all.scope_spans.remove(0).spans;
    let [request, statement] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(
        request.parent_span_id,
        [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]
    );
    assert_eq!(statement.parent_span_id, request.span_id);
    assert_eq!(statement.trace_id, request.trace_id);
    assert_eq!((request.kind, statement.kind), (2, 3));
    assert_eq!(request.status.clone().unwrap().code, 2);
    assert_eq!(tracer.dropped(), 0);
}

/// The collector accepts the connection and never responds.
#[tokio::test]
async fn an_unresponsive_collector_delays_nobody_and_dropped_spans_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tracer = tracer(&format!("http://{address}/v1/traces"));
    let trace = tracer.begin(None);
    let began = Instant::now();
    for _ in 0..QUEUE + 10_000 {
        tracer.end(vec![Span::of_request(&trace, "query")]);
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(tracer.dropped() >= 9_000, "{}", tracer.dropped());
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    /// What was logged since the last call.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The clock jumps ahead whenever all tasks wait, so that the collector's time is over at once.
#[tokio::test(start_paused = true)]
async fn the_log_says_how_many_spans_were_dropped_at_most_once_a_minute() {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .without_time()
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tracer = tracer(&format!("http://{address}/v1/traces"));
    let trace = tracer.begin(None);
    // The task that sends does not run in between.
    let overfill = |count| {
        for _ in 0..QUEUE + count {
            tracer.end(vec![Span::of_request(&trace, "query")]);
        }
    };
    let lines = || {
        let text = logged.take();
        let lines = text.lines().filter(|line| line.contains("too many wait"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let says = |count| {
        format!(
            " WARN otlp_spans::export: spans were dropped because too many wait to be sent: sample fewer requests \
             (OTEL_TRACES_SAMPLER) spans={count}"
        )
    };
    overfill(10);
    tracer.flush(Duration::from_secs(30)).await;
    assert_eq!(lines(), [says(10)]);
    // The rest of the queue, which takes more than a minute.
    tracer.flush(Duration::from_hours(1)).await;
    assert!(lines().is_empty());

    overfill(3);
    tracer.flush(Duration::from_hours(1)).await;
    let dropped = tracer.0.queue_full.load(Ordering::Relaxed);
    assert_eq!((dropped, lines()), (13, vec![says(3)]));
}

#[tokio::test]
async fn an_invalid_endpoint_is_an_error() {
    for endpoint in ["", "localhost:4318", "ftp://host/", "http://"] {
        let settings = TracerSettings {
            endpoint: endpoint.to_owned(),
            headers: Vec::new(),
            service_name: String::new(),
            service_version: "",
            sampler: sampler("always_on"),
        };
        assert!(Tracer::start(settings).is_err(), "{endpoint:?}");
    }
}

#[test]
fn a_traceparent_that_is_not_valid_begins_a_new_trace() {
    let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let zero_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
    let upper = CALLER.to_uppercase();
    let more = format!("{CALLER}-more");
    let forbidden = CALLER.replacen("00", "ff", 1);
    for text in [
        "",
        "00",
        zero_trace,
        zero_span,
        &*upper,
        &*more,
        &*forbidden,
        "é",
    ] {
        let trace = Trace::begin(Some(text), sampler("parentbased_always_on"));
        assert_eq!(trace.parent, None, "{text:?}");
        assert_ne!(trace.id(), "0af7651916cd43dd8448eb211c80319c", "{text:?}");
    }
    // A later version, which may have more fields.
    let later = more.replacen("00", "01", 1);
    let trace = Trace::begin(Some(&later), sampler("parentbased_always_on"));
    assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
    let out = trace.traceparent();
    assert!(out.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && out.ends_with("-01"));
}

#[test]
fn samplers_follow_the_caller_or_their_ratio() {
    let unsampled = CALLER.replace("-01", "-00");
    for (name, root, caller, not_caller) in [
        ("always_on", true, true, true),
        ("always_off", false, false, false),
        ("parentbased_always_on", true, true, false),
        ("parentbased_always_off", false, true, false),
    ] {
        let is_sampled = |traceparent| Trace::begin(traceparent, sampler(name)).is_sampled;
        let found = [None, Some(CALLER), Some(&*unsampled)].map(is_sampled);
        assert_eq!(found, [root, caller, not_caller], "{name}");
    }
    let ratio = sampler("parentbased_traceidratio");
    let sampled = (0..10_000).filter(|_| Trace::begin(None, ratio).is_sampled);
    assert!((2_000..3_000).contains(&sampled.count()));
    assert_eq!(Sampler::new("sometimes", 1.0), Err(UnknownSampler));
    assert_eq!(Sampler::new("traceidratio", 1.5), Err(UnknownSampler));
}
