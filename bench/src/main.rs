//! The benchmark: loads the articles, starts the contestants in turn, sends the load and writes the results.
//! `README.md` describes how to repeat it, and what it does not show.

mod admission;
mod chart;
mod create_cost;
mod credential;
mod databases;
mod feed;
mod generator;
mod goals;
mod measure;
mod options;
mod overload;
mod pgbench;
mod postgres;
mod process;
mod report;
mod request;
mod start;
mod summary;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::databases::Databases;
use crate::options::{Database, Options, Part};
use crate::report::Report;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<ExitCode> {
    let mut options = Options::parse().resolved();
    options.broadsheet = options
        .broadsheet
        .canonicalize()
        .with_context(|| format!("{}: build it first", options.broadsheet.display()))?;
    if let Some(before) = &mut options.before {
        *before = before
            .canonicalize()
            .with_context(|| before.display().to_string())?;
    }
    if options.parts.contains(&Part::Feed) {
        feed::check_open_files()?;
    }
    let directory = tempfile::Builder::new()
        .prefix("broadsheet-bench-")
        .tempdir()?;
    let databases = Databases::load(options.clone(), directory.path().to_owned()).await?;
    let programs = databases.server.as_ref();
    let mut report = Report::new(&options, programs.map(|server| server.programs.as_path()));
    // Results are kept even if a later part fails.
    let done = parts(&databases, &mut report).await;
    let markdown = report.write(&options)?;
    std::io::stdout().write_all(markdown.as_bytes())?;
    done?;
    let failed = report.measurements.iter().any(|one| one.failure.is_some());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn parts(databases: &Databases, report: &mut Report) -> Result<()> {
    let options = &databases.options;
    let is_selected = |part| options.parts.contains(&part);
    if is_selected(Part::Requests) {
        report.measurements = measure::all(databases).await?;
    }
    if is_selected(Part::Start) && options.databases.contains(&Database::Sqlite) {
        report.start_to_first_answer_ms = Some(start::to_first_answer(databases).await?);
    }
    if is_selected(Part::CreateCost) {
        create_cost::all(databases, &mut report.create_cost).await?;
    }
    if is_selected(Part::Overload) {
        overload::all(databases, &mut report.overload).await?;
    }
    if is_selected(Part::Feed) {
        feed::all(databases, &mut report.feed).await?;
    }
    Ok(())
}
