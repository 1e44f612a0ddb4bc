//! Which certificates are trusted.

use super::*;

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn platform_authorities_do_not_trust_a_test_certificate() {
    let Some(server) = server() else { return };
    for parameters in [
        "sslmode=verify-ca",
        "sslmode=verify-full",
        "sslrootcert=system",
    ] {
        let url = format!(
            "postgres://postgres@localhost:{}/postgres?{parameters}",
            server.port()
        );
        let text = is_encrypted(&url).await.unwrap_err();
        // The second message is that of a machine without certificate authorities.
        assert!(
            text.contains("invalid peer certificate: UnknownIssuer")
                || text.contains("the platform has no certificate authorities"),
            "{text}"
        );
    }
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn a_certificate_for_another_name_is_rejected_only_by_verify_full() {
    let Some(server) = start("elsewhere") else {
        return;
    };
    check(
        &server,
        &[
            (
                "localhost",
                "sslmode=verify-ca&sslrootcert=$/ours.pem",
                ENCRYPTED,
            ),
            (
                "localhost",
                "sslmode=verify-full&sslrootcert=$/ours.pem",
                Err("certificate not valid for name \"localhost\""),
            ),
            (
                "elsewhere.example",
                "sslmode=verify-full&sslrootcert=$/ours.pem&hostaddr=127.0.0.1",
                ENCRYPTED,
            ),
        ],
    )
    .await;
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn an_expired_certificate_is_rejected_by_every_verifying_mode() {
    let Some(server) = start("expired") else {
        return;
    };
    let expired = Err("invalid peer certificate: certificate expired");
    check(
        &server,
        &[
            ("localhost", "sslmode=require", ENCRYPTED),
            (
                "localhost",
                "sslmode=verify-ca&sslrootcert=$/ours.pem",
                expired,
            ),
            (
                "localhost",
                "sslmode=verify-full&sslrootcert=$/ours.pem",
                expired,
            ),
        ],
    )
    .await;
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn a_self_signed_certificate_is_trusted_as_its_own_root() {
    let Some(server) = start("self_signed") else {
        return;
    };
    check(
        &server,
        &[
            ("localhost", "sslmode=require", ENCRYPTED),
            (
                "127.0.0.1",
                "sslmode=verify-ca&sslrootcert=$/self_signed.crt",
                ENCRYPTED,
            ),
            (
                "localhost",
                "sslmode=verify-full&sslrootcert=$/self_signed.crt",
                ENCRYPTED,
            ),
            (
                "127.0.0.1",
                "sslmode=verify-full&sslrootcert=$/self_signed.crt",
                WRONG_NAME,
            ),
            (
                "localhost",
                "sslmode=verify-ca&sslrootcert=$/ours.pem",
                Err("invalid peer certificate: "),
            ),
        ],
    )
    .await;
}
