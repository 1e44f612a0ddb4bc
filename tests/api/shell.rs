//! The commands and output for operators: the effective settings, completions, the manual page, and a first start on a
//! terminal.

use std::process::Stdio;

use crate::program::{command, directory, run, run_in};
use crate::support::assert_answer;
use crate::terminal::Terminal;

/// The lines of `broadsheet config` that are about these variables, without the spaces in front of comments.
fn lines(config: &str, variables: &[&str]) -> String {
    let is_wanted = |line: &&str| {
        let name = line.trim_start_matches('#').split('=').next().unwrap();
        variables.contains(&name)
    };
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = config.lines().filter(is_wanted).map(words).collect();
    lines.join("\n")
}

#[tokio::test]
async fn the_effective_settings_are_shown_with_their_source_and_without_secrets() {
    let directory = directory();
    std::fs::write(
        directory.path().join(".env"),
        "SERVICE_NAME='The $ \"Press\"'\nDATABASE_URL=postgres://me:secret@db/articles?sslmode=require\nPORT=1\n",
    )
    .unwrap();
    let arguments = [
        "config",
        "--port=9000",
        "--cors-origins=https://a.example,https://b.example",
    ];
    let environment = [("LOG", "warn"), ("HOST", "localhost")];
    let (code, config, error) = run_in(directory.path(), &arguments, &environment).await;
    assert_eq!((code, error.as_str()), (0, ""));
    let variables = [
        "HOST",
        "PORT",
        "SERVICE_NAME",
        "CORS_ORIGINS",
        "DATABASE_URL",
        "TOKENS_FILE",
        "LOG",
        "STOP_TIMEOUT",
    ];
    assert_answer!(lines(&config, &variables), @r#"
    HOST=localhost # environment
    PORT=9000 # --port
    SERVICE_NAME='The $ "Press"' # .env
    STOP_TIMEOUT=30s # default
    CORS_ORIGINS=https://a.example,https://b.example # --cors-origins
    #TOKENS_FILE= # not set
    DATABASE_URL=postgres://me:…@db/articles?sslmode=require # .env
    LOG=warn # environment
    "#);
    assert!(!config.contains("secret"), "{config}");
    // Its output is a file `.env` with the same settings.
    let again = crate::program::directory();
    std::fs::write(again.path().join(".env"), &config).unwrap();
    let (code, same, error) = run_in(again.path(), &["config"], &[]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    let without_sources = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.split("  # ").next().unwrap().trim_end());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_sources(&same), without_sources(&config));
}

#[tokio::test]
async fn invalid_settings_are_an_error_instead_of_output() {
    let (code, _, error) = run(&["config", "--port=70000"], &[]).await;
    assert_eq!(code, 2);
    assert!(error.contains("70000"), "{error}");
    // What a server checks at startup before it connects to its database.
    for (flag, says) in [
        ("--tokens-file=nowhere.toml", "nowhere.toml"),
        (
            "--otel-exporter-otlp-endpoint=collector:4318",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
        ("--jwt-jwks=http://issuer.example/keys", "plain HTTP"),
        ("--host=0.0.0.0", "ANONYMOUS_WRITES"),
        ("--trusted-documents=nowhere.json", "nowhere.json"),
    ] {
        let (code, config, error) = run(&["config", flag], &[]).await;
        assert_eq!((code, config.as_str()), (1, ""), "{flag}");
        assert!(error.contains(says), "{flag}: {error}");
    }
}

#[tokio::test]
async fn the_url_of_keys_is_shown_without_secrets() {
    let flag = "--jwt-jwks=https://issuer.example/keys?token=a-secret";
    let (code, config, error) = run(&["config", flag], &[]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert_answer!(lines(&config, &["JWT_JWKS"]), @"JWT_JWKS=https://issuer.example/keys?token=… # --jwt-jwks");
}

#[tokio::test]
async fn shells_complete_every_command_and_there_is_a_manual_page() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, _) = run(&["completions", shell], &[]).await;
        assert_eq!(code, 0);
        for word in ["import", "on-conflict", "idempotency-retention"] {
            assert!(script.contains(word), "{shell} knows no {word}");
        }
    }
    let (code, page, _) = run(&["man"], &[]).await;
    assert_eq!(code, 0);
    assert!(page.contains(".TH broadsheet 1"), "{page}");
    let directory = directory();
    let (code, _, error) = run_in(directory.path(), &["man", "--directory", "."], &[]).await;
    assert_eq!(code, 0, "{error}");
    for name in [
        "broadsheet.1",
        "broadsheet-import.1",
        "broadsheet-feed-new-epoch.1",
    ] {
        assert!(directory.path().join(name).is_file(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_on_a_terminal_prints_urls_and_access() {
    let (mut terminal, program) = Terminal::open();
    let directory = directory();
    let mut process = command(directory.path())
        .env("PORT", "0")
        .env("LOG", "error")
        .stderr(Stdio::from(program))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let shown = terminal.read_until("stops the server");
    process.start_kill().unwrap();
    let shown = shown.replace('\r', "");
    let port: String = shown
        .split("localhost:")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    assert_answer!(shown.replace(&port, "PORT"), @"

      GraphiQL  http://localhost:PORT/graphql
      Articles  in sqlite:broadsheet.db; none yet? Try: broadsheet seed 100
      Open to   every program on this machine, to read and write (docs/authentication.md)
      Ctrl-C stops the server.
    ");
}
