//! The resources that a process has used, from `/proc`.

use std::fs;

use anyhow::{Context as _, Result};

/// Ticks per second of the times in `/proc/PID/stat`, the same on all common architectures of Linux.
const TICKS: f64 = 100.0;

/// CPU time of a process, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64> {
    let [user, system, ..] = times(process)?;
    Ok(ticks(user + system))
}

/// CPU time of a process and of its present and past children, in seconds: a whole PostgreSQL server.
pub(crate) fn family_cpu_seconds(parent: u32) -> Result<f64> {
    let mut sum: u64 = times(parent)?.iter().sum();
    for process in family(parent)?
        .into_iter()
        .filter(|&process| process != parent)
    {
        // A process may exit in the meantime; then its parent has the time.
        sum += times(process).map_or(0, |[user, system, ..]| user + system);
    }
    Ok(ticks(sum))
}

/// A process and its children.
pub(crate) fn family(parent: u32) -> Result<Vec<u32>> {
    let mut family = vec![parent];
    for entry in fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = stat(process) else { continue };
        if stat.get(1).and_then(|field| field.parse().ok()) == Some(parent) {
            family.push(process);
        }
    }
    Ok(family)
}

/// The peak memory of a process, in bytes.
pub(crate) fn peak_memory(process: u32) -> Result<u64> {
    status(process, "VmHWM:")
}

/// The memory of a process, in bytes.
pub(crate) fn memory(process: u32) -> Result<u64> {
    status(process, "VmRSS:")
}

fn status(process: u32, name: &'static str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.context(name)?.trim().parse()?;
    Ok(kibibytes * 1024)
}

/// User and system time of the process itself, then of its children that have ended, in ticks.
fn times(process: u32) -> Result<[u64; 4]> {
    let fields = stat(process)?;
    let mut times = [0; 4];
    for (time, field) in times.iter_mut().zip(fields.iter().skip(11)) {
        *time = field.parse()?;
    }
    Ok(times)
}

/// The fields of `/proc/PID/stat` after the name, which may contain anything: state, parent, …
fn stat(process: u32) -> Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no run lasts long enough to lose one"
)]
fn ticks(ticks: u64) -> f64 {
    ticks as f64 / TICKS
}
