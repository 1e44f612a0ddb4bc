//! Tokens of an issuer whose keys are fetched from a URL.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;

use super::server::{Server, ok, response};
use super::signer::{Signer, base64, claims, jwks, read};
use crate::tests::{clock, open};
use crate::{Admission, Credential, IssuerStatus, Rejection, Scope, TokenError};

fn trusting(server: &Server) -> Admission {
    open(&["--jwt-jwks", &server.url()], &clock()).unwrap()
}

/// Waits until the server has keys.
async fn has_keys(admission: &Admission) {
    until(|| admission.status()[0].keys > 0).await;
}

async fn until(is_so: impl Fn() -> bool) {
    let soon = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), soon)
        .await
        .unwrap();
}

#[tokio::test]
async fn ten_thousand_tokens_with_made_up_key_ids_cause_one_fetch() {
    let signer = Signer::ed();
    let server = Server::with(&jwks(&[signer.jwk("real")])).await;
    let admission = trusting(&server);
    has_keys(&admission).await;
    assert_eq!(server.requests(), 1);

    let payload = base64(claims(&json!({})).to_string());
    let tokens: Vec<_> = (0..10_000)
        .map(|number| {
            let header = json!({"alg": "EdDSA", "kid": format!("made-up-{number}")});
            format!(
                "{}.{payload}.{}",
                base64(header.to_string()),
                base64([0; 64])
            )
        })
        .collect();
    // A caller with a valid token is not affected.
    let good = signer.good("real", &json!({}));
    let (rejected, admitted) = tokio::join!(
        join_all(tokens.iter().map(|token| read(&admission, token))),
        read(&admission, &good),
    );
    for outcome in rejected {
        assert_eq!(outcome, Err(TokenError::Key.into()));
    }
    assert_eq!(admitted.as_deref(), Ok("ada"));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_token_with_a_new_key_is_admitted_at_its_first_request() {
    let (old, new) = (Signer::ed(), Signer::ec());
    let server = Server::with(&jwks(&[old.jwk("old")])).await;
    let admission = trusting(&server);
    has_keys(&admission).await;
    let [by_old, by_new] = [old.good("old", &json!({})), new.good("new", &json!({}))];
    assert!(read(&admission, &by_old).await.is_ok());
    server.answer(ok("", &jwks(&[old.jwk("old"), new.jwk("new")])));
    assert!(read(&admission, &by_new).await.is_ok());
    assert!(read(&admission, &by_old).await.is_ok());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn without_keys_the_server_runs_and_tokens_get_503() {
    let signer = Signer::ed();
    let server = Server::start(Some(response("503 Unavailable", "", ""))).await;
    let admission = trusting(&server);
    let token = signer.good("ed", &json!({}));
    let rejection = read(&admission, &token).await.unwrap_err();
    assert_eq!(rejection, Rejection::KeysMissing);
    assert_eq!(rejection.status(), StatusCode::SERVICE_UNAVAILABLE);
    // A text that is not a JWT is rejected without any keys.
    assert_eq!(
        read(&admission, "a.b.c").await,
        Err(TokenError::Malformed.into())
    );
    assert!(admission.admit(Credential::None, Scope::Read).await.is_ok());
    until(|| admission.status()[0].failures > 0).await;
    let status = &admission.status()[0];
    assert_eq!((&status.issuer, status.keys), (&None, 0));

    server.answer(ok("", &jwks(&[signer.jwk("ed")])));
    has_keys(&admission).await;
    assert!(read(&admission, &token).await.is_ok());
    let [
        IssuerStatus {
            keys: 1,
            failures: 1..,
            ..
        },
    ] = &admission.status()[..]
    else {
        panic!("{:?}", admission.status());
    };
}
