//! An issuer that signs: [`Signer`], and an [`Admission`] that trusts it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use ring::{hmac, rsa};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::tests::{clock, open};
use crate::{Admission, Credential, Rejection, Scope};

pub(super) const ISSUER: &str = "https://issuer.example";
pub(super) const AUDIENCE: &str = "articles";
/// 2026-11-01T09:00:00Z, the time of the tests' clock, in seconds since 1970.
pub(super) const NOW_SECONDS: i64 = 1_793_523_600;

/// A key pair, whose private half stays with the issuer.
pub(super) enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Secret(Vec<u8>),
}

impl Signer {
    /// A fixed key for these tests only, because ring cannot generate RSA keys.
    pub(super) fn rsa() -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("rsa2048.pem")).unwrap();
        Self::Rsa(Box::new(
            RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap(),
        ))
    }

    pub(super) fn ec() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    pub(super) fn ed() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    pub(super) fn secret(secret: &str) -> Self {
        Self::Secret(secret.into())
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
            Self::Secret(_) => "HS256",
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
            Self::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
        }
    }

    /// The public key, under an id.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let public: rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({"kty": "RSA", "kid": kid, "n": base64(public.n), "e": base64(public.e)})
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": base64(x), "y": base64(y)})
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64(key.public_key())})
            }
            Self::Secret(secret) => json!({"kty": "oct", "kid": kid, "k": base64(secret)}),
        }
    }

    /// A signed token with this header and these claims, which need not be valid.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// The same, with header and claims given as text.
    pub(super) fn token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        let signature = base64(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// A valid token that names the key with this id. `changes` replaces claims; null removes one.
    pub(super) fn good(&self, kid: &str, changes: &Value) -> String {
        self.token(
            &json!({"alg": self.algorithm(), "kid": kid}),
            &claims(changes),
        )
    }
}

/// The claims of a valid token, changed.
pub(super) fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "exp": NOW_SECONDS + 600,
        "scope": "openid articles:read",
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A file with a set of public keys.
pub(super) fn jwks_file(keys: &[Value]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), jwks(keys)).unwrap();
    file
}

pub(super) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// An [`Admission`] that trusts these keys for tokens from [`ISSUER`] for [`AUDIENCE`].
pub(super) fn trusting(keys: &[Value]) -> Admission {
    let file = jwks_file(keys);
    let jwks = format!("--jwt-jwks={}", file.path().display());
    open(
        &[&jwks, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE],
        &clock(),
    )
    .unwrap()
}

/// The name of the caller if the token admits it to reading, or the rejection.
pub(super) async fn read(admission: &Admission, token: &str) -> Result<String, Rejection> {
    let caller = admission
        .admit(Credential::Bearer(token), Scope::Read)
        .await?;
    Ok(caller.name().to_owned())
}
