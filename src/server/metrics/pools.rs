//! The connection pools: how many connections there are and are in use, and how long tasks wait for one.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};

use crate::store::PoolStatus;

/// Writes the metrics of each pool.
pub(super) fn encode(
    pools: &[PoolStatus],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), Error> {
    type Value = fn(&PoolStatus) -> usize;
    let gauges: [(&str, &str, Value); 4] = [
        ("pool_connections", "Connections to the database", |pool| {
            pool.connections
        }),
        ("pool_in_use", "Connections in use", |pool| {
            pool.connections.saturating_sub(pool.idle)
        }),
        ("pool_idle", "Idle connections", |pool| pool.idle),
        (
            "pool_waiting",
            "Requests that wait for a connection",
            |pool| pool.waiting,
        ),
    ];
    for (name, help, value) in gauges {
        let mut family = encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?;
        for pool in pools {
            let gauge = ConstGauge::new(i64::try_from(value(pool)).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("pool", pool.pool)])?)?;
        }
    }
    let help = "Time that requests waited for a connection";
    let mut family =
        encoder.encode_descriptor("pool_wait_seconds", help, None, MetricType::Histogram)?;
    for pool in pools {
        let count = pool.waits.buckets.iter().map(|(_, count)| count).sum();
        let total = pool.waits.total.as_secs_f64();
        family
            .encode_family(&[("pool", pool.pool)])?
            .encode_histogram::<NoLabelSet>(total, count, &pool.waits.buckets, None)?;
    }
    Ok(())
}
