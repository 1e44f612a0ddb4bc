//! Migrates a PostgreSQL database.

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Bool};
use diesel::{QueryDsl as _, QueryResult};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;

use super::session;
use crate::store::OpenError;
use crate::store::migrations::{self, Migrate, MigrationStatus};
use crate::store::sql::tables::migration;
use postgres_connect::ConnectOptions;
use postgres_connect::PgConnection;
use postgres_connect::sqlstate;

/// The key of the advisory lock under which migrations are applied: "articles" in ASCII.
const MIGRATION_LOCK: i64 = 0x6172_7469_636c_6573;

pub(in crate::store) async fn migrate(
    options: &ConnectOptions,
    action: Migrate,
) -> Result<MigrationStatus, OpenError> {
    let connection = session::open(options).await?;
    let (_, status) = on(connection, action).await?;
    Ok(status)
}

/// Migrates on a connection, and returns it.
///
/// If no migration is pending, this writes and locks nothing, so that a user without those rights can start a server.
pub(super) async fn on(
    mut connection: PgConnection,
    action: Migrate,
) -> Result<(PgConnection, MigrationStatus), OpenError> {
    let known = migrations::known::<diesel::pg::Pg>(&migrations::POSTGRES);
    let known = known.map_err(OpenError::connect)?;
    let status = MigrationStatus::compare(&known, applied(&mut connection).await?);
    let is_done = status.pending.is_empty() && status.unknown.is_empty();
    if action == Migrate::Status || (action == Migrate::Up && is_done) {
        return Ok((connection, status));
    }
    if action == Migrate::Up && status.unknown.is_empty() {
        require_schema(&mut connection).await?;
    }
    // Waiting for the lock and building an index may take any time.
    connection.limit(None);
    let migrated = tokio::task::spawn_blocking(move || {
        // Diesel's migrations are blocking.
        let mut connection = AsyncConnectionWrapper::<PgConnection>::from(connection);
        let status = connection.transaction(|connection| locked(connection, action))?;
        Ok::<_, OpenError>((connection.into_inner(), status))
    });
    migrated.await.map_err(OpenError::connect)?
}

/// Executes `action` in a transaction, under a lock that ends with it: of many servers that start at the same time, one
/// migrates.
fn locked(
    connection: &mut AsyncConnectionWrapper<PgConnection>,
    action: Migrate,
) -> Result<MigrationStatus, OpenError> {
    use diesel::RunQueryDsl as _;
    connection.batch_execute(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET LOCAL statement_timeout = 0;
        SET LOCAL lock_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0",
    )?;
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(MIGRATION_LOCK)
        .execute(connection)?;
    let is_migrated = sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL");
    let is_migrated = diesel::select(is_migrated).get_result(connection)?;
    migrations::migrate(connection, &migrations::POSTGRES, is_migrated, action)
        .map_err(OpenError::Migrate)
}

/// The migrations that the database has.
async fn applied(connection: &mut PgConnection) -> Result<Vec<String>, OpenError> {
    use diesel_async::RunQueryDsl as _;
    let applied: QueryResult<Vec<String>> = migration::table
        .select(migration::version)
        .load(connection)
        .await;
    match applied {
        Err(error) if is(&error, "42P01") => Ok(Vec::new()),
        Err(error) if is(&error, "42501") => Err(OpenError::Privileges(
            "the user may not read the list of migrations: GRANT it SELECT ON __diesel_schema_migrations, and \
             what it needs on the other tables"
                .to_owned(),
        )),
        applied => Ok(applied?),
    }
}

fn is(error: &DieselError, code: &str) -> bool {
    sqlstate(error) == Some(code)
}

/// Checks that the user may create tables, and says what to grant if not.
async fn require_schema(connection: &mut PgConnection) -> Result<(), OpenError> {
    let row = connection
        .first_row(
            "SELECT quote_ident(current_user), quote_ident(current_schema()),
                coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
                current_setting('search_path')",
        )
        .await?;
    let column = |index: usize| row.get(index).and_then(Option::as_deref);
    if column(2) == Some("t") {
        return Ok(());
    }
    let user = column(0).unwrap_or_default();
    Err(OpenError::Privileges(match column(1) {
        Some(schema) => format!(
            "the user {user} may not create tables in the schema {schema}, as the migrations do: have a superuser or \
             the owner of the database execute GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}"
        ),
        None => format!(
            "the user {user} may use no schema of the search_path {}, where the migrations would create tables: have \
             a superuser or the owner of the database create one, or execute GRANT USAGE, CREATE ON SCHEMA public TO \
             {user}",
            column(3).unwrap_or_default()
        ),
    }))
}
