//! Settings at startup: which are valid, and that invalid ones are rejected before the database is opened.

use std::fs;
use std::time::{Duration, Instant};

use crate::program::{Program, directory, run, run_in};
use crate::support::{Answer, assert_answer, client};

/// The variables of all settings.
async fn variables() -> Vec<String> {
    let (_, help, _) = run(&["serve", "--help"], &[]).await;
    help.split("[env: ")
        .skip(1)
        .map(|text| text.split(['=', ']']).next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_empty_variable_counts_as_not_set() {
    let variables = variables().await;
    assert!(variables.len() > 30, "{variables:?}");
    let empty: Vec<(&str, &str)> = variables.iter().map(|name| (name.as_str(), "")).collect();
    let directory = directory();
    let default = directory.path().join("broadsheet.db");
    let mut program = Program::start_in(directory, &["--port=0"], &empty).await;
    program.logged("sqlite:broadsheet.db").await;
    assert!(default.exists());

    for name in variables {
        let (code, _, error) = run(&["migrate", "status"], &[(&name, "")]).await;
        // It fails because there is no database yet.
        assert_eq!(code, 1, "{name}: {error}");
    }
}

#[tokio::test]
async fn switches_accept_common_spellings() {
    for (value, is_on) in [
        ("1", true),
        ("yes", true),
        ("On", true),
        ("true", true),
        ("0", false),
        ("no", false),
    ] {
        let environment = [
            ("DATABASE_URL", "sqlite::memory:"),
            ("PORT", "0"),
            ("INTROSPECTION", value),
        ];
        let program = Program::start_in(directory(), &["--debug=1"], &environment).await;
        let answer = Answer::to(client().get(program.url("/schema.graphql"))).await;
        assert_eq!(answer.status == 200, is_on, "{value}");
    }
    let (code, _, error) = run(&[], &[("DEBUG", "maybe")]).await;
    assert_eq!(code, 2);
    assert!(error.contains("'maybe' for '--debug"), "{error}");
}

#[tokio::test]
async fn the_host_may_be_localhost_or_in_brackets() {
    let mut hosts = vec![("localhost", "127.0.0.1")];
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        hosts.push(("[::1]", "[::1]"));
    }
    for (host, shown) in hosts {
        let environment = [
            ("DATABASE_URL", "sqlite::memory:"),
            ("PORT", "0"),
            ("HOST", host),
        ];
        let program = Program::start_in(directory(), &[], &environment).await;
        assert!(
            program.address().starts_with(&format!("{shown}:")),
            "{}",
            program.address()
        );
        let answer = Answer::to(client().get(program.url("/health/ready"))).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn every_listed_origin_may_read_in_any_spelling() {
    let origins = "https://a.example, HTTPS://B.example:443/ ,http://c.example:80";
    let environment = [
        ("DATABASE_URL", "sqlite::memory:"),
        ("PORT", "0"),
        ("CORS_ORIGINS", origins),
    ];
    let program = Program::start_in(directory(), &[], &environment).await;
    for (origin, may_read) in [
        ("https://a.example", true),
        ("https://b.example", true),
        ("http://c.example", true),
        ("https://d.example", false),
    ] {
        let request = client()
            .get(program.url("/health/live"))
            .header("origin", origin);
        let allowed = Answer::to(request)
            .await
            .headers
            .get("access-control-allow-origin")
            .cloned();
        assert_eq!(
            allowed.is_some_and(|allowed| allowed == origin),
            may_read,
            "{origin}"
        );
    }
}

/// Invalid settings are reported, and no database is created.
#[tokio::test]
async fn settings_are_validated_before_the_database_is_used() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("CORS_ORIGINS", "a.example")],
            "an origin has a scheme, such as https://a.example",
        ),
        (
            &[("CORS_ORIGINS", "https://*.example.com")],
            "list each one",
        ),
        (
            &[("HOST", "example.com")],
            "expected an IP address without a port, or localhost",
        ),
        (
            &[
                ("HOST", "192.0.2.1"),
                ("PORT", "0"),
                ("ANONYMOUS_WRITES", "false"),
            ],
            "cannot listen on 192.0.2.1:0",
        ),
        (
            &[("HOST", "0.0.0.0"), ("PORT", "0")],
            "0.0.0.0 is not a loopback address, and it is not configured who may write: set TOKENS_FILE",
        ),
        (
            &[("ALLOWED_HOSTS", "https://a.example")],
            "a host is a name",
        ),
        (&[("ANONYMOUS_READS", "maybe")], "'maybe' for '--anonymous"),
        (&[("TOKENS_FILE", "missing.toml")], "missing.toml"),
        (&[("JWT_JWKS", "missing.json")], "missing.json"),
        (&[("JWT_JWKS", "http://a.example/")], "address of a key set"),
        (&[("JWT_AUDIENCE", "articles")], "need JWT_JWKS"),
        (&[("JWT_SECRET", "short")], "32 bytes"),
        (&[("PORT", &port)], "cannot listen on 127.0.0.1"),
        (&[("PORT", "70000")], "70000 is not in 0..=65535"),
        (&[("LOG", "warning")], r#""warning" is not a level"#),
        (&[("CACHE_CONTROL", "a\nb")], "--cache-control"),
        (&[("MAX_TOKENS", "0")], "0 is not in 1..="),
        (&[("MAX_NESTING", "0")], "0 is not in 1..="),
        (&[("MAX_NESTING", "501")], "501 is not in 1..=100"),
        (&[("MAX_SELECTIONS", "0")], "0 is not in 1..="),
        (&[("MAX_DEPTH", "0")], "0 is not in 1..="),
        (&[("MAX_ROOT_FIELDS", "0")], "0 is not in 1..="),
        (&[("MAX_COMPLEXITY", "0")], "0 is not in 1..="),
        (&[("MAX_BODY_BYTES", "0")], "0 is not in 1..="),
        (
            &[("MAX_BODY_BYTES", "18446744073709551615")],
            "is not in 1..=",
        ),
        (&[("MAX_FILTER_NESTING", "101")], "101 is not in 0..=100"),
        (&[("MAX_FILTER_CONDITIONS", "501")], "501 is not in 0..=500"),
        (&[("REQUEST_TIMEOUT", "0s")], "more than 0"),
        (&[("CHANGE_RETENTION", "0s")], "more than 0"),
        (&[("DB_CONNECT_TIMEOUT", "0s")], "more than 0"),
        (&[("DB_WAIT_TIMEOUT", "0s")], "more than 0"),
        (&[("DB_START_TIMEOUT", "30")], "time unit needed"),
        (&[("STOP_TIMEOUT", "100000years")], "at most 36500 days"),
        (&[("DB_MAX_SIZE", "0")], "from 1 to 10000"),
        (
            &[("DB_MAX_SIZE", "18446744073709551615")],
            "from 1 to 10000",
        ),
        (
            &[("DB_MIN_SIZE", "5"), ("DB_MAX_SIZE", "4")],
            "DB_MIN_SIZE is 5 and DB_MAX_SIZE 4",
        ),
        (&[("TRUSTED_DOCUMENTS", "missing.json")], "missing.json"),
        (&[("TRUSTED_DOCUMENTS_MODE", "only")], "TRUSTED_DOCUMENTS"),
    ];
    for (settings, expected) in cases {
        let directory = directory();
        let (code, _, error) = run_in(directory.path(), &[], settings).await;
        assert!([1, 2].contains(&code), "{settings:?}: {code} {error}");
        assert!(error.contains(expected), "{settings:?}: {error}");
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "{settings:?} has left files: {error}");
    }
}

#[tokio::test]
async fn an_unusable_sqlite_file_prevents_startup_immediately() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    fs::write(
        at("notes.txt"),
        "Not a database, but longer than the head of one.\n",
    )
    .unwrap();
    fs::write(at("short.txt"), "short").unwrap();
    fs::create_dir(at("articles.db")).unwrap();
    for (path, expected) in [
        ("articles.db", "it is a directory"),
        ("notes.txt", "it is not an SQLite database"),
        ("short.txt", "it is not an SQLite database"),
        (
            "missing/articles.db",
            "the directory missing does not exist",
        ),
        ("notes.txt/articles.db", "Not a directory (os error 20)"),
        // A directory in which not even root can create a file.
        (
            "/sys/articles.db",
            "no file can be created in /sys: Permission denied (os error 13)",
        ),
    ] {
        let url = format!("sqlite:{path}");
        for arguments in [&[][..], &["--no-migrate"], &["migrate"]] {
            let began = Instant::now();
            let environment = [("DATABASE_URL", url.as_str()), ("PORT", "0")];
            let (code, _, error) = run_in(directory.path(), arguments, &environment).await;
            assert_eq!(code, 1, "{path} {arguments:?}: {error}");
            let path = at(path);
            let expected_message = format!(
                "broadsheet: cannot use the SQLite database {}: {expected}",
                path.display()
            );
            assert_eq!(
                error.lines().last(),
                Some(expected_message.as_str()),
                "{arguments:?}: {error}"
            );
            assert!(!error.contains("waiting for the database"), "{error}");
            // It would wait for a minute.
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{:?}",
                began.elapsed()
            );
        }
    }
    assert_eq!(fs::read_to_string(at("short.txt")).unwrap(), "short");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn an_invalid_database_url_creates_no_file() {
    for url in [
        "sqlite:a.db?mode=ro",
        "sqlite:what?.db",
        "sqlite:file:a.db?mode=memory",
        "file:a.db",
        "sqlite:my%20articles.db",
        "sqlite::memory",
    ] {
        let directory = directory();
        let (code, _, error) =
            run_in(directory.path(), &["migrate"], &[("DATABASE_URL", url)]).await;
        assert_eq!(code, 2, "{url}: {error}");
        assert!(
            error.starts_with("error: the database URL is invalid: "),
            "{error}"
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{url}");
    }
    for (url, files) in [
        ("sqlite::memory:?cache=shared", 0),
        ("sqlite:a.db?mode=rwc", 1),
    ] {
        let directory = directory();
        let (code, _, error) =
            run_in(directory.path(), &["migrate"], &[("DATABASE_URL", url)]).await;
        assert_eq!(code, 0, "{url}: {error}");
        assert_eq!(directory.path().join("a.db").exists(), files == 1, "{url}");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            files,
            "{url}"
        );
    }
    let (code, _, error) = run(&["migrate"], &[("DATABASE_URL", "file:a.db")]).await;
    assert_eq!(code, 2);
    assert_answer!(error, @"error: the database URL is invalid: instead of a file: URI write sqlite:PATH, or sqlite::memory:");
}
