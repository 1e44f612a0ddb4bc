//! Checks that the slugs recorded as taken really are.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};

use super::{Checked, Finding};
use crate::error::Result;
use crate::store::connection::run;
use crate::store::sql::tables::slug_run;
use crate::store::{Access, Database, Store};

/// Runs with a number that no article's slug has, or that overlap another run.
const POSTGRES: &str = "SELECT prefix, first, last, free FROM (
        SELECT prefix, first, last,
            last - first + 1 - (
                SELECT count(*) FROM generate_series(first, last) AS number
                JOIN article ON slug = prefix || number
            ) AS free,
            coalesce(lag(last) OVER (PARTITION BY prefix ORDER BY first) >= first, false) AS is_twice
        FROM slug_run
    ) AS run WHERE free <> 0 OR is_twice ORDER BY prefix, first LIMIT 20";
const SQLITE: &str = "SELECT prefix, first, last, free FROM (
        SELECT prefix, first, last,
            (
                WITH RECURSIVE numbered (number) AS (
                    SELECT run.first UNION ALL SELECT number + 1 FROM numbered WHERE number < run.last
                )
                SELECT count(*) FROM numbered WHERE NOT EXISTS (SELECT 1 FROM article WHERE slug = run.prefix || number)
            ) AS free,
            coalesce(lag(last) OVER (PARTITION BY prefix ORDER BY first) >= first, 0) AS is_twice
        FROM slug_run AS run
    ) WHERE free <> 0 OR is_twice ORDER BY prefix, first LIMIT 20";

#[derive(QueryableByName)]
struct Run {
    #[diesel(sql_type = Text)]
    prefix: String,
    #[diesel(sql_type = Integer)]
    first: i32,
    #[diesel(sql_type = Integer)]
    last: i32,
    #[diesel(sql_type = BigInt)]
    free: i64,
}

impl Store {
    /// Checks that each number in a run of slugs belongs to an article.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn check_slug_runs(&self) -> Result<Checked> {
        let question = match &self.0.database {
            Database::Postgres(_) => POSTGRES,
            Database::Sqlite(_) => SQLITE,
        };
        let answers = self.run(Access::Snapshot, move |connection| {
            Box::pin(async move {
                let runs: i64 = run!(connection, |c| diesel::QueryDsl::count(slug_run::table)
                    .get_result(c))?;
                let wrong = run!(connection, |c| diesel::sql_query(question).load::<Run>(c))?;
                Ok((runs, wrong))
            })
        });
        let (runs, wrong) = answers.await?;
        let findings = wrong.into_iter().map(|run| {
            let Run {
                prefix,
                first,
                last,
                free,
            } = run;
            let what = match free {
                0 => format!("the numbers {first} to {last} after {prefix:?} are recorded twice"),
                free => format!(
                    "{free} of the numbers {first} to {last} after {prefix:?} are recorded as taken but are free"
                ),
            };
            // Valid slugs contain no quotation marks, but another program may have written this one.
            let prefix = prefix.replace('\'', "''");
            let remedy = format!(
                "New slugs get higher numbers than necessary; DELETE FROM slug_run WHERE prefix = '{prefix}' AND \
                 first = {first} makes these numbers available again"
            );
            Finding::new(what, remedy)
        });
        Ok(Checked {
            part: "slugs",
            summary: format!("{runs} runs of taken numbers"),
            findings: findings.collect(),
        })
    }
}
