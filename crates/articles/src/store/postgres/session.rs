//! What a server looks at before it uses a database: whether sessions are its own, and what holds in them.

use diesel::QueryResult;
use diesel_async::SimpleAsyncConnection as _;

use crate::store::OpenError;
use postgres_connect::ConnectOptions;
use postgres_connect::PgConnection;

/// Settings of a session that the program relies on, whatever those of the role or the database are.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    // A statement sees what had committed when it began. At the stricter levels it would fail instead.
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
];

/// Opens a connection to a database that can be used, and whose sessions are our own.
///
/// A pooler in transaction mode has each transaction executed in any session. What is set, prepared, locked or
/// listened for in one would be missing in the next, and be found there by others.
pub(super) async fn open(options: &ConnectOptions) -> Result<PgConnection, OpenError> {
    let mut clients = [options.connect().await?, options.connect().await?];
    let mut sessions = [None, None];
    // In this order two clients meet a session that they have had, or lose one, whether the pooler takes the session
    // that has been free for the longest or for the shortest time.
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

/// The process that carries out this statement, and the server that it belongs to.
async fn process(connection: &mut PgConnection) -> QueryResult<Vec<Option<String>>> {
    connection
        .first_row("SELECT pg_backend_pid(), pg_postmaster_start_time()")
        .await
}

/// Another encoding would refuse texts that SQLite takes, or count their bytes as characters.
async fn require_utf8(connection: &mut PgConnection) -> Result<(), OpenError> {
    let row = connection.first_row("SELECT current_setting('server_encoding')");
    match row.await?.into_iter().next().flatten() {
        Some(encoding) if encoding != "UTF8" => Err(OpenError::Encoding(encoding)),
        _ => Ok(()),
    }
}

/// Warns of what makes the server slower or less safe than its operator may think.
pub(super) async fn warn(connection: &mut PgConnection) -> QueryResult<()> {
    // The migration goes on without the extension pg_trgm, and warns where hardly anybody looks.
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
            .is_some_and(|said| said.as_deref() == Some("t"))
    };
    if is_so(0) {
        tracing::warn!(
            "contains, startsWith and endsWith read the whole table: without the extension pg_trgm it was migrated \
             without the indexes on trigrams"
        );
    }
    if is_so(1) {
        tracing::warn!(
            "synchronous_commit is off for this user or database: an article that was acknowledged may be lost when \
             PostgreSQL stops hard"
        );
    }
    if is_so(2) {
        tracing::warn!(
            "default_transaction_isolation is not read committed, as a pooler that drops `options` leaves it: writes \
             at the same time get into each other's way, and are tried again"
        );
    }
    Ok(())
}

/// Lets a transaction stay open for as long as the connection.
pub(super) async fn keep_open(connection: &mut PgConnection) -> QueryResult<()> {
    // Not every version has all of them.
    connection
        .batch_execute(
            "SELECT set_config(name, '0', false) FROM pg_settings
            WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')",
        )
        .await
}
