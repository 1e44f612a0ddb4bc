//! JWTs from the issuer to the response: keys from a file, and from an HTTP server.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{MUTATION, QUERY};
use crate::socket::Socket;
use crate::support::{
    Answer, Database, NOW, TestApp, assert_answer, client, instant, on_both_databases, start,
};

const ISSUER: &str = "https://issuer.example";

/// An issuer that signs.
struct Issuer {
    kid: &'static str,
    key: Ed25519KeyPair,
}

impl Issuer {
    fn new(kid: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self { kid, key }
    }

    /// Its public keys.
    fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x });
        json!({ "keys": [key] }).to_string()
    }

    /// The value of `Authorization` with a token with these claims that expires this number of seconds after [`NOW`].
    fn bearer(&self, seconds: i64, claims: &Value) -> String {
        let mut all = json!({
            "iss": ISSUER,
            "aud": "articles",
            "sub": "ada",
            "exp": instant(NOW).as_micros() / 1_000_000 + seconds,
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.kid });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&all));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("Bearer {signed}.{signature}")
    }
}

async fn post(app: &TestApp, authorization: &str, query: &str) -> Answer {
    let request = client()
        .post(app.url("/graphql"))
        .header("authorization", authorization)
        .json(&json!({ "query": query }));
    Answer::to(request).await
}

#[apply(on_both_databases)]
async fn a_jwt_admits_by_its_scopes_with_keys_from_a_file(database: Database) {
    let (issuer, stranger) = (Issuer::new("1"), Issuer::new("1"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), issuer.jwks()).unwrap();
    let jwks = format!("--jwt-jwks={}", file.path().display());
    let app = start!(
        database,
        &jwks,
        "--jwt-issuer=https://issuer.example",
        "--jwt-audience=articles",
        "--jwt-clock-skew=0s",
        "--anonymous-reads=false",
    );
    let reads = json!({ "scope": "openid articles:read" });
    let writes = json!({ "permissions": ["articles:write"] });
    let mut table = String::new();
    for (name, token) in [
        ("reads", issuer.bearer(60, &reads)),
        ("writes", issuer.bearer(60, &writes)),
        ("no scope", issuer.bearer(60, &json!({}))),
        ("over", issuer.bearer(0, &reads)),
        (
            "other audience",
            issuer.bearer(60, &json!({ "aud": "b", "scope": "articles:read" })),
        ),
        (
            "other issuer",
            issuer.bearer(60, &json!({ "iss": "b", "scope": "articles:read" })),
        ),
        ("other key", stranger.bearer(60, &reads)),
    ] {
        let [query, mutation] = [
            post(&app, &token, QUERY).await,
            post(&app, &token, MUTATION).await,
        ];
        let challenge = query.headers.get("www-authenticate");
        let challenge = challenge.map_or("", |value| value.to_str().unwrap());
        let line = format!("{name}: {} {} {challenge}", query.status, mutation.status);
        writeln!(table, "{}", line.trim_end()).unwrap();
    }
    assert_answer!(table, @r#"
    reads: 200 403
    writes: 200 200
    no scope: 403 403 Bearer realm="broadsheet", error="insufficient_scope", scope="articles:read"
    over: 401 401 Bearer realm="broadsheet", error="invalid_token", error_description="it has expired"
    other audience: 401 401 Bearer realm="broadsheet", error="invalid_token", error_description="it is for another audience"
    other issuer: 401 401 Bearer realm="broadsheet", error="invalid_token", error_description="its issuer is not trusted here"
    other key: 401 401 Bearer realm="broadsheet", error="invalid_token", error_description="its signature does not match"
    "#);

    // A second before it expires.
    let token = issuer.bearer(1, &reads);
    let payload = json!({ "Authorization": token });
    let mut socket = Socket::initialised(&app.address.to_string(), None, &payload).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    app.at("2026-01-31T09:30:01Z");
    assert_eq!(socket.closed().await, 4403);
}

/// A server of key sets, without one at first.
async fn key_server() -> (String, Arc<Mutex<Option<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let keys = Arc::new(Mutex::new(None::<String>));
    let served = Arc::clone(&keys);
    let answer = async move || {
        let keys = served.lock().unwrap().clone();
        keys.ok_or(StatusCode::SERVICE_UNAVAILABLE)
    };
    let router = Router::new().route("/jwks.json", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, keys)
}

#[apply(on_both_databases)]
async fn while_the_issuer_is_unavailable_anonymous_callers_are_served(database: Database) {
    let (url, keys) = key_server().await;
    let jwks = format!("--jwt-jwks={url}");
    let app = start!(database, &jwks, "--jwt-issuer=https://issuer.example");
    let issuer = Issuer::new("1");
    let reads = json!({ "scope": "articles:read" });
    let token = issuer.bearer(60, &reads);
    assert_answer!(app.get("/health/ready").await, @"
    503
    the keys for JWTs of https://issuer.example are not known yet
    ");
    let answer = post(&app, &token, QUERY).await;
    assert_eq!(answer.header("retry-after"), "2");
    assert_answer!(answer, @r#"
    503
    {
      "errors": [
        {
          "message": "the keys of the token's issuer are not available at the moment; try again later",
          "extensions": {
            "code": "UNAVAILABLE"
          }
        }
      ]
    }
    "#);
    let payload = json!({ "Authorization": token });
    let mut socket = Socket::initialised(&app.address.to_string(), None, &payload).await;
    assert_eq!(socket.receive_or_close().await, Err(1013));
    assert_eq!(app.query(QUERY).await.status, 200);

    *keys.lock().unwrap() = Some(issuer.jwks());
    let ready = async {
        while app.get("/health/ready").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ready)
        .await
        .unwrap();
    assert_eq!(post(&app, &token, QUERY).await.status, 200);

    // Its next key works at the first request, and the previous one no longer does.
    let next = Issuer::new("2");
    *keys.lock().unwrap() = Some(next.jwks());
    assert_eq!(
        post(&app, &next.bearer(60, &reads), QUERY).await.status,
        200
    );
    assert_eq!(post(&app, &token, QUERY).await.status, 401);
}
