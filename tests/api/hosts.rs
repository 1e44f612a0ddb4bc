//! The hosts for which requests are answered.

use rstest_reuse::apply;

use crate::support::{Answer, Database, TestApp, assert_answer, on_both_databases, start};

const PATHS: [&str; 5] = [
    "/graphql?query=%7B__typename%7D",
    "/api/v1/articles/",
    "/schema.graphql",
    "/metrics",
    "/nothing",
];

async fn status(app: &TestApp, path: &str, host: &str) -> u16 {
    Answer::to(app.request(path).header("host", host))
        .await
        .status
}

/// DNS rebinding: a page of another site whose name now resolves to this machine.
#[apply(on_both_databases)]
async fn on_a_loopback_address_other_hosts_are_rejected(database: Database) {
    let app = start!(database);
    let foreign = app
        .request("/graphql?query=%7B__typename%7D")
        .header("host", "evil.example:8000");
    assert_answer!(Answer::to(foreign).await, @r#"
    421
    {
      "errors": [
        {
          "message": "requests for the host evil.example:8000 are not accepted here; the server's setting ALLOWED_HOSTS lists the accepted ones",
          "extensions": {
            "code": "BAD_REQUEST"
          }
        }
      ]
    }
    "#);
    for path in PATHS {
        assert_eq!(status(&app, path, "evil.example").await, 421, "{path}");
        for host in ["localhost:1234", "127.0.0.1", "[::1]:80"] {
            assert_ne!(status(&app, path, host).await, 421, "{path} {host}");
        }
    }
    // Probes may use any address; their responses reveal nothing.
    assert_eq!(status(&app, "/health/ready", "10.0.0.7:8000").await, 200);
}

#[apply(on_both_databases)]
async fn only_listed_hosts_are_accepted(database: Database) {
    let app = start!(database, "--allowed-hosts=api.example,b.example:8443");
    for path in PATHS {
        for (host, is_answered) in [
            ("api.example", true),
            ("API.EXAMPLE.:8000", true),
            ("b.example:8443", true),
            ("b.example", false),
            ("localhost", false),
        ] {
            let answered = status(&app, path, host).await != 421;
            assert_eq!(answered, is_answered, "{path} {host}");
        }
    }
    let app = start!(database, "--allowed-hosts=*");
    assert_eq!(status(&app, "/nothing", "any.example").await, 404);
}
