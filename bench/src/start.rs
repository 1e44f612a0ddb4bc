//! The time from the start of Broadsheet to its first response, on SQLite.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::databases::Databases;
use crate::generator::Connection;
use crate::options::{Contestant, Database, Workload};
use crate::process::Process;
use crate::request::{Language, Plan, Requests};

/// The number of starts; the median counts.
const STARTS: usize = 11;

/// The median of several starts on the loaded database, in milliseconds.
pub(crate) async fn to_first_answer(databases: &Databases) -> Result<f64> {
    let plan = Plan {
        language: Language::GraphQl,
        workload: Workload::Slug,
        articles: databases.options.articles,
        cursors: databases.cursors(Contestant::Broadsheet),
        run: 0,
        only: None,
        authorization: None,
    };
    let mut request = Vec::new();
    let expected = Requests::new(plan, 0).next(&mut request)?;
    let url = databases.url(Database::Sqlite, "broadsheet")?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let begin = Instant::now();
        let variables = [("DATABASE_URL", url.as_str())];
        let program = &databases.options.broadsheet;
        let process = Process::start(program, &databases.directory, &variables)?;
        let mut connection = loop {
            match Connection::open(process.port).await {
                Ok(connection) => break connection,
                Err(error) if begin.elapsed() > Duration::from_mins(1) => {
                    return Err(error.context(process.log()));
                }
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        expected.check(connection.exchange(&request).await?)?;
        times.push(begin.elapsed());
        process.stop()?;
    }
    times.sort_unstable();
    let median = times.get(STARTS / 2).context("no start")?;
    Ok(median.as_secs_f64() * 1000.0)
}
