//! Estimates how many articles a search finds, from PostgreSQL's statistics.
//!
//! The planner compares the same numbers, but assumes that every word that is not among the most frequent occurs in
//! one of 200 articles, and then reads the whole list for an article that the index would have found immediately.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;
use postgres_connect::PgConnection;
use serde_json::Value;

use crate::article::search::Search;
use crate::store::estimates::{Costs, Estimate};
use crate::store::sql::select::query;

/// Measured on a million articles of about 900 bytes, in nanoseconds. The words of longer articles are stored out of
/// line (TOAST), and a test takes several times as long.
const COSTS: Costs = Costs {
    find: 100,
    sort: 900,
    test: 8_000,
    compare: None,
};

/// `None` if PostgreSQL's response has an unexpected form.
pub(in crate::store) async fn of(
    connection: &mut PgConnection,
    search: &Search,
) -> QueryResult<Option<Estimate>> {
    let plan: String = Explain(search).get_result(connection).await?;
    let plan: Value = serde_json::from_str(&plan).unwrap_or_default();
    let rows = |name| rows(&plan[0]["Plan"], name);
    Ok(match (rows("CTE matching"), rows("CTE every")) {
        (Some(matches), Some(articles)) => Some(Estimate {
            articles,
            matches,
            costs: COSTS,
        }),
        _ => None,
    })
}

/// The number of rows that the planner expects of a part of the statement.
fn rows(plan: &Value, name: &str) -> Option<i64> {
    let parts = plan["Plans"].as_array()?;
    let part = parts.iter().find(|part| part["Subplan Name"] == name)?;
    part["Plan Rows"].as_i64()
}

/// Plans a statement without executing it. For a part that is materialized, the plan has the number of all rows, even if
/// several processes would share the work.
struct Explain<'s>(&'s Search);

impl QueryFragment<Pg> for Explain<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.unsafe_to_cache_prepared();
        pass.push_sql(
            "EXPLAIN (FORMAT JSON) WITH matching AS MATERIALIZED \
             (SELECT FROM article WHERE search @@ ",
        );
        pass.push_bind_param::<Text, _>(self.0)?;
        pass.push_sql(
            "::tsquery), every AS MATERIALIZED (SELECT FROM article) SELECT FROM matching, every",
        );
        Ok(())
    }
}

query!(Explain<'_>, Text);
