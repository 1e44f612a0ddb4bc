//! Checks that the change feed has no gaps, and that its last change of each article matches the article.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable};

use super::{Checked, Finding};
use crate::error::Result;
use crate::store::connection::run;
use crate::store::{Access, Database, Store};

/// The queries, one statement each.
struct Queries {
    /// The range of the feed.
    range: &'static str,
    /// Ranges of positions without a change.
    gaps: &'static str,
    /// Changes that were lost before they got a position.
    lost: &'static str,
    /// Articles that differ from their last change.
    differing: &'static str,
}

const SQLITE: Queries = Queries {
    range: "SELECT floor + 1 AS first, (SELECT max(position) FROM article_change WHERE position > floor) AS last FROM feed",
    gaps: "SELECT before + 1 AS first, position - 1 AS last FROM (
            SELECT position, lag(position, 1, (SELECT floor FROM feed)) OVER (ORDER BY position) AS before
            FROM article_change WHERE position > (SELECT floor FROM feed)
        ) WHERE position > before + 1 ORDER BY position LIMIT 20",
    // A position above the recorded sequence would be used a second time.
    lost: "SELECT count(*) AS count FROM article_change
        WHERE position > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'article_change')",
    differing: "SELECT count(*) AS count FROM (
            SELECT article_id, kind, version, max(position) FROM article_change
            WHERE position > (SELECT floor FROM feed) GROUP BY article_id
        ) AS change
        LEFT JOIN article ON article.id = change.article_id
        WHERE CASE kind WHEN 3 THEN article.id IS NOT NULL ELSE article.version IS NOT change.version END",
};

const POSTGRES: Queries = Queries {
    range: "SELECT floor + 1 AS first, (SELECT max(position) FROM article_feed WHERE position > floor) AS last FROM feed",
    gaps: "SELECT before + 1 AS first, position - 1 AS last FROM (
            SELECT position, lag(position, 1, (SELECT floor FROM feed)) OVER (ORDER BY position) AS before
            FROM article_feed WHERE position > (SELECT floor FROM feed)
        ) AS place WHERE position > before + 1 ORDER BY position LIMIT 20",
    // Each change either has one position or waits for it, and each position has a change.
    lost: "SELECT count(*) AS count FROM article_change FULL JOIN (
            SELECT change_id FROM article_feed UNION ALL SELECT change_id FROM article_change_unnumbered
        ) AS known ON change_id = id
        WHERE id IS NULL OR change_id IS NULL",
    differing: "SELECT count(*) AS count FROM (
            SELECT DISTINCT ON (article_id) article_id, kind, version FROM article_change ORDER BY article_id, id DESC
        ) AS change
        LEFT JOIN article ON article.id = change.article_id
        WHERE CASE kind WHEN 3 THEN article.id IS NOT NULL ELSE article.version IS DISTINCT FROM change.version END",
};

const REMEDY: &str = "Clients that follow the feed may have missed that: `broadsheet feed new-epoch` makes all of \
                      them start over with a list. It is reported until CHANGE_RETENTION has passed";

#[derive(QueryableByName)]
struct Range {
    #[diesel(sql_type = BigInt)]
    first: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
}

#[derive(QueryableByName)]
struct Gap {
    #[diesel(sql_type = BigInt)]
    first: i64,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Store {
    /// Checks that the positions of the feed are contiguous, and that the last change of each article matches the
    /// article.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn check_feed(&self) -> Result<Checked> {
        let queries = match &self.0.database {
            Database::Postgres(_) => &POSTGRES,
            Database::Sqlite(_) => &SQLITE,
        };
        let answers = self.run(Access::Snapshot, move |connection| {
            Box::pin(async move {
                let execute_query = diesel::sql_query::<&str>;
                let range = run!(connection, |c| execute_query(queries.range)
                    .get_result::<Range>(c))?;
                let gaps = run!(connection, |c| execute_query(queries.gaps).load::<Gap>(c))?;
                let lost = run!(connection, |c| execute_query(queries.lost)
                    .get_result::<Count>(c))?;
                let differing = run!(connection, |c| execute_query(queries.differing)
                    .get_result::<Count>(c))?;
                Ok((range, gaps, lost.count, differing.count))
            })
        });
        let (range, gaps, lost, differing) = answers.await?;
        let first = range.first;
        let summary = match range.last {
            Some(head) => format!("changes from {first} to {head}"),
            None => format!("no changes, the next is {first}"),
        };
        let gaps = gaps.iter().map(|Gap { first, last }| match first == last {
            true => format!("there is no change at the position {first}"),
            false => format!("there are no changes at the positions {first} to {last}"),
        });
        let mut findings: Vec<_> = gaps.map(|what| Finding::new(what, REMEDY)).collect();
        if lost > 0 {
            let what = format!("{lost} changes have no position of their own");
            findings.push(Finding::new(what, REMEDY));
        }
        if differing > 0 {
            let what = format!("the last change of {differing} articles differs from the article");
            findings.push(Finding::new(what, REMEDY));
        }
        Ok(Checked {
            part: "feed",
            summary,
            findings,
        })
    }
}
