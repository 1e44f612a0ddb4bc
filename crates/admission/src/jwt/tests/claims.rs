//! The claims of a valid token: times, audiences, scopes, subject.

use serde_json::{Value, json};

use super::signer::{AUDIENCE, ISSUER, NOW_SECONDS, Signer, claims, jwks_file, read, trusting};
use crate::tests::{at, clock, open};
use crate::{Admission, Credential, Identity, Rejection, Scope, TokenError};
use broadsheet_articles::clock::Timestamp;

/// The result for a token with these claims, with 30 seconds of tolerated clock skew.
async fn read_with(changes: Value) -> Result<String, Rejection> {
    let signer = Signer::ed();
    let admission = trusting(&[signer.jwk("ed")]);
    read(&admission, &signer.good("ed", &changes)).await
}

#[tokio::test]
async fn times_are_numbers_of_seconds_and_clocks_may_differ() {
    let good = Ok("ada".to_owned());
    let expired = Err(TokenError::Expired.into());
    let not_yet = Err(TokenError::NotYet.into());
    for (changes, expected) in [
        (json!({"exp": NOW_SECONDS - 29}), &good),
        (json!({"exp": NOW_SECONDS - 30}), &expired),
        (json!({"exp": 1_793_523_570.5}), &good),
        (json!({"exp": 0}), &expired),
        (json!({"exp": -1}), &expired),
        (json!({"exp": 1e300}), &good),
        (json!({"exp": -1e300}), &expired),
        (json!({"nbf": NOW_SECONDS + 30}), &good),
        (json!({"nbf": 1_793_523_630.5}), &not_yet),
        (json!({"nbf": 1e300}), &not_yet),
        (json!({"iat": NOW_SECONDS + 30}), &good),
        (json!({"iat": NOW_SECONDS + 31}), &not_yet),
    ] {
        assert_eq!(read_with(changes.clone()).await, *expected, "{changes}");
    }
}

#[tokio::test]
async fn a_cached_token_still_expires() {
    let signer = Signer::ed();
    let file = jwks_file(&[signer.jwk("ed")]);
    let clock = clock();
    let jwks = format!("--jwt-jwks={}", file.path().display());
    let admission = open(&[&jwks, "--jwt-clock-skew=0s"], &clock).unwrap();
    let exp = NOW_SECONDS + 10;
    let token = signer.good("ed", &json!({ "exp": exp }));
    assert!(read(&admission, &token).await.is_ok());
    clock.set(Timestamp::from_micros(exp * 1_000_000 - 1).unwrap());
    assert!(read(&admission, &token).await.is_ok());
    clock.set(Timestamp::from_micros(exp * 1_000_000).unwrap());
    assert_eq!(
        read(&admission, &token).await,
        Err(TokenError::Expired.into())
    );
}

#[tokio::test]
async fn one_of_the_audiences_is_enough() {
    for aud in [
        json!(AUDIENCE),
        json!([AUDIENCE]),
        json!(["other", AUDIENCE]),
    ] {
        assert!(read_with(json!({ "aud": aud })).await.is_ok());
    }
    let signer = Signer::ed();
    let file = jwks_file(&[signer.jwk("ed")]);
    let jwks = format!("--jwt-jwks={}", file.path().display());
    let two = open(&[&jwks, "--jwt-audience=one,two"], &clock()).unwrap();
    let any = open(&[&jwks], &clock()).unwrap();
    for (aud, by_two) in [
        (json!("two"), true),
        (json!("three"), false),
        (Value::Null, false),
    ] {
        let token = signer.good("ed", &json!({ "aud": aud, "iss": null }));
        assert_eq!(read(&two, &token).await.is_ok(), by_two);
        assert!(read(&any, &token).await.is_ok());
    }
}

/// The scopes of a token with these claims.
async fn scopes(admission: &Admission, signer: &Signer, claims: &Value) -> String {
    let token = signer.good("ed", claims);
    let caller = admission
        .authenticate(Credential::Bearer(&token))
        .await
        .unwrap();
    caller.scopes().to_string()
}

#[tokio::test]
async fn scopes_are_read_from_the_claims_of_common_issuers() {
    let signer = Signer::ed();
    let admission = trusting(&[signer.jwk("ed")]);
    let (read, write) = ("articles:read", "articles:read,articles:write");
    for (mut claims, expected) in [
        (json!({"scope": "articles:read"}), read),
        (json!({"scope": "openid articles:write  email"}), write),
        (json!({"scp": "articles:read"}), read),
        (json!({"scp": ["openid", "articles:read"]}), read),
        (json!({"scopes": ["articles:write"]}), write),
        (
            json!({"scope": "openid", "permissions": ["articles:read"]}),
            read,
        ),
        (
            json!({"scope": "articles:read", "scp": ["articles:write"]}),
            write,
        ),
        (json!({"scope": ""}), ""),
        (
            json!({"scope": "articles:readx articles:*,articles:read ARTICLES:READ"}),
            "",
        ),
        (json!({"roles": ["articles:read"]}), ""),
        (json!({}), ""),
    ] {
        let shown = claims.to_string();
        let members = claims.as_object_mut().unwrap();
        members.entry("scope").or_insert(Value::Null);
        assert_eq!(
            scopes(&admission, &signer, &claims).await,
            expected,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_valid_token_without_a_scope_is_forbidden_and_not_anonymous() {
    let none = read_with(json!({"scope": "openid"})).await;
    assert_eq!(none, Err(Rejection::InsufficientScope(Scope::Read)));
}

#[tokio::test]
async fn the_claim_of_the_scopes_can_be_configured() {
    let signer = Signer::ed();
    let file = jwks_file(&[signer.jwk("ed")]);
    let jwks = format!("--jwt-jwks={}", file.path().display());
    for (path, claims, expected) in [
        (
            "roles",
            json!({"roles": ["articles:read"]}),
            "articles:read",
        ),
        (
            "access.roles",
            json!({"access": {"roles": "articles:read"}}),
            "articles:read",
        ),
        (
            "https://a.example/r",
            json!({"https://a.example/r": "articles:read"}),
            "articles:read",
        ),
        // Then no other claim is read, although the default claim `scope` of this token contains `read`.
        ("roles", json!({}), ""),
        ("access.roles", json!({"access": "articles:read"}), ""),
        (
            "access.roles.more",
            json!({"access": {"roles": "articles:read"}}),
            "",
        ),
    ] {
        let admission = open(&[&jwks, "--jwt-scopes-claim", path], &clock()).unwrap();
        assert_eq!(
            scopes(&admission, &signer, &claims).await,
            expected,
            "{path} {claims}"
        );
    }
}

#[tokio::test]
async fn a_caller_is_known_by_its_subject_and_issuer() {
    let signer = Signer::ed();
    let admission = trusting(&[signer.jwk("ed")]);
    for (sub, name) in [
        (json!("ada"), "ada"),
        (json!("a\nb\u{1b}[2J"), r"a\nb\u{1b}[2J"),
        (Value::Null, "unnamed"),
    ] {
        let token = signer.good("ed", &json!({ "sub": sub }));
        let caller = admission
            .authenticate(Credential::Bearer(&token))
            .await
            .unwrap();
        assert_eq!(caller.name(), name);
        let identity = Identity::Subject {
            issuer: Some(ISSUER.into()),
            subject: name.to_owned(),
        };
        assert_eq!(caller.identity(), &identity);
        assert_eq!(caller.until(), Some(at("2026-11-01T09:10:30Z")));
        assert!(!format!("{caller:?}").contains(&token));
    }
}

#[tokio::test]
async fn claims_of_the_wrong_type_or_missing_ones_are_errors() {
    use TokenError::{Audience, Issuer, Malformed, NoExpiry};
    let rsa = Signer::rsa();
    let admission = trusting(&[rsa.jwk("rsa")]);
    let later = (NOW_SECONDS + 600).to_string();
    for (changes, error) in [
        (json!({"exp": null}), NoExpiry),
        (json!({"exp": later}), Malformed),
        (json!({"exp": [NOW_SECONDS + 600]}), Malformed),
        (json!({"exp": {"$numberLong": later}}), Malformed),
        (json!({"exp": true}), Malformed),
        (json!({"nbf": "0"}), Malformed),
        (json!({"nbf": false}), Malformed),
        (json!({"nbf": [0]}), Malformed),
        (json!({"iat": "0"}), Malformed),
        (json!({"iss": null}), Issuer),
        (json!({"iss": [ISSUER]}), Malformed),
        (json!({"iss": 1}), Malformed),
        (json!({"iss": {"name": ISSUER}}), Malformed),
        (json!({"iss": ISSUER.to_uppercase()}), Issuer),
        (json!({"iss": format!("{ISSUER}/")}), Issuer),
        (json!({"iss": "https://other.example"}), Issuer),
        (json!({"aud": null}), Audience),
        (json!({"aud": 1}), Malformed),
        (json!({"aud": {AUDIENCE: true}}), Malformed),
        (json!({"aud": [AUDIENCE, 1]}), Malformed),
        (json!({"aud": []}), Audience),
        (json!({"aud": "other"}), Audience),
        (json!({"aud": format!("{AUDIENCE} other")}), Audience),
        (json!({"aud": ["other"]}), Audience),
        (json!({"sub": 1}), Malformed),
        (json!({"sub": ["ada"]}), Malformed),
        (json!({"scope": 1}), Malformed),
        (json!({"scp": {"articles:read": true}}), Malformed),
        (json!({"permissions": ["articles:read", 1]}), Malformed),
    ] {
        let token = rsa.good("rsa", &changes);
        assert_eq!(
            read(&admission, &token).await,
            Err(error.into()),
            "{changes}"
        );
    }
    // Null is a wrong type, too. `good` removes claims that are null.
    for name in ["exp", "nbf", "iat", "iss", "aud", "sub", "scope"] {
        let mut claims = claims(&json!({}));
        claims[name] = Value::Null;
        let token = rsa.token(&json!({"alg": "RS256", "kid": "rsa"}), &claims);
        assert_eq!(
            read(&admission, &token).await,
            Err(Malformed.into()),
            "{name}"
        );
    }
}
