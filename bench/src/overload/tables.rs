//! The results of the overload as Markdown tables and a chart.

use std::fmt::{Result as Written, Write as _};

use super::{Level, Overload};
use crate::chart::{self, Bar, Panel};
use crate::goals;
use crate::options::{Database, Workload};

/// Writes a table for each workload on each database, and a summary.
pub(crate) fn write(text: &mut String, all: &[Overload]) -> Written {
    if !all.is_empty() {
        writeln!(text, "## Overload\n")?;
    }
    for one in all {
        writeln!(
            text,
            "{}, {}: {:.0} requests/s when 64 connections wait for their responses{}.\n",
            one.database.title(),
            one.workload.title(),
            one.capacity,
            if one.is_apart {
                "; the load generator has the last core to itself"
            } else {
                ""
            }
        )?;
        writeln!(
            text,
            "| times that | arriving/s | sent/s | served/s | 503/s | p50, ms | p99, ms | memory, MB | cores of the \
             generator | of the server and PostgreSQL |"
        )?;
        writeln!(
            text,
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for level in &one.levels {
            writeln!(
                text,
                "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.0} | {:.2} | {:.2} |",
                level.factor,
                level.offered,
                level.sent,
                level.served,
                level.shed,
                level.p50_ms,
                level.p99_ms,
                goals::megabytes(level.memory_bytes),
                level.generator_cores,
                level.server_cores
            )?;
        }
        writeln!(text, "\n{}\n", summary(one))?;
    }
    Ok(())
}

fn summary(one: &Overload) -> String {
    let peak = one.levels.iter().map(|level| level.served);
    let peak = peak.fold(one.capacity, f64::max);
    let (Some(first), Some(last)) = (one.levels.first(), one.levels.last()) else {
        return String::new();
    };
    let recovery = match one.recovery_seconds {
        Some(seconds) => format!("{seconds:.1} s after its end"),
        None => "not within 10 s".to_owned(),
    };
    format!(
        "At {} times, {:.2} of the peak is served, with a p99 of {:.1} times that at half the capacity. Recovery: \
         {recovery}.",
        last.factor,
        last.served / peak,
        last.p99_ms / first.p99_ms
    )
}

/// The served requests at each rate, as a chart.
pub(crate) fn chart(all: &[Overload]) -> String {
    let panels: Vec<_> = all
        .iter()
        .map(|one| Panel {
            title: title(one),
            bars: one.levels.iter().map(bar).collect(),
        })
        .collect();
    chart::bars(
        "Requests served per second, by the arrival rate as a multiple of the capacity",
        &panels,
    )
}

fn bar(level: &Level) -> Bar {
    const NAMES: [(f64, &str); 5] = [
        (0.5, "0.5 times"),
        (1.0, "1"),
        (2.0, "2"),
        (5.0, "5"),
        (10.0, "10 times"),
    ];
    let name = NAMES
        .iter()
        .find(|(factor, _)| (factor - level.factor).abs() < 1e-9);
    Bar {
        name: name.map_or("", |(_, name)| name),
        value: level.served,
        ours: level.factor > 1.0,
    }
}

fn title(one: &Overload) -> &'static str {
    match (one.database, one.workload) {
        (Database::Postgres, Workload::Create) => "PostgreSQL, create",
        (Database::Postgres, _) => "PostgreSQL, an article by random slug",
        (Database::Sqlite, Workload::Create) => "SQLite, create",
        (Database::Sqlite, _) => "SQLite, an article by random slug",
    }
}
