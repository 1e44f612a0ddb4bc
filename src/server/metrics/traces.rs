//! Metrics of spans.

use std::fmt::Error;

use otlp_spans::Tracer;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;

/// Read when metrics are requested. Without tracing, no spans are dropped.
#[derive(Debug)]
pub(super) struct TraceMetrics(pub(super) Option<Tracer>);

impl Collector for TraceMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let dropped = ConstCounter::new(self.0.as_ref().map_or(0, Tracer::dropped));
        let help = "Spans that were dropped, because too many were waiting or the collector did not accept them";
        let kind = dropped.metric_type();
        dropped.encode(encoder.encode_descriptor("trace_spans_dropped", help, None, kind)?)
    }
}
