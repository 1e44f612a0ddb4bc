//! Checks that tables, indexes, triggers and views are those that the migrations make, by executing these in memory and
//! comparing. Also checks the database's pages.

use std::collections::BTreeMap;

use diesel::sql_types::Text;
use diesel::sqlite::Sqlite as Sqlite3;
use diesel::{Connection as _, QueryResult, QueryableByName, RunQueryDsl as _, SqliteConnection};
use diesel_migrations::MigrationHarness as _;

use super::super::{Connections, Sqlite};
use crate::error::{Error, Result};
use crate::store::check::{Checked, Finding};
use crate::store::migrations;

/// Excludes FTS5's own tables, which depend on the version of SQLite.
const OBJECTS: &str = "SELECT type AS kind, name, sql FROM sqlite_schema
    WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '__diesel_*'
        AND NOT (type = 'table' AND name GLOB 'article_search_*')";

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

#[derive(QueryableByName)]
struct IntegrityCheck {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// The SQL that creates each object, by the object's kind and name.
type Objects = BTreeMap<(String, String), String>;

impl Sqlite {
    pub(in crate::store) async fn check_schema(&self) -> Result<Checked> {
        let expected = tokio::task::spawn_blocking(expected);
        let expected = expected.await.map_err(Error::internal)??;
        let found = self.inspect(objects).await?;
        let findings = expected.iter().filter_map(|((kind, name), sql)| {
            let found = found.get(&(kind.clone(), name.clone()));
            let is_table = kind == "table";
            let (what, remedy) = match found {
                Some(found) if found == sql => return None,
                None if is_table => ("is missing", REBUILD.to_owned()),
                None => ("is missing", format!("Create it: {sql};")),
                Some(_) if is_table => (
                    "differs from what the migrations create",
                    REBUILD.to_owned(),
                ),
                Some(_) => (
                    "differs from what the migrations create",
                    format!("Recreate it: DROP {} {name}; {sql};", kind.to_uppercase()),
                ),
            };
            Some(Finding::new(format!("the {kind} {name} {what}"), remedy))
        });
        Ok(Checked {
            part: "schema",
            summary: format!("{} tables, indexes, triggers and views", expected.len()),
            findings: findings.collect(),
        })
    }

    pub(in crate::store) async fn check_pages(&self) -> Result<Checked> {
        let results = self.inspect(|connection| {
            diesel::sql_query("PRAGMA integrity_check(20)").load::<IntegrityCheck>(connection)
        });
        let results = results.await?.into_iter().map(|row| row.integrity_check);
        let findings = results.filter(|result| result != "ok").map(|result| {
            Finding::new(
                result,
                "The file is damaged: restore a backup, or save what can be read with `broadsheet export`",
            )
        });
        Ok(Checked {
            part: "pages",
            summary: "PRAGMA integrity_check".to_owned(),
            findings: findings.collect(),
        })
    }

    /// Inspects the database through a separate connection.
    pub(super) async fn inspect<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T> {
        if matches!(self.connections, Connections::Sandbox(_)) {
            return Err(Error::internal("a sandbox has nothing to check"));
        }
        let connected = self.target.connect(false).await;
        let mut connection = connected.map_err(Error::unavailable)?;
        Ok(connection
            .spawn_blocking(|connection| connection.transaction(work))
            .await?)
    }
}

const REBUILD: &str =
    "Restore a backup, or export the articles and import them into a new database";

/// All objects that the migrations create.
fn expected() -> Result<Objects> {
    let mut connection = SqliteConnection::establish(":memory:").map_err(Error::internal)?;
    // This call creates the table in which Diesel records them.
    connection.applied_migrations().map_err(Error::internal)?;
    for migration in migrations::sorted::<Sqlite3>(&migrations::SQLITE).map_err(Error::internal)? {
        connection
            .run_migration(&*migration)
            .map_err(Error::internal)?;
    }
    Ok(objects(&mut connection)?)
}

fn objects(connection: &mut SqliteConnection) -> QueryResult<Objects> {
    let objects: Vec<Object> = diesel::sql_query(OBJECTS).load(connection)?;
    let objects = objects.into_iter().map(|Object { kind, name, sql }| {
        let sql = without_comments(&sql);
        ((kind, name), sql)
    });
    Ok(objects.collect())
}

/// The statement on one line, without comments, which may have changed since it was executed. No string in a migration
/// contains two hyphens.
fn without_comments(sql: &str) -> String {
    let lines = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default());
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}
