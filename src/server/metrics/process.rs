//! Metrics of the process, with the names of Prometheus's own client libraries, and of the build.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Read when metrics are requested. Available on Linux only.
#[derive(Debug)]
pub(super) struct ProcessMetrics;

/// Registers the version of this program.
pub(super) fn register_build(registry: &mut Registry) {
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program", build);
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        if let Some(seconds) = processor_seconds() {
            let help = "Processor time of the process";
            let counter = ConstCounter::new(seconds);
            let kind = counter.metric_type();
            let descriptor = encoder.encode_descriptor("process_cpu_seconds", help, None, kind)?;
            counter.encode(descriptor)?;
        }
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Memory of the process",
                resident_bytes(),
            ),
            (
                "process_open_fds",
                "Open file descriptors",
                open_descriptors(),
            ),
            (
                "process_max_fds",
                "Maximum number of open file descriptors",
                max_descriptors(),
            ),
        ] {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                let kind = gauge.metric_type();
                gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
            }
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_descriptors() -> Option<i64> {
    // One of the descriptors is that of this directory.
    let count = fs::read_dir("/proc/self/fd")
        .ok()?
        .count()
        .saturating_sub(1);
    i64::try_from(count).ok()
}

fn max_descriptors() -> Option<i64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn processor_seconds() -> Option<f64> {
    /// Ticks per second, the same on every Linux.
    const TICKS: u32 = 100;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process, in parentheses, may contain spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Option<u32> = ticks.map(|ticks| ticks.parse::<u32>().ok()).sum();
    Some(f64::from(ticks?) / f64::from(TICKS))
}
