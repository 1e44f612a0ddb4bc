//! What callers use at the moment, and how often the limits on them were exceeded.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::caller_limits::CallerLimits;

/// Read when metrics are requested.
pub(super) struct CallerLimitMetrics(pub(super) CallerLimits);

impl std::fmt::Debug for CallerLimitMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallerLimitMetrics")
    }
}

impl Collector for CallerLimitMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let status = self.0.status();
        for (name, help, value) in [
            (
                "connections",
                "Connections that are open",
                status.connections,
            ),
            (
                "streams",
                "WebSockets and event streams that are open",
                status.streams,
            ),
            (
                "concurrent_body_bytes",
                "Bytes of bodies that are being read or executed",
                status.body_bytes,
            ),
            (
                "concurrent_response_bytes",
                "Bytes of larger responses that are being sent",
                status.response_bytes,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        for (name, help, value) in [
            (
                "received_bytes",
                "Bytes received on connections",
                status.received_bytes,
            ),
            ("sent_bytes", "Bytes sent on connections", status.sent_bytes),
            (
                "request_body_bytes",
                "Bytes of the bodies of GraphQL requests and of messages on WebSockets, without their encoding",
                status.request_body_bytes,
            ),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        let help = "How often a limit on callers was exceeded; rejected unless LIMITS_MODE=measure";
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor("caller_limits_exceeded", help, None, kind)?;
        for (limit, count) in status.exceeded {
            let labels = [("limit", limit)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
