//! The numbers behind slugs that are made from equal titles: the smallest that is free.
//!
//! The migration `slug_numbers` keeps where runs of numbers that are taken begin. From a number on to where the next
//! run begins, those that are taken stand before those that are free, so halving finds the smallest free one, in some
//! thirty look-ups of the index however many there are.
//!
//! Decision: `docs/decisions/0011-slug-numbers.md`.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::QueryResult;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Integer};

use super::connection::{Connection, run};
use super::sql::dialect::Dialect;
use super::sql::select::query;
use crate::article::Slug;
use crate::error::{Error, Result};

/// Gives numbers to slugs, one after the other.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<String, Free>);

/// Numbers of which no article has any.
#[derive(Debug)]
struct Free {
    next: u32,
    last: u32,
}

impl Numbers {
    /// The slug with the smallest number that neither an article nor `reserved` has, nor was given before.
    pub(super) async fn give(
        &mut self,
        connection: &mut Connection<'_>,
        slug: &Slug,
        reserved: &HashSet<String>,
    ) -> Result<String> {
        let free = self
            .0
            .entry(slug.as_str().to_owned())
            .or_insert(Free { next: 2, last: 1 });
        loop {
            if free.next > free.last {
                *free = find(connection, slug, free.next).await?;
            }
            let numbered = slug.numbered(free.next).into_string();
            free.next += 1;
            if !reserved.contains(&numbered) {
                return Ok(numbered);
            }
        }
    }
}

/// The smallest free numbers from `first` on.
async fn find(connection: &mut Connection<'_>, slug: &Slug, first: u32) -> Result<Free> {
    for (prefix, numbers) in slug.numbers() {
        let first = first.max(*numbers.start());
        if first > *numbers.end() {
            continue;
        }
        let integer = |number: u32| i32::try_from(number).map_err(Error::internal);
        let free = FreeNumbers {
            prefix,
            first: integer(first)?,
            last: integer(*numbers.end())?,
        };
        let (next, last): (i32, i32) = run!(connection, |c| free.get_result(c))?;
        let number = |integer: i32| u32::try_from(integer).map_err(Error::internal);
        let free = Free {
            next: number(next)?,
            last: number(last)?,
        };
        if free.next <= free.last {
            return Ok(free);
        }
    }
    Err(Error::internal("a slug has no number left"))
}

/// The smallest number between `first` and `last` with which no article has the slug, and the last of those that are
/// free like it; greater than that where there is none.
#[derive(Debug)]
struct FreeNumbers {
    prefix: String,
    first: i32,
    last: i32,
}

impl<DB: Dialect> QueryFragment<DB> for FreeNumbers {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        // `free` is so, or stands behind the last number. What is taken before it stands at the beginning, so that
        // `taken` can be raised by steps that halve, as far as what they lead to is taken too.
        pass.push_sql("WITH RECURSIVE search (taken, step, free) AS (SELECT ");
        DB::bind_version(&mut pass, &self.first)?;
        pass.push_sql(" - 1, 536870912, coalesce((SELECT first - 1 FROM slug_run WHERE prefix = ");
        DB::bind_text(&mut pass, &self.prefix)?;
        pass.push_sql(" AND first > ");
        DB::bind_version(&mut pass, &self.first)?;
        pass.push_sql(" AND first <= ");
        DB::bind_version(&mut pass, &self.last)?;
        pass.push_sql(
            " AND (SELECT 1 FROM article WHERE slug = prefix || (first - 1)) IS NULL ORDER BY first LIMIT 1), ",
        );
        DB::bind_version(&mut pass, &self.last)?;
        pass.push_sql(
            " + 1) UNION ALL SELECT taken + CASE WHEN taken + step < free AND (SELECT 1 FROM article WHERE slug = ",
        );
        DB::bind_text(&mut pass, &self.prefix)?;
        pass.push_sql(
            " || (taken + step)) IS NOT NULL THEN step ELSE 0 END, step / 2, free FROM search WHERE step > 0)
            SELECT taken + 1, CASE WHEN free > ",
        );
        DB::bind_version(&mut pass, &self.last)?;
        pass.push_sql(" THEN ");
        DB::bind_version(&mut pass, &self.last)?;
        pass.push_sql(" ELSE free END FROM search WHERE step = 0");
        Ok(())
    }
}

query!(FreeNumbers, (Integer, Integer));

/// The first key of the advisory locks on slugs: "slug" in ASCII.
const SLUG_LOCK: i32 = 0x736c_7567;

/// Few enough for one transaction to hold them all.
const LOCKS: u32 = 32;

/// Keeps others who give numbers to these slugs away until the transaction ends: else the slower of two would have to
/// begin anew, each time.
pub(super) async fn lock(connection: &mut Connection<'_>, slugs: Vec<&Slug>) -> Result<()> {
    // SQLite has one writer at a time.
    if let Connection::Postgres(connection) = connection
        && !slugs.is_empty()
    {
        use diesel_async::RunQueryDsl as _;
        let lock = |slug: &Slug| crc32fast::hash(slug.as_str().as_bytes()) % LOCKS;
        // In one order, so that no two wait for each other.
        let locks: BTreeSet<u32> = slugs.into_iter().map(lock).collect();
        let locks: Vec<i32> = locks
            .into_iter()
            .filter_map(|lock| i32::try_from(lock).ok())
            .collect();
        diesel::sql_query("SELECT pg_advisory_xact_lock($1, slug) FROM unnest($2) AS slug")
            .bind::<Integer, _>(SLUG_LOCK)
            .bind::<Array<Integer>, _>(locks)
            .execute(&mut **connection)
            .await?;
    }
    Ok(())
}
