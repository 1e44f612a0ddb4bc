//! What is logged about rejected callers: at most one line per minute and reason, so that nobody can fill the log.

use rstest_reuse::apply;

use super::redacted;
use crate::admission::Tokens;
use crate::program::Program;
use crate::support::{Answer, Database, assert_answer, client, on_both_databases};

#[apply(on_both_databases)]
async fn a_rejected_token_is_logged_once_a_minute_and_never_shown(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let tokens = Tokens::new();
    let mut program = Program::start(&database.url, &[&tokens.flag()]).await;
    let url = program.url("/graphql?query=%7B__typename%7D");
    let expired = tokens.bearer("expired");
    for bearer in ["Bearer a-secret", expired.as_str()] {
        for _ in 0..100 {
            let request = client().get(&url).header("x-request-id", "id");
            let answer = Answer::to(request.header("authorization", bearer)).await;
            assert_eq!(answer.status, 401);
        }
    }
    let unknown = redacted(&program.logged("it is unknown").await);
    assert_answer!(unknown, @r#"WARN request{id="id" method=GET path="/graphql"}: broadsheet_admission::counts: a token was rejected reason="it is unknown" left_out=0"#);
    program.logged("it has expired").await;
    let log = program.log();
    assert_eq!(log.matches("a token was rejected").count(), 2, "{log}");
    assert!(
        !log.contains("a-secret") && !log.contains(&expired),
        "{log}"
    );
}

#[apply(on_both_databases)]
async fn the_origin_of_a_rejected_socket_is_logged_once_a_minute(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let mut program = Program::start(&database.url, &[]).await;
    for number in 0..100 {
        let request = client()
            .get(program.url("/graphql"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", format!("https://{number}.evil.example/\""))
            .header("x-request-id", "id");
        assert_eq!(Answer::to(request).await.status, 403);
    }
    let line = redacted(&program.logged("was rejected because of its origin").await);
    assert_answer!(line, @r#"WARN request{id="id" method=GET path="/graphql"}: broadsheet::server::middleware::report: the WebSocket of a page was rejected because of its origin: CORS_ORIGINS lists those that may connect, and a proxy must forward Host origin="https://0.evil.example/\"" left_out=0"#);
    let log = program.log();
    assert_eq!(
        log.matches("was rejected because of its origin").count(),
        1,
        "{log}"
    );
}
