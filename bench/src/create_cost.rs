//! What each index, the search and the triggers cost a create: they are read from the catalogue of a copy of
//! Broadsheet's database and dropped one after another, and Broadsheet's creates are measured before and after.

use anyhow::Result;
use serde::Serialize;

use crate::databases::{Databases, Tables};
use crate::measure::{self, Round};
use crate::options::{Contestant, Database, Workload};
use crate::process::Process;
use crate::request::{Language, Plan};

const CONNECTIONS: usize = 64;
/// Distinguishes the slugs of this part's creates from others.
const FIRST_RUN: u32 = 1_000_000;

/// Indexes without a constraint, generated columns and triggers: the name of each, and the statement that drops it.
const POSTGRES: &str = "SELECT what, statement FROM (
        SELECT 1 AS place, 'trigger ' || t.tgname AS what,
            format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) AS statement
        FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgrelid = 'article'::regclass
        UNION ALL
        SELECT CASE WHEN am.amname = 'gin' THEN 2 ELSE 4 END,
            am.amname || ' index ' || c.relname, format('DROP INDEX %I', c.relname)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
        WHERE i.indrelid = 'article'::regclass
            AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.conindid = i.indexrelid)
        UNION ALL
        SELECT 3, 'generated column ' || a.attname, format('ALTER TABLE article DROP COLUMN %I', a.attname)
        FROM pg_attribute a WHERE a.attrelid = 'article'::regclass AND a.attgenerated <> '' AND NOT a.attisdropped
    ) AS droppable ORDER BY place, what";
const SQLITE: &str = "SELECT type || ' ' || name, 'DROP ' || type || ' ' || name FROM sqlite_schema
    WHERE tbl_name = 'article' AND (type = 'trigger' OR type = 'index' AND sql IS NOT NULL)
        AND (type <> 'trigger' OR sql LIKE '%AFTER INSERT%' OR sql LIKE '%BEFORE INSERT%')
    ORDER BY type DESC, name";

/// Broadsheet's creates after a step.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) database: Database,
    /// What was dropped last; `None` at first.
    pub(crate) dropped: Option<String>,
    pub(crate) creates_per_second: f64,
    pub(crate) server_cpu_us: f64,
    pub(crate) postgres_cpu_us: Option<f64>,
}

impl Step {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of one run are small enough"
    )]
    fn new(database: Database, dropped: Option<String>, round: &Round) -> Self {
        let requests = round.requests as f64;
        Self {
            database,
            dropped,
            creates_per_second: round.requests_per_second(),
            server_cpu_us: round.server_cpu.unwrap_or_default() * 1e6 / requests,
            postgres_cpu_us: round.postgres_cpu.map(|seconds| seconds * 1e6 / requests),
        }
    }
}

/// Measures creates, and again after each drop.
pub(crate) async fn all(databases: &Databases, steps: &mut Vec<Step>) -> Result<()> {
    let mut run = FIRST_RUN;
    for &database in &databases.options.databases {
        let mut drops: Vec<String> = Vec::new();
        let droppable = droppable(databases, database).await?;
        let steps_here = std::iter::once(None).chain(droppable.into_iter().map(Some));
        for step in steps_here {
            run += 1;
            let (what, statement) = step.unzip();
            drops.extend(statement);
            let name = databases.fresh(database, Tables::Broadsheet).await?;
            apply(databases, database, name, &drops).await?;
            let url = databases.url(database, name)?;
            let variables = [("DATABASE_URL", url.as_str()), ("NO_MIGRATE", "true")];
            let program = &databases.options.broadsheet;
            let mut process = Process::start(program, &databases.directory, &variables)?;
            process.wait_until_ready()?;
            let plan = Plan {
                language: Language::GraphQl,
                workload: Workload::Create,
                articles: databases.options.articles,
                cursors: databases.cursors(Contestant::Broadsheet),
                run,
                only: None,
                authorization: None,
            };
            let postgres = match database {
                Database::Postgres => Some(databases.server()?.process),
                Database::Sqlite => None,
            };
            let round = measure::drive(databases, &process, postgres, &plan, CONNECTIONS)?;
            let step = Step::new(database, what, &round);
            let dropped = step.dropped.as_deref().unwrap_or("(all there)");
            eprintln!(
                "{}: {dropped}: {:.0}",
                database.title(),
                step.creates_per_second
            );
            steps.push(step);
        }
    }
    Ok(())
}

async fn droppable(databases: &Databases, database: Database) -> Result<Vec<(String, String)>> {
    Ok(match database {
        Database::Postgres => {
            let client = databases.server()?.connect("broadsheet").await?;
            let rows = client.query(POSTGRES, &[]).await?;
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        }
        Database::Sqlite => {
            let connection = rusqlite::Connection::open(databases.path("broadsheet"))?;
            let mut statement = connection.prepare(SQLITE)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<_>>()?
        }
    })
}

/// Executes statements without results.
pub(crate) async fn apply(
    databases: &Databases,
    database: Database,
    name: &str,
    statements: &[String],
) -> Result<()> {
    match database {
        Database::Postgres => {
            let statements: Vec<_> = statements.iter().map(String::as_str).collect();
            databases.server()?.execute(name, &statements).await
        }
        Database::Sqlite => {
            let connection = rusqlite::Connection::open(databases.path(name))?;
            Ok(connection.execute_batch(&statements.join(";"))?)
        }
    }
}
