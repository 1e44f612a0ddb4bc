//! The operations that are executed, those that wait for a permit, and those that were rejected.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::api::Api;

/// Read when metrics are requested.
pub(super) struct OverloadMetrics(pub(super) Api);

impl std::fmt::Debug for OverloadMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OverloadMetrics")
    }
}

impl Collector for OverloadMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let concurrency = self.0.concurrency();
        let mut gauges = |name: &str, help: &str, values: [(&'static str, usize); 2]| {
            let kind = ConstGauge::new(0_i64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (kind, value) in values {
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("type", kind)])?)?;
            }
            Ok::<_, Error>(())
        };
        gauges(
            "operations_running",
            "Operations that are executed; those that share an execution count once",
            concurrency.map(|(kind, status)| (kind, status.running)),
        )?;
        gauges(
            "operations_waiting",
            "Operations that wait for a permit",
            concurrency.map(|(kind, status)| (kind, status.waiting)),
        )?;
        let help = "Operations that got no permit in time; rejected unless LIMITS_MODE=measure";
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor("operations_shed", help, None, kind)?;
        for (kind, status) in concurrency {
            ConstCounter::new(status.shed).encode(family.encode_family(&[("type", kind)])?)?;
        }
        Ok(())
    }
}
