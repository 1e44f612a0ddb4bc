//! One key of an issuer, and its algorithm.

use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

use super::jws::decode;

/// The minimum size of RSA keys in bits, and of secrets in bytes.
const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;
const MIN_SECRET_BYTES: usize = 32;

/// A key that verifies signatures with its one algorithm.
pub(super) struct Key {
    id: Option<String>,
    kind: Kind,
}

enum Kind {
    Hs256(hmac::Key),
    Rs256(RsaPublicKeyComponents<Vec<u8>>),
    /// The uncompressed point.
    Es256([u8; 65]),
    Ed25519([u8; 32]),
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it is not a JWK")]
    Form,
    #[error("it is not for signatures")]
    Use,
    #[error("its type or algorithm is not supported: RS256, ES256 and EdDSA with Ed25519 are")]
    Kind,
    #[error("an RSA key has 2048 to 8192 bits")]
    Rsa,
    #[error("a secret has 32 bytes or more")]
    WeakSecret,
}

/// A key as a key set represents it (RFC 7517).
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    /// A secret that is shared with the issuer.
    pub(super) fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        match secret.len() < MIN_SECRET_BYTES {
            true => Err(KeyError::WeakSecret),
            false => Ok(Self {
                id: None,
                kind: Kind::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret)),
            }),
        }
    }

    /// A public key. Secrets in key sets are not accepted: anyone who can read the set could sign.
    pub(super) fn from_jwk(jwk: Jwk) -> Result<Self, KeyError> {
        let is_for_signatures = jwk
            .purpose
            .as_deref()
            .is_none_or(|purpose| purpose == "sig")
            && jwk
                .key_ops
                .as_ref()
                .is_none_or(|all| all.iter().any(|one| one == "verify"));
        if !is_for_signatures {
            return Err(KeyError::Use);
        }
        let kind = match (&*jwk.kty, jwk.crv.as_deref()) {
            ("RSA", _) => Kind::rsa(&bytes(jwk.n.as_deref())?, &bytes(jwk.e.as_deref())?)?,
            ("EC", Some("P-256")) => {
                Kind::point(&bytes(jwk.x.as_deref())?, &bytes(jwk.y.as_deref())?)?
            }
            ("OKP", Some("Ed25519")) => {
                let x = bytes(jwk.x.as_deref())?.try_into();
                Kind::Ed25519(x.map_err(|_| KeyError::Form)?)
            }
            _ => return Err(KeyError::Kind),
        };
        // Azure's keys do not declare their use. Where a key does, it must be verification.
        if jwk
            .alg
            .is_some_and(|alg| !kind.algorithms().contains(&&*alg))
        {
            return Err(KeyError::Kind);
        }
        Ok(Self { id: jwk.kid, kind })
    }

    /// Whether a token with this key id may mean this key. A secret matches any id, because it is its issuer's only
    /// key.
    pub(super) fn is_named(&self, id: &str) -> bool {
        matches!(self.kind, Kind::Hs256(_)) || self.id.as_deref() == Some(id)
    }

    /// Whether this is a name of the key's algorithm.
    pub(super) fn is_for(&self, algorithm: &str) -> bool {
        self.kind.algorithms().contains(&algorithm)
    }

    /// Whether this key has signed this message. Takes the same time for every wrong signature.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.kind {
            Kind::Hs256(key) => hmac::verify(key, message, signature),
            Kind::Rs256(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Kind::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Kind::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        };
        verified.is_ok()
    }
}

impl Kind {
    fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        // ring requires them without leading zeros, which some issuers send.
        let trim = |number: &[u8]| -> Vec<u8> {
            number
                .iter()
                .copied()
                .skip_while(|byte| *byte == 0)
                .collect()
        };
        let (n, e) = (trim(n), trim(e));
        let leading = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        match (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&(n.len() * 8 - leading)) {
            true => Ok(Self::Rs256(RsaPublicKeyComponents { n, e })),
            false => Err(KeyError::Rsa),
        }
    }

    fn point(x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        const NOT_COMPRESSED: &[u8] = &[4];
        match x.len() == 32 && y.len() == 32 {
            true => [NOT_COMPRESSED, x, y]
                .concat()
                .try_into()
                .map(Self::Es256)
                .map_err(|_| KeyError::Form),
            false => Err(KeyError::Form),
        }
    }

    /// The names of the algorithm. RFC 9864 added a name for `EdDSA` that includes the curve.
    fn algorithms(&self) -> &'static [&'static str] {
        match self {
            Self::Hs256(_) => &["HS256"],
            Self::Rs256(_) => &["RS256"],
            Self::Es256(_) => &["ES256"],
            Self::Ed25519(_) => &["EdDSA", "Ed25519"],
        }
    }
}

fn bytes(member: Option<&str>) -> Result<Vec<u8>, KeyError> {
    decode(member.unwrap_or_default()).map_err(|_| KeyError::Form)
}
