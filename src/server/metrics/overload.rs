//! The operations that are executed, those that wait for their turn, and those that were rejected.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::api::Api;
use crate::overload::TurnStatus;

/// Read when somebody asks.
pub(super) struct OverloadMetrics(pub(super) Api);

impl std::fmt::Debug for OverloadMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OverloadMetrics")
    }
}

impl Collector for OverloadMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let turns = self.0.turns();
        let running = |status: TurnStatus| status.running;
        let waiting = |status: TurnStatus| status.waiting;
        let gauges: [(_, _, fn(TurnStatus) -> usize); 2] = [
            (
                "operations_running",
                "Operations that are executed; those that share an execution count once",
                running,
            ),
            (
                "operations_waiting",
                "Operations that wait for their turn",
                waiting,
            ),
        ];
        for (name, help, value) in gauges {
            let kind = ConstGauge::new(0_i64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (kind, status) in turns {
                let gauge = ConstGauge::new(i64::try_from(value(status)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("type", kind)])?)?;
            }
        }
        let help =
            "Operations whose turn did not come in time; rejected unless LIMITS_MODE=measure";
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor("operations_shed", help, None, kind)?;
        for (kind, status) in turns {
            ConstCounter::new(status.shed).encode(family.encode_family(&[("type", kind)])?)?;
        }
        Ok(())
    }
}
