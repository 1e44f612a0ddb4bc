//! What the program reports about admission at startup, and later in its log and metrics.

use serde_json::json;

use super::{QUERY, Tokens};
use crate::program::{Program, run};
use crate::support::{Answer, assert_answer, client};

/// The line about permissions, without the time and the address.
async fn permissions_line(flags: &[&str]) -> String {
    let mut program = Program::start("sqlite::memory:", flags).await;
    let line = program.logged(" without a token").await;
    let (_, line) = line.split_once("Z ").unwrap();
    let (_, port) = program.address().rsplit_once(':').unwrap();
    line.trim().replace(port, "PORT")
}

#[tokio::test]
async fn one_log_line_says_what_is_open_and_how_to_restrict_it() {
    let tokens = Tokens::new();
    let tokens = tokens.flag();
    assert_answer!(permissions_line(&[]).await, @"INFO broadsheet::server::permissions: anyone on this machine may read and write without a token: ANONYMOUS_WRITES=false disables writing, and TOKENS_FILE or JWT_JWKS configures who may tokens=0 issuers=0");
    assert_answer!(permissions_line(&[&tokens]).await, @"INFO broadsheet::server::permissions: anyone on this machine may read without a token: ANONYMOUS_READS=false disables that tokens=5 issuers=0");
    assert_answer!(permissions_line(&[&tokens, "--anonymous-reads=false"]).await, @"INFO broadsheet::server::permissions: nobody may read or write without a token tokens=5 issuers=0");
    assert_answer!(permissions_line(&["--host=0.0.0.0", "--anonymous-writes=true"]).await, @"WARN broadsheet::server::permissions: anyone who can reach 0.0.0.0:PORT may read and write without a token: ANONYMOUS_WRITES=false disables writing, and TOKENS_FILE or JWT_JWKS configures who may tokens=0 issuers=0");
    assert_answer!(permissions_line(&["--host=0.0.0.0", "--anonymous-writes=false"]).await, @"INFO broadsheet::server::permissions: anyone who can reach 0.0.0.0:PORT may read without a token: ANONYMOUS_READS=false disables that, and TOKENS_FILE or JWT_JWKS configures who may tokens=0 issuers=0");
}

#[tokio::test]
async fn on_other_addresses_the_server_starts_only_if_write_access_is_configured() {
    let environment = [("HOST", "0.0.0.0"), ("PORT", "0")];
    let (code, _, error) = run(&[], &environment).await;
    assert_eq!(code, 1);
    // The first log line says that the program is starting.
    assert_answer!(error.lines().last().unwrap(), @"broadsheet: 0.0.0.0 is not a loopback address, and it is not configured who may write: set TOKENS_FILE or JWT_JWKS, or configure what callers without a token may do: ANONYMOUS_WRITES=false allows only reading, ANONYMOUS_WRITES=true also writing");
}

#[tokio::test]
async fn log_and_metrics_contain_token_names_but_no_secrets() {
    let tokens = Tokens::new();
    let flags = [
        &*tokens.flag(),
        "--debug",
        "--log-requests",
        "--anonymous-reads=false",
    ];
    let mut program = Program::start("sqlite::memory:", &flags).await;
    let (reader, wrong) = (tokens.bearer("reader"), "Bearer bs_Wr0ng");
    for (authorization, expected) in [(&*reader, 200), (&*reader, 200), (wrong, 401)] {
        let request = client()
            .post(program.url("/graphql"))
            .header("authorization", authorization)
            .json(&json!({ "query": QUERY }));
        assert_eq!(Answer::to(request).await.status, expected);
    }
    let line = program.logged(r#"caller="reader""#).await;
    assert!(line.contains("path=\"/graphql\""), "{line}");
    program.logged("a token was rejected").await;
    let metrics = Answer::to(client().get(program.url("/metrics"))).await;
    let counted = [
        "broadsheet_admission_",
        "broadsheet_token_",
        "broadsheet_jwt_",
    ];
    let lines = metrics
        .body
        .lines()
        .filter(|line| counted.iter().any(|name| line.starts_with(name)));
    assert_answer!(lines.collect::<Vec<_>>().join("\n"), @r#"
    broadsheet_admission_rejections_total{reason="token_needed"} 0
    broadsheet_admission_rejections_total{reason="invalid_token"} 1
    broadsheet_admission_rejections_total{reason="insufficient_scope"} 0
    broadsheet_admission_rejections_total{reason="keys_missing"} 0
    broadsheet_token_uses_total{token="expired"} 0
    broadsheet_token_uses_total{token="idle"} 0
    broadsheet_token_uses_total{token="reader"} 2
    broadsheet_token_uses_total{token="revoked"} 0
    broadsheet_token_uses_total{token="writer"} 0
    broadsheet_admission_failed_reloads_total 0
    "#);
    let log = program.log();
    for secret in [&reader["Bearer ".len()..], "Wr0ng"] {
        assert!(!log.contains(secret), "{log}");
        assert!(!metrics.body.contains(secret));
    }
}
