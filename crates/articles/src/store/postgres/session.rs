//! Checks before a database is used: whether sessions belong to this client alone, and whether their settings suit the
//! server.

use diesel::QueryResult;
use diesel_async::SimpleAsyncConnection as _;

use crate::store::OpenError;
use postgres_connect::ConnectOptions;
use postgres_connect::PgConnection;

/// Session settings that the program relies on, regardless of those of the role or the database.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    // A statement sees what had committed when it began. At the stricter levels it could fail with a serialization
    // error instead.
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    // Compiling a statement takes longer than any of ours; the planner would do so for frequent words.
    ("jit", "off"),
];

/// Opens a connection to a database that can be used, and whose sessions are our own.
///
/// A pooler in transaction mode may execute each transaction in another session. Settings, prepared statements, locks
/// and LISTEN in one would be missing in the next, and would affect other clients.
pub(super) async fn open(options: &ConnectOptions) -> Result<PgConnection, OpenError> {
    let mut clients = [options.connect().await?, options.connect().await?];
    let mut sessions = [None, None];
    // With this order, the two clients get each other's session, or lose their own, whether the pooler hands out the
    // session that was free for the longest or for the shortest time.
    for client in [0, 1, 1, 0, 0, 1] {
        let session = process(&mut clients[client]).await?;
        let before = sessions[client].replace(session.clone());
        let has_moved = before.is_some_and(|before| before != session);
        if has_moved || sessions[1 - client] == Some(session) {
            return Err(OpenError::SharedSessions);
        }
    }
    let [mut connection, _] = clients;
    require_utf8(&mut connection).await?;
    Ok(connection)
}

/// The backend process that executes this statement, and its server.
async fn process(connection: &mut PgConnection) -> QueryResult<Vec<Option<String>>> {
    connection
        .first_row("SELECT pg_backend_pid(), pg_postmaster_start_time()")
        .await
}

/// Another encoding would reject texts that SQLite accepts, or count their bytes as characters.
async fn require_utf8(connection: &mut PgConnection) -> Result<(), OpenError> {
    let row = connection.first_row("SELECT current_setting('server_encoding')");
    match row.await?.into_iter().next().flatten() {
        Some(encoding) if encoding != "UTF8" => Err(OpenError::Encoding(encoding)),
        _ => Ok(()),
    }
}

/// Warns of settings that make the server slower or less safe than the operator may expect.
pub(super) async fn warn(connection: &mut PgConnection) -> QueryResult<()> {
    // The migration continues without the extension pg_trgm, and its own warning is easily missed.
    let row = connection
        .first_row(
            "SELECT to_regclass('article') IS NOT NULL
                AND (to_regclass('article_title_trigrams') IS NULL OR to_regclass('article_slug_trigrams') IS NULL),
            current_setting('synchronous_commit') = 'off',
            current_setting('default_transaction_isolation') <> 'read committed'",
        )
        .await?;
    let is_so = |column: usize| {
        row.get(column)
            .is_some_and(|value| value.as_deref() == Some("t"))
    };
    if is_so(0) {
        tracing::warn!(
            "contains, startsWith and endsWith read the whole table: it has no trigram indexes, because it was \
             migrated without the extension pg_trgm"
        );
    }
    if is_so(1) {
        tracing::warn!(
            "synchronous_commit is off for this user or database: an acknowledged write may be lost when PostgreSQL \
             crashes"
        );
    }
    if is_so(2) {
        tracing::warn!(
            "default_transaction_isolation is not read committed, as when a pooler drops `options`: concurrent writes \
             conflict, and are retried"
        );
    }
    Ok(())
}

/// Lets a transaction stay open for as long as the connection.
pub(super) async fn keep_open(connection: &mut PgConnection) -> QueryResult<()> {
    // Some versions lack some of these settings.
    connection
        .batch_execute(
            "SELECT set_config(name, '0', false) FROM pg_settings
            WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')",
        )
        .await
}
