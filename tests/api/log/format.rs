//! The format of the log, and its lines from start to end.

use std::process::Stdio;

use rstest_reuse::apply;
use serde_json::Value;

use super::redacted;
use crate::program::{Program, command, directory, run};
use crate::support::{Database, assert_answer, on_both_databases};
use crate::terminal::Terminal;

#[apply(on_both_databases)]
async fn the_log_reports_version_settings_access_and_end(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let directory = directory();
    std::fs::write(directory.path().join(".env"), "SERVICE_NAME=Press\n").unwrap();
    let path = directory.path().join(".env").display().to_string();
    let environment = [("DATABASE_URL", database.url.as_str()), ("PORT", "0")];
    let mut program = Program::start_in(directory, &["--log=info"], &environment).await;
    let address = program.address().to_owned();
    program.logged("without a token").await;
    program.signal("TERM");
    let (_, log) = program.end().await;
    let log = log
        .replace(&path, "PATH/.env")
        .replace(&address, "127.0.0.1:PORT")
        .replace(&database.url, "DATABASE");
    let lines: Vec<_> = log
        .lines()
        // The tests' PostgreSQL has this setting, and SQLite's file is new.
        .filter(|line| !line.contains("synchronous_commit") && !line.contains("migration applied"))
        .map(redacted)
        .collect();
    assert_answer!(lines.join("\n"), @r#"
    INFO broadsheet::cli: read .env file=PATH/.env settings="SERVICE_NAME"
    INFO broadsheet::server: Broadsheet starts version="0.1.0"
    INFO broadsheet::server: connected database="DATABASE" force_roll_back=false
    INFO broadsheet::server: listening on http://127.0.0.1:PORT service="Press"
    INFO broadsheet::server::permissions: anyone on this machine may read and write without a token: ANONYMOUS_WRITES=false disables writing, and TOKENS_FILE or JWT_JWKS configures who may tokens=0 issuers=0
    INFO broadsheet::server: received a signal to stop signal="SIGTERM"
    INFO broadsheet_connections: stopping: finishing what is under way
    INFO broadsheet::server: disconnected database="DATABASE"
    INFO broadsheet::server: stopped, with nothing left under way up_seconds=N
    "#);
}

#[tokio::test]
async fn the_last_line_of_a_failure_is_json_too() {
    let environment = [
        (
            "DATABASE_URL",
            "postgres://user:s3cret@127.0.0.1:1/articles",
        ),
        ("DB_START_TIMEOUT", "0s"),
        ("LOG_FORMAT", "json"),
        ("LOG", "off"),
        ("PORT", "0"),
    ];
    let (code, _, error) = run(&[], &environment).await;
    assert_eq!(code, 1);
    let mut line: Value = serde_json::from_str(&error).unwrap();
    line["timestamp"] = "NOW".into();
    assert_answer!(serde_json::to_string_pretty(&line).unwrap(), @r#"
    {
      "level": "ERROR",
      "message": "cannot connect to the database: cannot connect to postgres://user@127.0.0.1:1/articles: error connecting to server: Connection refused (os error 111)",
      "target": "broadsheet",
      "timestamp": "NOW"
    }
    "#);
    let (code, _, error) = run(&[], &[("LOG", "warning"), ("LOG_FORMAT", "json")]).await;
    assert_eq!(code, 1);
    let line: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(line["level"], "ERROR", "{line}");
}

/// The output on a terminal of a program that fails to start.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let (mut terminal, program) = Terminal::open();
    let directory = directory();
    let mut process = command(directory.path())
        .env("DATABASE_URL", "postgres://127.0.0.1:1/none")
        .env("DB_START_TIMEOUT", "0s")
        .env("PORT", "0")
        .envs(variables.iter().copied())
        .stderr(Stdio::from(program))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let shown = terminal.read_until("cannot connect");
    process.start_kill().unwrap();
    shown
}

#[tokio::test]
async fn a_terminal_gets_colors_unless_no_color_is_set() {
    for (variables, is_colored) in [
        (&[][..], true),
        (&[("NO_COLOR", "")], true),
        (&[("NO_COLOR", "1")], false),
    ] {
        let shown = on_a_terminal(variables);
        assert_eq!(shown.contains('\u{1b}'), is_colored, "{shown}");
    }
}
