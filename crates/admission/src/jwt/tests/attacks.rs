//! A table of attacks, each of which must be rejected, and one valid token that shows that each row differs from it
//! only in the attack.

use serde_json::json;

use super::signer::{Signer, claims, jwks, jwks_file, read, trusting};
use crate::tests::{clock, open, write_private};
use crate::{Credential, Rejection, Scope, TokenError};

/// A key of 1,024 bits, and a token signed with it.
const WEAK_N: &str = "1D1QhBsfUTXZEuztVXYl0zG3YAxsjWy-haVRc5F83ERtrvZID7GDV3hM1QtkhoaRSXmqW-aKGqO8vgfIuzsQ7TzJ-bayY7aAkqT_\
    1FuLYQiDBUoH814EVzNrf96Br8Jd87q4MUM3s-lQjhbb6XCLr4p3EQiSN27Bj2yfRkBjNQ0";
const WEAK_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYTEwMjQifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiYXJ0a\
    WNsZXMiLCJzdWIiOiJhZGEiLCJleHAiOjE3OTM1MjQyMDAsInNjb3BlIjoiYXJ0aWNsZXM6cmVhZCJ9.O9MTPQOcCshKCwrV1-9t\
    k4yrheSEM1JOc3_yl2LkDr6JDQ68A2z6ZEhGfNDi-bLMrOXMel2pcqmsCoeUZXEsx3kIHKxVTIl0DY3-4HToEcYQU3WAcZ-6UwUU\
    7aociMAETMHZ75VhxBWsIiQV6JN_oZ4qak2Q15GHPEmTU22wWrI";

fn rejected(error: TokenError) -> Result<String, Rejection> {
    Err(error.into())
}

#[tokio::test]
async fn a_header_cannot_choose_how_its_token_is_verified() {
    use TokenError::{Key, Malformed, Signature, TooLong, Unsupported};
    let (rsa, ec) = (Signer::rsa(), Signer::ec());
    let admission = trusting(&[rsa.jwk("rsa"), ec.jwk("ec"), Signer::ed().jwk("ed")]);
    let good = rsa.good("rsa", &json!({}));
    assert_eq!(read(&admission, &good).await.as_deref(), Ok("ada"));

    for (header, error) in [
        (json!({"alg": "none", "kid": "rsa"}), Signature),
        (json!({"alg": "none"}), Signature),
        (json!({"alg": "None"}), Signature),
        (json!({"kid": "rsa"}), Malformed),
        (json!({"alg": null, "kid": "rsa"}), Malformed),
        (json!({"alg": 256, "kid": "rsa"}), Malformed),
        (json!({"alg": ["RS256"], "kid": "rsa"}), Malformed),
        (json!({"alg": "", "kid": "rsa"}), Signature),
        (json!({"alg": "rs256", "kid": "rsa"}), Signature),
        (json!({"alg": "RS257", "kid": "rsa"}), Signature),
        (json!({"alg": "RS512", "kid": "rsa"}), Signature),
        (json!({"alg": "PS256", "kid": "rsa"}), Signature),
        (json!({"alg": "HS256", "kid": "rsa"}), Signature),
        (json!({"alg": "ES256", "kid": "rsa"}), Signature),
        (json!({"alg": "RS256", "kid": "ec"}), Signature),
        (json!({"alg": "RS256", "kid": "other"}), Key),
        (json!({"alg": "RS256", "kid": "RSA"}), Key),
        (json!({"alg": "RS256", "kid": ""}), Key),
        (json!({"alg": "RS256", "kid": 1}), Malformed),
        (json!({"alg": "RS256", "kid": null}), Malformed),
        (json!({"alg": "RS256", "kid": ["rsa"]}), Malformed),
        (
            json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "crit": []}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "crit": null}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "b64": false}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "b64": true}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "b64": false, "crit": ["b64"]}),
            Malformed,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "zip": "DEF"}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "cty": "JWT"}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"}),
            Unsupported,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "typ": null}),
            Malformed,
        ),
        (
            json!({"alg": "RS256", "kid": "rsa", "x": "a".repeat(8_192)}),
            TooLong,
        ),
    ] {
        let token = rsa.token(&header, &claims(&json!({})));
        assert_eq!(read(&admission, &token).await, rejected(error), "{header}");
    }
    // A token without a signature, and one that includes its signer's own key.
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    assert!(read(&admission, &format!("{unsigned}.")).await.is_err());
    let stranger = Signer::ec();
    let header = json!({"alg": "ES256", "jwk": stranger.jwk("ec")});
    let token = stranger.token(&header, &claims(&json!({})));
    assert_eq!(
        read(&admission, &token).await,
        rejected(TokenError::Signature)
    );
}

#[tokio::test]
async fn a_public_key_is_not_used_as_a_secret() {
    let rsa = Signer::rsa().jwk("rsa");
    let admission = trusting(std::slice::from_ref(&rsa));
    // What implementations have mistaken for the HMAC secret: the modulus, the key, the whole set.
    let modulus = rsa["n"].as_str().unwrap();
    for secret in [modulus, &rsa.to_string(), &jwks(std::slice::from_ref(&rsa))] {
        for header in [
            json!({"alg": "HS256", "kid": "rsa"}),
            json!({"alg": "HS256"}),
        ] {
            let token = Signer::secret(secret).token(&header, &claims(&json!({})));
            assert_eq!(
                read(&admission, &token).await,
                rejected(TokenError::Signature)
            );
        }
    }
}

#[tokio::test]
async fn a_weak_key_verifies_nothing() {
    let weak = json!({"kty": "RSA", "kid": "rsa1024", "n": WEAK_N, "e": "AQAB"});
    let admission = trusting(&[weak, Signer::ec().jwk("ec")]);
    assert_eq!(
        read(&admission, WEAK_TOKEN).await,
        rejected(TokenError::Key)
    );
}

#[tokio::test]
async fn a_secret_shorter_than_32_bytes_is_rejected_at_startup() {
    let secret = "0123456789abcdef0123456789abcdef";
    let short = open(&["--jwt-secret", &secret[1..]], &clock())
        .err()
        .unwrap();
    insta::assert_snapshot!(short, @"JWT_SECRET: a secret has 32 bytes or more");
    let file = tempfile::NamedTempFile::new().unwrap();
    let flag = format!("--jwt-secret-file={}", file.path().display());
    // The newline at the end is not part of the secret.
    write_private(file.path(), &format!("{}\n", &secret[1..]));
    assert!(open(&[&flag], &clock()).is_err());
    write_private(file.path(), &format!("{secret}\n"));
    for flags in [[&*flag].as_slice(), &["--jwt-secret", secret]] {
        let admission = open(flags, &clock()).unwrap();
        let token = Signer::secret(secret).good("any", &json!({}));
        assert_eq!(read(&admission, &token).await.as_deref(), Ok("ada"));
        let by_rsa = Signer::rsa().good("any", &json!({}));
        assert_eq!(
            read(&admission, &by_rsa).await,
            rejected(TokenError::Signature)
        );
    }
}

#[tokio::test]
async fn a_secret_in_a_key_set_is_ignored() {
    let secret = Signer::secret("0123456789abcdef0123456789abcdef");
    let admission = trusting(&[secret.jwk("secret"), Signer::ec().jwk("ec")]);
    let token = secret.good("secret", &json!({}));
    assert_eq!(read(&admission, &token).await, rejected(TokenError::Key));
    let file = jwks_file(&[secret.jwk("secret")]);
    let flag = format!("--jwt-jwks={}", file.path().display());
    assert!(open(&[&flag], &clock()).is_err());
}

#[tokio::test]
async fn an_invalid_token_is_rejected_even_with_anonymous_reads() {
    let admission = trusting(&[Signer::ec().jwk("ec")]);
    assert!(admission.admit(Credential::None, Scope::Read).await.is_ok());
    let forged = Signer::ec().good("ec", &json!({}));
    assert_eq!(
        read(&admission, &forged).await,
        rejected(TokenError::Signature)
    );
}
