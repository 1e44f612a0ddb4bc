//! The results as Markdown tables, as JSON and as charts.

use std::fmt::{Result as Written, Write as _};
use std::fs;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use crate::admission;
use crate::chart::{self, Bar, Panel};
use crate::create_cost::Step;
use crate::feed::{self, Feed};
use crate::goals;
use crate::measure::Measurement;
use crate::options::{Contestant, Database, Options};
use crate::overload::{self, Overload};

/// The results of one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    articles: u32,
    seconds: f64,
    rounds: usize,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) start_to_first_answer_ms: Option<f64>,
    pub(crate) create_cost: Vec<Step>,
    pub(crate) overload: Vec<Overload>,
    pub(crate) feed: Feed,
}

#[derive(Debug, Default, Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    postgres: String,
    date: String,
}

impl Report {
    pub(crate) fn new(options: &Options, postgres: Option<&std::path::Path>) -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors
            .lines()
            .find(|line| line.starts_with("model name"));
        let processor = model.and_then(|line| line.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let version = postgres.and_then(|programs| {
            let output = Command::new(programs.join("postgres"))
                .arg("--version")
                .output();
            String::from_utf8(output.ok()?.stdout).ok()
        });
        Self {
            machine: Machine {
                processor: processor.map_or("unknown", |(_, name)| name).to_owned(),
                cores: std::thread::available_parallelism().map_or(0, usize::from),
                kernel: kernel.trim().to_owned(),
                postgres: version.unwrap_or_default().trim().to_owned(),
                date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
            },
            articles: options.articles,
            seconds: options.seconds,
            rounds: options.rounds,
            ..Self::default()
        }
    }

    /// Writes `results.json`, `results.md` and the charts, and returns the Markdown.
    pub(crate) fn write(&self, options: &Options) -> Result<String> {
        fs::create_dir_all(&options.output)?;
        let write = |name: &str, content: &str| fs::write(options.output.join(name), content);
        write(
            "results.json",
            &(serde_json::to_string_pretty(self)? + "\n"),
        )?;
        if !self.overload.is_empty() {
            write("overload.svg", &overload::chart(&self.overload))?;
        }
        let markdown = self.markdown()?;
        write("results.md", &markdown)?;
        for &database in &options.databases {
            let most = self.connections_of_charts(database);
            let name = database.file_name();
            let title = format!(
                "{}: requests a second at {most} connections",
                database.title()
            );
            let panels = self.panels(database, most, |one| one.requests_per_second);
            if panels.is_empty() {
                continue;
            }
            write(
                &format!("throughput-{name}.svg"),
                &chart::bars(&title, &panels),
            )?;
            let title = format!("{}: p99 in µs at {most} connections", database.title());
            let panels = self.panels(database, most, |one| one.p99_us);
            write(
                &format!("latency-{name}.svg"),
                &chart::bars(&title, &panels),
            )?;
        }
        Ok(markdown)
    }

    /// 64 if it was measured, otherwise the maximum.
    fn connections_of_charts(&self, database: Database) -> usize {
        let all = self.measurements.iter();
        let all = all.filter(|one| one.database == database);
        let counts: Vec<_> = all.map(|one| one.connections).collect();
        if counts.contains(&64) {
            64
        } else {
            counts.into_iter().max().unwrap_or_default()
        }
    }

    fn panels(
        &self,
        database: Database,
        connections: usize,
        value: fn(&Measurement) -> f64,
    ) -> Vec<Panel> {
        self.groups()
            .into_iter()
            .filter(|group| {
                group
                    .first()
                    .is_some_and(|one| one.database == database && one.connections == connections)
            })
            .map(|group| Panel {
                title: group.first().map_or("", |one| one.workload.title()),
                bars: group
                    .iter()
                    .filter(|one| one.failure.is_none())
                    .map(|one| Bar {
                        name: one.contestant.title(),
                        value: value(one),
                        ours: one.contestant == Contestant::Broadsheet,
                    })
                    .collect(),
            })
            .collect()
    }

    /// The measurements that are compared with each other.
    fn groups(&self) -> Vec<&[Measurement]> {
        let key = |one: &Measurement| (one.database, one.workload, one.connections);
        self.measurements
            .chunk_by(|one, other| key(one) == key(other))
            .collect()
    }

    fn markdown(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let Machine {
            processor,
            cores,
            kernel,
            postgres,
            date,
        } = &self.machine;
        writeln!(
            text,
            "Measured on {date}: {cores} cores ({processor}), shared with the load generator; Linux {kernel}; \
             {postgres}; {} articles; {} rounds of {} s.\n",
            self.articles, self.rounds, self.seconds
        )?;
        let goals = goals::table(
            &self.measurements,
            self.start_to_first_answer_ms,
            &self.feed,
        );
        writeln!(text, "## Goals\n\n{goals}")?;
        let mut title = None;
        for group in self.groups() {
            let Some(first) = group.first() else { continue };
            let (database, workload) = (first.database, first.workload);
            if title != Some((database, workload)) {
                writeln!(text, "## {}: {}\n", database.title(), workload.title())?;
                title = Some((database, workload));
            }
            measurements(&mut text, group)?;
        }
        admission::write(&mut text, &self.groups())?;
        if let Some(start) = self.start_to_first_answer_ms {
            let what = "Start to first answer on SQLite";
            writeln!(text, "## Start\n\n{what}, median: {start:.1} ms.\n")?;
        }
        self.create_costs(&mut text)?;
        overload::write(&mut text, &self.overload)?;
        feed::write(&mut text, &self.feed)?;
        Ok(text)
    }

    fn create_costs(&self, text: &mut String) -> Written {
        for steps in self
            .create_cost
            .chunk_by(|one, other| one.database == other.database)
        {
            let Some(first) = steps.first() else { continue };
            let database = first.database.title();
            writeln!(text, "## {database}: what a create pays for\n")?;
            writeln!(text, "Dropped one after another, 64 connections.\n")?;
            writeln!(
                text,
                "| dropped | creates/s | gained | server CPU, µs | PostgreSQL CPU, µs |"
            )?;
            writeln!(text, "| --- | ---: | ---: | ---: | ---: |")?;
            let mut last = first.creates_per_second;
            for step in steps {
                let rate = step.creates_per_second;
                let dropped = step.dropped.as_deref().unwrap_or("(nothing)");
                writeln!(
                    text,
                    "| {dropped} | {rate:.0} | {:+.0} % | {:.0} | {} |",
                    (rate / last - 1.0) * 100.0,
                    step.server_cpu_us,
                    number(step.postgres_cpu_us, 0)
                )?;
                last = rate;
            }
            writeln!(text)?;
        }
        Ok(())
    }
}

fn measurements(text: &mut String, group: &[Measurement]) -> Written {
    let connections = group.first().map_or(0, |one| one.connections);
    writeln!(
        text,
        "| {connections} connections | requests/s | × floor | × textbook | p50, µs | p99, µs | p99.9, µs | \
         CPU, µs/request | PostgreSQL CPU | peak MB |"
    )?;
    writeln!(
        text,
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    let rate = |contestant| {
        let found = group.iter().find(|one| one.contestant == contestant);
        found
            .map(|one| one.requests_per_second)
            .filter(|rate| *rate > 0.0)
    };
    let (floor, textbook) = (rate(Contestant::Floor), rate(Contestant::Textbook));
    for one in group {
        let name = one.contestant.title();
        if let Some(failure) = &one.failure {
            let failure = failure.replace(['\n', '|'], " ");
            writeln!(text, "| {name} | failed: {failure} |")?;
            continue;
        }
        let rate = one.requests_per_second;
        writeln!(
            text,
            "| {name} | {rate:.0} | {} | {} | {:.0} | {:.0} | {:.0} | {} | {} | {} |",
            number(floor.map(|floor| rate / floor), 2),
            number(textbook.map(|textbook| rate / textbook), 2),
            one.p50_us,
            one.p99_us,
            one.p999_us,
            number(one.server_cpu_us, 1),
            number(one.postgres_cpu_us, 1),
            number(one.peak_memory_bytes.map(goals::megabytes), 0),
        )?;
    }
    writeln!(text)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}
