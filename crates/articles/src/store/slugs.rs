//! The numbers in slugs that are generated from equal titles: the smallest free one is used.
//!
//! Numbers that are known to be taken are recorded as runs in the table `slug_run`, and a search for a free number
//! skips a run in one step. A search of many steps records what it has skipped as a run, so that the next one need not
//! repeat it, however many numbers there are. Creating an article writes nothing there; triggers split a run when one
//! of its numbers becomes free.
//!
//! Decision: `docs/decisions/0011-slug-numbers.md`.

use std::collections::{HashMap, HashSet, VecDeque};

use diesel::ExpressionMethods as _;
use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Integer, Nullable, Text};

use super::connection::{Connection, run};
use super::sql::dialect::Dialect;
use super::sql::select::query;
use super::sql::tables::slug_run;
use crate::article::Slug;
use crate::error::{Error, Result};

/// Assigns numbers to slugs, one after the other.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<String, Free>);

/// Free numbers for a slug, in ascending order.
#[derive(Debug)]
struct Free {
    numbers: VecDeque<u32>,
    /// Where the next search starts.
    next: u32,
    /// How many numbers the next search finds.
    count: u8,
}

impl Default for Free {
    fn default() -> Self {
        Self {
            numbers: VecDeque::new(),
            next: 2,
            count: 1,
        }
    }
}

impl Numbers {
    /// The slug with the smallest number that neither an article nor `reserved` has, and that was not assigned before.
    pub(super) async fn give(
        &mut self,
        connection: &mut Connection<'_>,
        slug: &Slug,
        reserved: &HashSet<String>,
    ) -> Result<String> {
        let free = self.0.entry(slug.as_str().to_owned()).or_default();
        loop {
            let Some(number) = free.numbers.pop_front() else {
                free.numbers = find(connection, slug, free.next, free.count).await?;
                free.count = free.count.saturating_mul(2);
                continue;
            };
            free.next = number + 1;
            let numbered = slug.numbered(number).into_string();
            if !reserved.contains(&numbered) {
                return Ok(numbered);
            }
        }
    }
}

/// The smallest free numbers from `first` on: at least one, at most `count`.
async fn find(
    connection: &mut Connection<'_>,
    slug: &Slug,
    first: u32,
    count: u8,
) -> Result<VecDeque<u32>> {
    for (prefix, numbers) in slug.numbers() {
        let (smallest, last) = (integer(*numbers.start())?, integer(*numbers.end())?);
        let mut next = integer(first)?.max(smallest);
        let from_the_smallest = next == smallest;
        while next <= last {
            let walk = Walk {
                prefix: &prefix,
                next,
                last,
                count: i32::from(count),
            };
            let stops: Vec<Stop> = run!(connection, |c| walk.load(c))?;
            let Some(Stop(number, taken, walked)) = stops.first().copied() else {
                break;
            };
            let taken = taken.unwrap_or(number - 1);
            if from_the_smallest && walked > MAX_UNRECORDED_STEPS {
                record_run(connection, &prefix, smallest, taken).await?;
            }
            let free = stops.iter().filter(|Stop(_, taken, _)| taken.is_none());
            let free: VecDeque<u32> = free
                .map(|Stop(number, ..)| u32::try_from(*number).map_err(Error::internal))
                .collect::<Result<_>>()?;
            if !free.is_empty() {
                return Ok(free);
            }
            next = taken + 1;
        }
    }
    Err(Error::internal("a slug has no number left"))
}

fn integer(number: u32) -> Result<i32> {
    i32::try_from(number).map_err(Error::internal)
}

/// Records that the numbers from `first` to `last` are taken.
async fn record_run(
    connection: &mut Connection<'_>,
    prefix: &str,
    first: i32,
    last: i32,
) -> Result<()> {
    run!(connection, |c| diesel::delete(slug_run::table)
        .filter(slug_run::prefix.eq(prefix))
        .filter(slug_run::first.le(last))
        .execute(c))?;
    let run = (
        slug_run::prefix.eq(prefix),
        slug_run::first.eq(first),
        slug_run::last.eq(last),
    );
    run!(connection, |c| diesel::insert_into(slug_run::table)
        .values(run)
        .execute(c))?;
    Ok(())
}

/// A search with more steps is recorded as a run.
const MAX_UNRECORDED_STEPS: i32 = 32;

/// The maximum number of steps per statement, so that it stays within its time limit.
const MAX_STEPS: i32 = 10_000;

/// Searches from `next` on, number by number, but in one step per known run, until it has found `count` free numbers or
/// passed `last`. Returns where it stops.
#[derive(Debug)]
struct Walk<'a> {
    prefix: &'a str,
    next: i32,
    last: i32,
    count: i32,
}

/// A number; the end of the taken numbers from it on, or nothing where it is free; and the steps so far.
#[derive(Debug, Clone, Copy, diesel::Queryable)]
struct Stop(i32, Option<i32>, i32);

impl<DB: Dialect> QueryFragment<DB> for Walk<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        const NEXT: &str = "coalesce(walk.taken, walk.number) + 1";
        const FOUND: &str = "walk.found + CASE WHEN walk.taken IS NULL THEN 1 ELSE 0 END";
        pass.push_sql("WITH RECURSIVE walk (number, taken, steps, found) AS (SELECT ");
        DB::bind_version(&mut pass, &self.next)?;
        pass.push_sql(" - 1, ");
        DB::bind_version(&mut pass, &self.next)?;
        pass.push_sql(&format!(
            " - 1, 0, 0 UNION ALL SELECT {NEXT}, coalesce((SELECT run.last FROM slug_run AS run WHERE run.prefix = "
        ));
        DB::bind_text(&mut pass, self.prefix)?;
        pass.push_sql(&format!(
            " AND run.first <= {NEXT} AND run.last >= {NEXT}), (SELECT {NEXT} FROM article WHERE slug = "
        ));
        DB::bind_text(&mut pass, self.prefix)?;
        pass.push_sql(&format!(
            " || ({NEXT}))), walk.steps + 1, {FOUND} FROM walk
            WHERE walk.steps < {MAX_STEPS} AND {NEXT} <= "
        ));
        DB::bind_version(&mut pass, &self.last)?;
        pass.push_sql(&format!(" AND {FOUND} < "));
        DB::bind_version(&mut pass, &self.count)?;
        pass.push_sql(&format!(
            ") SELECT number, taken, steps FROM walk WHERE taken IS NULL OR steps = {MAX_STEPS}"
        ));
        Ok(())
    }
}

query!(Walk<'_>, (Integer, Nullable<Integer>, Integer));

/// The first key of the advisory locks on slugs: "slug" in ASCII. The triggers of the migration `slug_runs` use it too.
const SLUG_LOCK: i32 = 0x736c_7567;

/// Few enough that one transaction can hold them all.
const LOCKS: i32 = 32;

/// Locks the numbers of these slugs until the transaction ends: otherwise the slower of two transactions would have to
/// start over each time. A transaction that frees one of their numbers takes the same lock.
pub(super) async fn lock(connection: &mut Connection<'_>, slugs: Vec<&Slug>) -> Result<()> {
    // SQLite has only one writer at a time.
    if let Connection::Postgres(connection) = connection
        && !slugs.is_empty()
    {
        use diesel_async::RunQueryDsl as _;
        let prefixes: HashSet<String> = slugs
            .into_iter()
            .flat_map(Slug::numbers)
            .map(|(prefix, _)| prefix)
            .collect();
        // Sorted, so that no two transactions wait for each other.
        diesel::sql_query(
            "SELECT pg_advisory_xact_lock($1, slug)
            FROM (SELECT DISTINCT hashtext(prefix) & $2 AS slug FROM unnest($3) AS prefix ORDER BY 1) AS locks",
        )
        .bind::<Integer, _>(SLUG_LOCK)
        .bind::<Integer, _>(LOCKS - 1)
        .bind::<Array<Text>, _>(Vec::from_iter(prefixes))
        .execute(&mut **connection)
        .await?;
    }
    Ok(())
}
