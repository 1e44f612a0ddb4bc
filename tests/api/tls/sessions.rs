//! Sessions over an encrypted connection: the password, the settings, the next host of the list.

use super::*;

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn a_password_works_with_channel_binding_and_is_never_shown() {
    let Some(server) = server_with_users().await else {
        return;
    };
    let port = server.port();
    let url = |password: &str, parameters: &str| {
        format!("postgres://reader:{password}@localhost:{port}/postgres?{parameters}")
    };
    let bound = "sslmode=require&channel_binding=require";
    assert_eq!(is_encrypted(&url("s3cret", bound)).await, Ok(true));
    assert_eq!(
        is_encrypted(&url("s3cret", "sslmode=disable")).await,
        Ok(false)
    );
    assert_eq!(
        is_encrypted(&url("s3cretly", bound)).await,
        Err(format!(
            "cannot connect to postgres://reader@localhost:{port}/postgres: db error: FATAL: \
             password authentication failed for user \"reader\""
        ))
    );
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn a_session_has_the_configured_settings() {
    let Some(server) = server() else { return };
    let mut connection = connect(&server.admin_url()).await.unwrap();
    assert_eq!(
        setting(&mut connection, "application_name").await,
        "the tests"
    );
    assert_eq!(setting(&mut connection, "statement_timeout").await, "7s");

    let url = format!(
        "{}?options=-c%20statement_timeout%3D9s%20-c%20lock_timeout%3D1s&application_name=other",
        server.admin_url()
    );
    let mut connection = connect(&url).await.unwrap();
    assert_eq!(setting(&mut connection, "application_name").await, "other");
    assert_eq!(setting(&mut connection, "statement_timeout").await, "9s");
    assert_eq!(setting(&mut connection, "lock_timeout").await, "1s");
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn the_next_host_is_tried_if_one_is_unavailable() {
    let Some(server) = server() else { return };
    // Nothing listens on port 1.
    let url = format!(
        "postgres://postgres@localhost:1,localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
        server.port(),
        server.directory().join("ours.pem").display()
    );
    assert_eq!(is_encrypted(&url).await, Ok(true));
}
