//! How URLs are parsed, and what is not displayed.

use super::*;

fn parse(url: &str) -> ConnectOptions {
    ConnectOptions::parse(url, &ConnectDefaults::default()).unwrap()
}

fn rejection(url: &str) -> String {
    ConnectOptions::parse(url, &ConnectDefaults::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn options_name_what_they_connect_to_and_no_password() {
    for (url, expected) in [
        ("postgres://u:s3cret@h/d", "postgres://u@h:5432/d"),
        (
            "postgresql://u@h:6000/d?password=s3cret",
            "postgres://u@h:6000/d",
        ),
        (
            "postgres://u:s3cret@[::1]:6000",
            "postgres://u@[::1]:6000/u",
        ),
        (
            "postgres://u:s3cret@a:1,b:2/d?sslmode=require",
            "postgres://u@a:1,b:2/d",
        ),
        (
            "postgres://u:s3%40cret@%2Frun%2Fpg/d",
            "postgres://u@%2Frun%2Fpg:5432/d",
        ),
        (
            "postgres://u:s3?cret@/d?host=/run/pg&port=6000",
            "postgres://u@%2Frun%2Fpg:6000/d",
        ),
        (
            "postgres:///d?user=u&password=s3cret&hostaddr=10.0.0.1",
            "postgres://u@10.0.0.1:5432/d",
        ),
        ("postgres://h", "postgres://h:5432"),
    ] {
        let options = parse(url);
        assert_eq!(options.to_string(), expected, "{url}");
        let debug = format!("{options:?}");
        assert!(
            debug.contains(expected) && !debug.contains("cret"),
            "{debug}"
        );
    }
}

#[test]
fn sslmode_has_the_defaults_of_libpq() {
    for (url, expected) in [
        ("postgres://h/d", SslMode::Prefer),
        ("postgres://h/d?sslmode=allow", SslMode::Prefer),
        ("postgres://h/d?sslmode=disable", SslMode::Disable),
        ("postgres://h/d?ssl=true", SslMode::Require),
        (
            "postgres://h/d?sslmode=prefer&sslmode=require",
            SslMode::Require,
        ),
        (
            "postgres://u@/d?host=/run&sslmode=verify-full",
            SslMode::Disable,
        ),
        ("postgres://h,%2Frun/d", SslMode::Prefer),
    ] {
        assert_eq!(parse(url).ssl_mode(), expected, "{url}");
    }
}

#[test]
fn system_roots_require_verify_full() {
    let defaults = ConnectDefaults {
        root_certificates: Some(RootCertificates::System),
        ..ConnectDefaults::default()
    };
    let weak = "`sslrootcert=system` in a PostgreSQL URL needs sslmode=verify-full";
    assert_eq!(
        rejection("postgres://h/d?sslrootcert=system&sslmode=verify-ca"),
        weak
    );
    let error = ConnectOptions::parse("postgres://h/d?sslmode=require", &defaults).unwrap_err();
    assert_eq!(error.to_string(), weak);
    // A Unix socket needs no certificates.
    ConnectOptions::parse("postgres://u@%2Frun/d?sslmode=require", &defaults).unwrap();
}

#[test]
fn unsupported_modes_are_rejected() {
    assert_eq!(
        rejection("postgres://h,%2Frun/d?sslmode=require"),
        "a Unix socket is never encrypted: together with other hosts it needs sslmode=disable or prefer"
    );
    assert_eq!(
        rejection("postgres://h/d?sslnegotiation=direct"),
        "`sslnegotiation=direct` in a PostgreSQL URL needs sslmode=require, verify-ca or verify-full"
    );
    assert_eq!(
        rejection("postgres://h/d?sslmode=verify-ca&sslrootcert=/no/such.pem"),
        "sslrootcert must be `system` or a PEM file with certificates, but /no/such.pem is not: \
         I/O error: No such file or directory (os error 2)"
    );
}

#[test]
fn the_url_overrides_the_defaults() {
    let defaults = ConnectDefaults {
        application_name: Some("default".to_owned()),
        statement_timeout: Some(Duration::from_secs(5)),
        lock_timeout: Some(Duration::ZERO),
        idle_in_transaction_session_timeout: Some(Duration::from_micros(1)),
        settings: &[("default_transaction_isolation", "read committed")],
        connect_timeout: Some(Duration::from_secs(3)),
        keepalives_idle: Some(Duration::from_mins(1)),
        tcp_user_timeout: Some(Duration::from_secs(30)),
        ..ConnectDefaults::default()
    };
    let config = ConnectOptions::parse("postgres://h/d", &defaults)
        .unwrap()
        .config;
    assert_eq!(
        config.get_options(),
        Some(
            "-c statement_timeout=5000 -c lock_timeout=0 -c idle_in_transaction_session_timeout=1 \
             -c default_transaction_isolation=read\\ committed"
        )
    );
    assert_eq!(config.get_application_name(), Some("default"));
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
    assert_eq!(config.get_keepalives_idle(), Duration::from_mins(1));
    let timeout = config.get_tcp_user_timeout();
    assert_eq!(timeout, Some(&Duration::from_secs(30)));

    let url = "postgres://h/d?application_name=url&options=-c%20statement_timeout%3D1\
               &connect_timeout=0&keepalives_idle=7&tcp_user_timeout=9";
    let config = ConnectOptions::parse(url, &defaults).unwrap().config;
    assert_eq!(
        config.get_options(),
        Some(
            "-c statement_timeout=5000 -c lock_timeout=0 -c idle_in_transaction_session_timeout=1 \
             -c default_transaction_isolation=read\\ committed -c statement_timeout=1"
        )
    );
    assert_eq!(config.get_application_name(), Some("url"));
    assert_eq!(config.get_connect_timeout(), None);
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(7));
    let timeout = config.get_tcp_user_timeout();
    assert_eq!(timeout, Some(&Duration::from_secs(9)));

    assert_eq!(parse("postgres://h/d").config.get_options(), None);
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://u:s3cret@127.0.0.1:{port}/d");
    let defaults = ConnectDefaults {
        connect_timeout: Some(Duration::from_millis(50)),
        ..ConnectDefaults::default()
    };
    let options = ConnectOptions::parse(&url, &defaults).unwrap();
    let error = options.connect().await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to postgres://u@127.0.0.1:{port}/d: no answer within 100ms")
    );
}
