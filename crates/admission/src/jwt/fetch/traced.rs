//! A fetch as a trace of its own: no request waits for it, so it belongs to none's.

use std::time::SystemTime;

use otlp_spans::{Kind, Span, Tracer, Value};

use super::{FetchError, Fetched, KeySetUrl};

impl KeySetUrl {
    /// Gets the key set. Where requests are traced, the issuer gets a `traceparent`, and the collector the span.
    pub(in crate::jwt) async fn fetch_traced(
        &self,
        tracer: Option<&Tracer>,
    ) -> Result<Fetched, FetchError> {
        let Some(tracer) = tracer else {
            return self.fetch(None).await;
        };
        let trace = tracer.begin(None);
        let start = SystemTime::now();
        let fetched = self.fetch(Some(&trace)).await;
        if trace.is_sampled {
            let mut span = Span::of_request(&trace, "GET");
            span.kind = Kind::Client;
            (span.start, span.end) = (start, SystemTime::now());
            span.is_error = fetched.is_err();
            span.attributes = vec![
                ("http.request.method", Value::Text("GET".to_owned())),
                ("server.address", Value::Text(self.host.clone())),
                ("server.port", Value::Number(self.port.into())),
                ("url.path", Value::Text(self.uri.path().to_owned())),
            ];
            tracer.end(vec![span]);
        }
        fetched
    }
}
