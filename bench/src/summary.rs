//! The summary of the rounds of a measurement.

use crate::measure::{Measurement, Round};
use crate::options::{Contestant, Database, Workload};

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one run are small enough"
)]
pub(crate) fn summarize(rounds: Vec<Round>, failure: Option<String>) -> Measurement {
    let requests: u64 = rounds.iter().map(|round| round.requests).sum();
    let seconds: f64 = rounds.iter().map(|round| round.seconds).sum();
    let per_request = |cpu: fn(&Round) -> Option<f64>| {
        let sum: Option<f64> = rounds.iter().map(cpu).sum();
        sum.filter(|_| requests > 0)
            .map(|seconds| seconds * 1e6 / requests as f64)
    };
    let mut measurement = Measurement {
        database: Database::Postgres,
        workload: Workload::Slug,
        connections: 0,
        contestant: Contestant::Broadsheet,
        requests,
        requests_per_second: if seconds > 0.0 {
            requests as f64 / seconds
        } else {
            0.0
        },
        rounds: rounds
            .iter()
            .map(|round| round.requests as f64 / round.seconds)
            .collect(),
        p50_us: 0.0,
        p99_us: 0.0,
        p999_us: 0.0,
        server_cpu_us: per_request(|round| round.server_cpu),
        postgres_cpu_us: per_request(|round| round.postgres_cpu),
        generator_cpu_us: per_request(|round| round.generator_cpu),
        peak_memory_bytes: rounds.iter().filter_map(|round| round.peak_memory).max(),
        failure,
    };
    let mut latencies: Vec<_> = rounds
        .into_iter()
        .flat_map(|round| round.latencies)
        .collect();
    latencies.sort_unstable();
    measurement.p50_us = quantile(&latencies, 500);
    measurement.p99_us = quantile(&latencies, 990);
    measurement.p999_us = quantile(&latencies, 999);
    measurement
}

/// The latency that this number of a thousand requests did not exceed, in microseconds.
fn quantile(sorted: &[u32], thousandths: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (sorted.len() * thousandths)
        .div_ceil(1000)
        .saturating_sub(1);
    let tenths = sorted.get(place.min(last)).copied().unwrap_or_default();
    f64::from(tenths) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_latency_that_enough_requests_did_not_exceed() {
        let sorted: Vec<u32> = (1..=1000).map(|tenth| tenth * 10).collect();
        assert!((quantile(&sorted, 500) - 500.0).abs() < 1e-9);
        assert!((quantile(&sorted, 999) - 999.0).abs() < 1e-9);
        assert!((quantile(&[70], 990) - 7.0).abs() < 1e-9);
        assert!((quantile(&[], 990) - 0.0).abs() < 1e-9);
    }
}
