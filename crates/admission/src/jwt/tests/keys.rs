//! Which keys of a set are usable, and which of them verifies a token.

use std::time::Duration;

use serde_json::{Value, json};

use super::signer::{ISSUER, Signer, base64, claims, jwks, jwks_file, read, trusting};
use crate::jwt::key::KeyError;
use crate::jwt::key_set::{KeySet, KeySetError};
use crate::tests::{clock, open};
use crate::{Credential, TokenError};

fn set(keys: &[Value]) -> Result<usize, KeySetError> {
    KeySet::parse(jwks(keys).as_bytes()).map(|keys| keys.len())
}

/// A key with some members changed; null removes one.
fn changed(mut key: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(key.as_object_mut().unwrap().remove(name)),
            value => key[name] = value.clone(),
        }
    }
    key
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_verified_by_its_key() {
    let (rsa, ec, ed) = (Signer::rsa(), Signer::ec(), Signer::ed());
    let admission = trusting(&[rsa.jwk("rsa"), ec.jwk("ec"), ed.jwk("ed")]);
    for (kid, alg, signer) in [
        ("rsa", "RS256", &rsa),
        ("ec", "ES256", &ec),
        ("ed", "EdDSA", &ed),
        ("ed", "Ed25519", &ed),
    ] {
        for typ in [
            Value::Null,
            json!("JWT"),
            json!("jwt"),
            json!("at+jwt"),
            json!("application/at+jwt"),
        ] {
            for kid in [json!(kid), Value::Null] {
                let header = changed(
                    json!({}),
                    &json!({"alg": alg, "kid": kid, "typ": typ, "x5t": "x"}),
                );
                let token = signer.token(&header, &claims(&json!({})));
                assert_eq!(
                    read(&admission, &token).await.as_deref(),
                    Ok("ada"),
                    "{header}"
                );
            }
        }
    }
}

#[test]
fn keys_for_other_uses_are_ignored() {
    let (rsa, ec, ed) = (
        Signer::rsa().jwk("a"),
        Signer::ec().jwk("a"),
        Signer::ed().jwk("a"),
    );
    let short = |member: &str| json!({ member: base64([1; 31]) });
    let zeros = |key: &Value, member: &str| {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let number = engine.decode(key[member].as_str().unwrap()).unwrap();
        json!({ member: base64([vec![0, 0], number].concat()) })
    };
    for good in [
        changed(rsa.clone(), &json!({"alg": "RS256", "use": "sig"})),
        changed(rsa.clone(), &json!({"kid": null, "key_ops": ["verify"]})),
        changed(rsa.clone(), &zeros(&rsa, "n")),
        changed(rsa.clone(), &zeros(&rsa, "e")),
        changed(ec.clone(), &json!({"alg": "ES256"})),
        changed(ed.clone(), &json!({"alg": "EdDSA"})),
        changed(ed.clone(), &json!({"alg": "Ed25519"})),
    ] {
        assert_eq!(set(std::slice::from_ref(&good)), Ok(1), "{good}");
    }
    for (bad, error) in [
        (changed(rsa.clone(), &json!({"use": "enc"})), KeyError::Use),
        (
            changed(rsa.clone(), &json!({"key_ops": ["encrypt"]})),
            KeyError::Use,
        ),
        (
            changed(rsa.clone(), &json!({"alg": "HS256"})),
            KeyError::Kind,
        ),
        (
            changed(rsa.clone(), &json!({"alg": "RSA-OAEP"})),
            KeyError::Kind,
        ),
        (
            changed(ec.clone(), &json!({"alg": "RS256"})),
            KeyError::Kind,
        ),
        (
            changed(ec.clone(), &json!({"crv": "P-384"})),
            KeyError::Kind,
        ),
        (
            changed(ed.clone(), &json!({"crv": "X25519"})),
            KeyError::Kind,
        ),
        (changed(ed.clone(), &json!({"kty": "EC"})), KeyError::Kind),
        (json!({"kty": "oct", "k": base64([1; 32])}), KeyError::Kind),
        (changed(rsa.clone(), &json!({"kid": 1})), KeyError::Form),
        (changed(rsa.clone(), &json!({"n": null})), KeyError::Form),
        (changed(rsa.clone(), &json!({"e": ""})), KeyError::Form),
        (changed(rsa.clone(), &json!({"n": "+/="})), KeyError::Form),
        (changed(ec.clone(), &short("x")), KeyError::Form),
        (changed(ec.clone(), &short("y")), KeyError::Form),
        (changed(ed.clone(), &short("x")), KeyError::Form),
        (json!("key"), KeyError::Form),
        (
            changed(rsa.clone(), &json!({"n": base64([255; 255])})),
            KeyError::Rsa,
        ),
        (
            changed(
                rsa.clone(),
                &json!({"n": base64([[127].as_slice(), &[255; 255]].concat())}),
            ),
            KeyError::Rsa,
        ),
        (
            changed(rsa.clone(), &json!({"n": base64([255; 1_025])})),
            KeyError::Rsa,
        ),
    ] {
        assert_eq!(
            set(std::slice::from_ref(&bad)),
            Err(KeySetError::NoKey(Some(error))),
            "{bad}"
        );
        assert_eq!(set(&[bad.clone(), ec.clone()]), Ok(1), "{bad}");
    }
}

#[test]
fn a_set_has_between_one_and_a_hundred_keys() {
    let key = Signer::ed().jwk("a");
    assert_eq!(set(&[]), Err(KeySetError::NoKey(None)));
    assert_eq!(set(&vec![key.clone(); 100]), Ok(100));
    assert_eq!(set(&vec![key; 101]), Err(KeySetError::TooMany));
    for wrong in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}x", "<html>"] {
        let error = KeySet::parse(wrong.as_bytes()).err().unwrap();
        assert!(matches!(error, KeySetError::Form(_)), "{wrong}");
    }
}

#[tokio::test]
async fn all_keys_with_the_same_id_are_tried() {
    let signers: Vec<_> = (0..20).map(|_| Signer::ed()).collect();
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk("same")).collect();
    let admission = trusting(&keys);
    for signer in &signers {
        assert!(
            read(&admission, &signer.good("same", &json!({})))
                .await
                .is_ok()
        );
    }
    let stranger = Signer::ed().good("same", &json!({}));
    assert_eq!(
        read(&admission, &stranger).await,
        Err(TokenError::Signature.into())
    );
}

#[tokio::test]
async fn for_a_token_without_an_id_eight_keys_of_its_family_are_tried() {
    let signers: Vec<_> = (0..9).map(|_| Signer::ed()).collect();
    // Keys of other families do not count towards the limit.
    let others = (0..9).map(|number| Signer::ec().jwk(&format!("ec{number}")));
    let keys = signers.iter().enumerate();
    let keys = others.chain(keys.map(|(number, signer)| signer.jwk(&format!("ed{number}"))));
    let admission = trusting(&keys.collect::<Vec<_>>());
    for (number, signer) in signers.iter().enumerate() {
        let token = signer.token(&json!({"alg": "EdDSA"}), &claims(&json!({})));
        assert_eq!(
            read(&admission, &token).await.is_ok(),
            number < 8,
            "{number}"
        );
    }
}

#[tokio::test]
async fn the_keys_of_an_issuer_verify_only_its_tokens() {
    let (one, other) = (Signer::ed(), Signer::ed());
    let secret = "0123456789abcdef0123456789abcdef";
    // An id that both sets have, and one that only one of them has.
    let one_file = jwks_file(&[one.jwk("same"), one.jwk("one")]);
    let other_file = jwks_file(&[other.jwk("same"), other.jwk("other")]);
    let issuers = tempfile::NamedTempFile::new().unwrap();
    let entry = |issuer: &str, audience: &str, path: &std::path::Path| {
        format!("[[issuer]]\nissuer = {issuer:?}\naudience = [{audience:?}]\njwks = {path:?}\n")
    };
    let text = entry("one", "a", one_file.path()) + &entry("other", "b", other_file.path());
    std::fs::write(issuers.path(), text).unwrap();
    let file = format!("--jwt-issuers={}", issuers.path().display());
    let flags = [&*file, "--jwt-issuer=secret", "--jwt-secret", secret];
    let admission = open(&flags, &clock()).unwrap();

    let token = |signer: &Signer, kid: &str, iss: &str, aud: &str| {
        signer.good(kid, &json!({"iss": iss, "aud": aud}))
    };
    let secret = Signer::secret(secret);
    for good in [
        token(&one, "same", "one", "a"),
        token(&one, "one", "one", "a"),
        token(&other, "same", "other", "b"),
        token(&secret, "any", "secret", "c"),
    ] {
        assert!(read(&admission, &good).await.is_ok());
    }
    for (bad, error) in [
        (token(&one, "same", "other", "b"), TokenError::Signature),
        (token(&one, "one", "other", "b"), TokenError::Key),
        (token(&other, "same", "one", "a"), TokenError::Signature),
        (token(&other, "other", "one", "a"), TokenError::Key),
        (token(&secret, "same", "one", "a"), TokenError::Signature),
        (token(&one, "same", "secret", "a"), TokenError::Signature),
        (token(&one, "same", "one", "b"), TokenError::Audience),
        (token(&one, "same", ISSUER, "a"), TokenError::Issuer),
        (
            one.good("same", &json!({"iss": null, "aud": "a"})),
            TokenError::Issuer,
        ),
    ] {
        assert_eq!(read(&admission, &bad).await, Err(error.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn removing_a_key_rejects_its_tokens_and_closes_their_sockets() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let file = jwks_file(&[old.jwk("old"), new.jwk("new")]);
    let jwks_flag = format!("--jwt-jwks={}", file.path().display());
    let admission = open(&[&jwks_flag], &clock()).unwrap();
    let (by_old, by_new) = (old.good("old", &json!({})), new.good("new", &json!({})));
    let old_caller = admission
        .authenticate(Credential::Bearer(&by_old))
        .await
        .unwrap();
    let new_caller = admission
        .authenticate(Credential::Bearer(&by_new))
        .await
        .unwrap();
    assert!(read(&admission, &by_old).await.is_ok());

    std::fs::write(file.path(), "{").unwrap();
    admission.reload().unwrap_err();
    assert!(read(&admission, &by_old).await.is_ok());
    assert_eq!(
        (admission.failed_reloads(), admission.status()[0].failures),
        (1, 1)
    );

    std::fs::write(file.path(), jwks(&[new.jwk("new")])).unwrap();
    admission.reload().unwrap();
    assert_eq!(read(&admission, &by_old).await, Err(TokenError::Key.into()));
    assert!(read(&admission, &by_new).await.is_ok());
    let soon = Duration::from_millis(1);
    assert!(
        tokio::time::timeout(soon, admission.ended(&old_caller))
            .await
            .is_ok()
    );
    assert!(
        tokio::time::timeout(soon, admission.ended(&new_caller))
            .await
            .is_err()
    );
}
