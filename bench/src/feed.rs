//! The change feed: its cost for writers, the delay until a subscriber receives a change and until the last of 1,000
//! does, and the memory of a subscriber.

mod crowd;
mod delay;
mod subscriber;
mod tables;
mod writers;

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use serde_json::json;

pub(crate) use self::crowd::Crowd;
pub(crate) use self::delay::Delay;
pub(crate) use self::tables::write;
pub(crate) use self::writers::Writers;
use crate::databases::{self, Databases};
use crate::generator::Connection;
use crate::options::{Contestant, Workload};
use crate::request::{Expected, Language, Plan, Requests};

/// The number of subscribers of one server.
pub(crate) const SUBSCRIBERS: usize = 1_000;
/// Files that the benchmark and the servers have open besides one connection for each subscriber.
const OTHER_FILES: usize = 200;
/// Runs of the creates of this part do not share slugs with others.
const FIRST_RUN: u32 = 2_000_000;

/// The results of the feed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Feed {
    pub(crate) writers: Vec<Writers>,
    pub(crate) delays: Vec<Delay>,
    pub(crate) crowds: Vec<Crowd>,
}

/// Measures everything, the most sensitive first.
pub(crate) async fn all(databases: &Databases, feed: &mut Feed) -> Result<()> {
    writers::all(databases, &mut feed.writers).await?;
    delay::all(databases, &mut feed.delays).await?;
    crowd::all(databases, &mut feed.crowds).await
}

/// Checks, before anything is loaded, that there can be as many connections as subscribers.
///
/// # Errors
/// The soft limit of open files, which the servers inherit, is too low.
pub(crate) fn check_open_files() -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    let soft = soft.context("no limit of open files in /proc/self/limits")?;
    let needed = SUBSCRIBERS + OTHER_FILES;
    if soft.parse().is_ok_and(|soft: usize| soft < needed) {
        bail!(
            "{SUBSCRIBERS} subscribers need {needed} open files, but the soft limit RLIMIT_NOFILE is {soft}: \
             raise it with `ulimit -n {needed}`, or leave the part `feed` out"
        );
    }
    Ok(())
}

/// Creates articles, one after another.
struct Writer {
    connection: Connection,
    requests: Requests,
    request: Vec<u8>,
}

impl Writer {
    /// `run` is different for each writer.
    async fn open(databases: &Databases, port: u16, run: u32) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(port).await?,
            requests: Requests::new(plan(databases, FIRST_RUN + run), 0),
            request: Vec::new(),
        })
    }

    /// Prepares the next request, and returns the slug of the article that it creates.
    fn prepare(&mut self) -> Result<String> {
        match self.requests.next(&mut self.request)? {
            Expected::Created(slug) => Ok(slug),
            other => bail!("not a create: {other:?}"),
        }
    }

    /// Sends the request and waits for its response.
    async fn create(&mut self, slug: &str) -> Result<()> {
        let answer = self.connection.exchange(&self.request).await?;
        Expected::Created(slug.to_owned()).check(answer)
    }

    /// The current cursor of the feed.
    async fn cursor(&mut self) -> Result<String> {
        let document = "{ articleChangesCursor }";
        let data = databases::graphql(&mut self.connection, document, &json!({})).await?;
        let cursor = data["articleChangesCursor"].as_str();
        Ok(cursor.context("no cursor")?.to_owned())
    }
}

fn plan(databases: &Databases, run: u32) -> Plan {
    Plan {
        language: Language::GraphQl,
        workload: Workload::Create,
        articles: databases.options.articles,
        cursors: databases.cursors(Contestant::Broadsheet),
        run,
        only: None,
        authorization: None,
    }
}

/// The value that this number of a thousand does not exceed.
fn quantile(values: &mut [f64], thousandths: usize) -> Result<f64> {
    ensure!(!values.is_empty(), "nothing was measured");
    values.sort_unstable_by(f64::total_cmp);
    let place = (values.len() * thousandths).div_ceil(1000).max(1) - 1;
    Ok(values.get(place).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_value_that_enough_do_not_exceed() -> Result<()> {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert!((quantile(&mut values, 500)? - 100.0).abs() < 1e-9);
        assert!((quantile(&mut values, 990)? - 198.0).abs() < 1e-9);
        assert!((quantile(&mut values, 1000)? - 200.0).abs() < 1e-9);
        assert!(quantile(&mut [], 500).is_err());
        Ok(())
    }
}
