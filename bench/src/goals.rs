//! Broadsheet's goals, and whether a run reached them.

use std::fmt::Write as _;

use crate::feed::{Feed, SUBSCRIBERS};
use crate::measure::Measurement;
use crate::options::{Contestant, Database, Workload};

use Contestant::{Broadsheet, Floor, Memory, Pgbench, Textbook};
use Database::{Postgres, Sqlite};
use Workload::{Create, Newest, Page, Slug};

/// The minimum ratio of Broadsheet's requests per second to another's, at 64 connections.
const RATIOS: [(Database, Workload, Contestant, f64); 16] = [
    (Postgres, Slug, Floor, 1.5),
    (Postgres, Slug, Textbook, 3.5),
    (Postgres, Slug, Pgbench, 1.2),
    (Postgres, Newest, Floor, 3.3),
    (Postgres, Newest, Textbook, 7.0),
    (Postgres, Newest, Memory, 0.7),
    (Postgres, Page, Floor, 0.8),
    (Postgres, Page, Textbook, 1.5),
    (Postgres, Create, Floor, 0.45),
    (Postgres, Create, Textbook, 1.2),
    (Sqlite, Slug, Floor, 0.5),
    (Sqlite, Slug, Textbook, 2.5),
    (Sqlite, Newest, Floor, 2.0),
    (Sqlite, Newest, Textbook, 8.0),
    (Sqlite, Create, Floor, 0.8),
    (Sqlite, Create, Textbook, 1.5),
];
/// The same against the floor for every read at one connection.
const ALONE: f64 = 0.7;
/// The maximum ratio of the p99 to the floor's at 64 connections, where the ratio above is at least 1.
const TAIL: f64 = 1.3;
const PEAK_MEMORY_MB: f64 = 60.0;
const START_MS: f64 = 100.0;
/// The ratio of creates per second with the change log to those without.
const LOGGED: f64 = 0.6;
/// The median delay from a change to a subscriber.
const DELAY_MS: f64 = 50.0;
/// The median delay from a change to the last of many subscribers.
const LAST_HEARD_MS: f64 = 1000.0;
const SUBSCRIBER_KB: f64 = 20.0;
const CONNECTIONS: usize = 64;
const MANY_CONNECTIONS: usize = 256;

/// The goals that were measured, as a Markdown table.
pub(crate) fn table(measurements: &[Measurement], start_ms: Option<f64>, feed: &Feed) -> String {
    let mut table =
        String::from("| goal | at 64 connections unless noted otherwise | wanted | measured | |\n");
    table.push_str("| --- | --- | ---: | ---: | --- |\n");
    let find = |database, workload, connections, contestant| {
        measurements.iter().find(|one| {
            (one.database, one.workload) == (database, workload)
                && (one.connections, one.contestant) == (connections, contestant)
                && one.failure.is_none()
        })
    };
    let pair = |database, workload, connections, other| {
        let ours = find(database, workload, connections, Broadsheet)?;
        Some((ours, find(database, workload, connections, other)?))
    };
    let mut rows = Rows(String::new());
    for (database, workload, other, wanted) in RATIOS {
        if let Some((ours, theirs)) = pair(database, workload, CONNECTIONS, other) {
            let goal = format!("{}, {}", workload.title(), database.title());
            let against = format!("against {}", other.title());
            let ratio = ours.requests_per_second / theirs.requests_per_second;
            rows.at_least(&goal, &against, wanted, ratio);
        }
    }
    for (database, workload, other, wanted) in RATIOS {
        let is_read = other == Floor && !workload.writes();
        let goal = |what: &str| format!("{}, {}: {what}", workload.title(), database.title());
        if is_read && let Some((ours, theirs)) = pair(database, workload, 1, Floor) {
            let ratio = ours.requests_per_second / theirs.requests_per_second;
            rows.at_least(&goal("alone"), "1 connection, against floor", ALONE, ratio);
        }
        if is_read
            && wanted >= 1.0
            && let Some((ours, theirs)) = pair(database, workload, CONNECTIONS, Floor)
        {
            let ratio = ours.p99_us / theirs.p99_us;
            rows.at_most(&goal("p99"), "against floor", TAIL, ratio);
        }
    }
    let memory = measurements.iter().filter(|one| {
        (one.database, one.contestant) == (Postgres, Broadsheet)
            && one.connections == MANY_CONNECTIONS
    });
    if let Some(peak) = memory.filter_map(|one| one.peak_memory_bytes).max() {
        let at = "256 connections, PostgreSQL";
        rows.at_most("peak memory, MB", at, PEAK_MEMORY_MB, megabytes(peak));
    }
    if let Some(start_ms) = start_ms {
        let what = "start to first answer, ms";
        rows.at_most(what, "SQLite, all articles loaded", START_MS, start_ms);
    }
    rows.feed(feed);
    table + &rows.0
}

/// In megabytes.
#[expect(clippy::cast_precision_loss, reason = "no process is that large")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

struct Rows(String);

impl Rows {
    fn feed(&mut self, feed: &Feed) {
        for one in &feed.writers {
            let what = format!(
                "{} writers, {} subscribers",
                one.connections, one.subscribers
            );
            let goal = "create with the change log, PostgreSQL: against without";
            self.at_least(goal, &what, LOGGED, one.ratio);
        }
        for one in &feed.delays {
            let goal = format!("change to subscriber, {}, p50, ms", one.database.title());
            let what = if one.across_servers {
                "from one idle server to another"
            } else {
                "idle server"
            };
            self.at_most(&goal, what, DELAY_MS, one.from_request_p50_ms);
        }
        for one in &feed.crowds {
            let (database, transport) = (one.database.title(), one.transport.title());
            let what = format!("{SUBSCRIBERS} subscribers, {transport}");
            let goal = format!("change to the last subscriber, {database}, p50, ms");
            self.at_most(&goal, &what, LAST_HEARD_MS, one.last_heard_p50_ms);
            let goal = format!("memory of a subscriber, {database}, kB");
            self.at_most(&goal, &what, SUBSCRIBER_KB, one.memory_of_each_bytes / 1e3);
        }
    }

    fn at_least(&mut self, goal: &str, what: &str, wanted: f64, measured: f64) {
        self.row(
            goal,
            what,
            &format!("≥ {wanted}"),
            measured,
            measured >= wanted,
        );
    }

    fn at_most(&mut self, goal: &str, what: &str, wanted: f64, measured: f64) {
        self.row(
            goal,
            what,
            &format!("≤ {wanted}"),
            measured,
            measured <= wanted,
        );
    }

    fn row(&mut self, goal: &str, what: &str, wanted: &str, measured: f64, reached: bool) {
        let verdict = if reached { "reached" } else { "**missed**" };
        // Writing to a String does not fail.
        let _ = writeln!(
            self.0,
            "| {goal} | {what} | {wanted} | {measured:.2} | {verdict} |"
        );
    }
}
