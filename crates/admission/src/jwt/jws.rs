//! A JWT split into its parts: a JWS in compact form (RFC 7515), not verified yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::claims::Claims;
use crate::rejection::TokenError;

/// A JWT split into its parts.
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// The bytes that the signature signs.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

/// The header. It only helps to find the key; the key determines the algorithm.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    #[serde(default, deserialize_with = "some")]
    pub(super) kid: Option<String>,
    #[serde(default, deserialize_with = "some")]
    typ: Option<String>,
    /// Whether there is a critical extension, of which we know none (RFC 7515, 4.1.11), a payload that is not in base64
    /// (RFC 7797), compression, or a payload that is not a set of claims, such as a nested JWT.
    #[serde(
        default,
        rename = "crit",
        alias = "b64",
        alias = "zip",
        alias = "cty",
        deserialize_with = "is_there"
    )]
    is_extended: bool,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        // Another part would leave a dot in the claims, which is not in the base64 alphabet.
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = object(&decode(header)?)?;
        header.check()?;
        Ok(Self {
            header,
            claims: object(&decode(claims)?)?,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
        })
    }
}

impl Header {
    fn check(&self) -> Result<(), TokenError> {
        let is_jwt = self.typ.as_deref().is_none_or(|typ| {
            ["JWT", "at+jwt", "application/at+jwt"]
                .iter()
                .any(|known| typ.eq_ignore_ascii_case(known))
        });
        match is_jwt && !self.is_extended {
            true => Ok(()),
            false => Err(TokenError::Unsupported),
        }
    }
}

/// Base64url without padding, and with all spare bits zero: each value has exactly one encoding.
pub(super) fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(TokenError::Malformed),
    }
}

/// A JSON object with nothing after it. Serde alone would also accept an array for a struct.
fn object<T: DeserializeOwned>(json: &[u8]) -> Result<T, TokenError> {
    match json.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(json).map_err(|_| TokenError::Malformed),
        _ => Err(TokenError::Malformed),
    }
}

/// A member that may be missing, but not null, which counts as a wrong type.
pub(super) fn some<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
