//! The results of the feed as Markdown tables.

use std::fmt::{Result as Written, Write as _};

use super::{Crowd, Delay, Feed, Writers};
use crate::goals;

/// Writes a table for each part of the measurement.
pub(crate) fn write(text: &mut String, feed: &Feed) -> Written {
    if !feed.writers.is_empty() {
        writers(text, &feed.writers)?;
    }
    if !feed.delays.is_empty() {
        delays(text, &feed.delays)?;
    }
    if !feed.crowds.is_empty() {
        crowds(text, &feed.crowds)?;
    }
    Ok(())
}

fn writers(text: &mut String, all: &[Writers]) -> Written {
    writeln!(text, "## PostgreSQL: what the change log costs creates\n")?;
    writeln!(
        text,
        "| writers | subscribers | creates/s with the log | without its triggers | ratio |"
    )?;
    writeln!(text, "| ---: | ---: | ---: | ---: | ---: |")?;
    for one in all {
        let rounds = |rates: &[f64]| {
            let rates = rates.iter().map(|rate| format!("{rate:.0}"));
            rates.collect::<Vec<_>>().join(", ")
        };
        let (logged, unlogged) = (rounds(&one.logged), rounds(&one.unlogged));
        writeln!(
            text,
            "| {} | {} | {logged} | {unlogged} | {:.2} |",
            one.connections, one.subscribers, one.ratio
        )?;
    }
    writeln!(text)
}

fn delays(text: &mut String, all: &[Delay]) -> Written {
    writeln!(text, "## From a change to a subscriber\n")?;
    writeln!(
        text,
        "| WebSocket, otherwise idle | changes | since the request: p50, ms | p99, ms | since its answer: p50, ms \
         | p99, ms |"
    )?;
    writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for one in all {
        let across = if one.across_servers {
            ", from another server"
        } else {
            ""
        };
        writeln!(
            text,
            "| {}{across} | {} | {:.1} | {:.1} | {:.1} | {:.1} |",
            one.database.title(),
            one.changes,
            one.from_request_p50_ms,
            one.from_request_p99_ms,
            one.from_answer_p50_ms,
            one.from_answer_p99_ms
        )?;
    }
    writeln!(text)
}

fn crowds(text: &mut String, all: &[Crowd]) -> Written {
    writeln!(text, "## Many subscribers on one server\n")?;
    writeln!(
        text,
        "| | subscribers | changes | received by the last: median, ms | at most, ms | memory before, MB | after, MB | \
         each, kB |"
    )?;
    writeln!(
        text,
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for one in all {
        writeln!(
            text,
            "| {}, {} | {} | {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} |",
            one.database.title(),
            one.transport.title(),
            one.subscribers,
            one.changes,
            one.last_heard_p50_ms,
            one.last_heard_most_ms,
            goals::megabytes(one.memory_before_bytes),
            goals::megabytes(one.memory_after_bytes),
            one.memory_of_each_bytes / 1e3
        )?;
    }
    writeln!(text)
}
