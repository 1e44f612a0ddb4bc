//! JWTs: tokens that were modified in transit, and tokens that an issuer signed with arbitrary contents.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broadsheet::admission::settings::AdmissionSettings;
use broadsheet::admission::{Admission, Credential, Rejection, Scope};
use broadsheet_articles::clock::{Clock, Timestamp};
use clap::Parser;
use futures_util::FutureExt as _;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::reference;
use crate::target::{Target, ensure, joined, kind, parts, text};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "articles";
/// The time of the clock: 2026-11-01T09:00:00Z.
const NOW: i64 = 1_793_523_600;
const SKEW: f64 = 30.0;

pub(crate) struct Jwts {
    admission: Admission,
    key: Ed25519KeyPair,
    /// Tokens that are admitted unchanged.
    valid: Vec<String>,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    admission: AdmissionSettings,
}

impl Jwts {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let key =
            Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|error| error.to_string())?;
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x}]});
        let file = NamedTempFile::new()?;
        std::fs::write(file.path(), set.to_string())?;
        let flags = Flags::parse_from([
            "fuzz",
            &format!("--jwt-jwks={}", file.path().display()),
            &format!("--jwt-issuer={ISSUER}"),
            &format!("--jwt-audience={AUDIENCE}"),
        ]);
        let now = Timestamp::from_micros(NOW * 1_000_000).ok_or("no such instant")?;
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admission = Admission::open(&flags.admission, host, Clock::fixed(now), None)?;
        let mut target = Self {
            admission,
            key,
            valid: Vec::new(),
        };
        let tokens = signed_seeds().map(|(header, claims)| target.token(&header, &claims));
        target.valid = tokens
            .into_iter()
            .filter(|token| target.admit(token).is_ok())
            .collect();
        match target.valid.len() {
            2 => Ok(target),
            number => Err(format!("{number} of the seeds are admitted instead of 2").into()),
        }
    }

    fn token(&self, header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Whether a token admits its caller to reading. All keys are loaded, so admission never waits.
    fn admit(&self, token: &str) -> Result<(), Option<Rejection>> {
        let admitted = self.admission.admit(Credential::Bearer(token), Scope::Read);
        match admitted.now_or_never() {
            Some(admitted) => admitted.map(drop).map_err(Some),
            None => Err(None),
        }
    }

    /// Checks a token with this header and these claims, signed by the issuer.
    fn check_signed(&self, header: &str, claims: &str) -> Result<u64, String> {
        let token = self.token(header, claims);
        let rejection = match self.admit(&token) {
            Ok(()) => {
                let (Some(header), Some(claims)) = (object(header)?, object(claims)?) else {
                    return Ok(kind("with what is skipped beyond the reference"));
                };
                let algorithm = header.get("alg").and_then(Value::as_str);
                ensure(matches!(algorithm, Some("EdDSA" | "Ed25519")), || {
                    format!("the algorithm {algorithm:?} is accepted")
                })?;
                ensure(header.get("kid").is_none_or(|kid| kid == "1"), || {
                    format!("{header:?}")
                })?;
                ensure(!header.contains_key("crit"), || format!("{header:?}"))?;
                check_claims(&claims)?;
                return Ok(kind(("admitted", header.len(), claims.len())));
            }
            Err(rejection) => rejection,
        };
        Ok(kind(format!("{rejection:?}")))
    }

    /// Checks a text that may be a token.
    fn check_text(&self, token: &str) -> Result<u64, String> {
        match self.admit(token) {
            Ok(()) => {
                ensure(self.valid.iter().any(|valid| valid == token), || {
                    format!("{token} was signed by nobody")
                })?;
                Ok(kind("valid"))
            }
            Err(rejection) => Ok(kind(format!("{rejection:?}"))),
        }
    }
}

/// A part of a token, decoded by the reference; `None` if the reference cannot.
fn object(text: &str) -> Result<Option<Map<String, Value>>, String> {
    match reference::object(text.as_bytes()) {
        Ok(Some(object)) => Ok(Some(object)),
        Ok(None) => Err(format!("{text} is accepted, and no object")),
        Err(()) => Ok(None),
    }
}

/// Checks the claims of an admitted token.
fn check_claims(claims: &Map<String, Value>) -> Result<(), String> {
    ensure(
        claims.get("iss").is_some_and(|issuer| issuer == ISSUER),
        || format!("the issuer of {claims:?}"),
    )?;
    let is_ours = match claims.get("aud") {
        Some(Value::String(one)) => one == AUDIENCE,
        Some(Value::Array(list)) => list.iter().any(|one| one == AUDIENCE),
        _ => false,
    };
    ensure(is_ours, || format!("the audience of {claims:?}"))?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of this century are exact"
    )]
    let now = NOW as f64;
    let expires = claims.get("exp").and_then(Value::as_f64);
    ensure(expires.is_some_and(|exp| exp + SKEW > now), || {
        format!("the end of {claims:?}")
    })?;
    let begins = claims.get("nbf").map_or(Some(now), Value::as_f64);
    ensure(begins.is_some_and(|nbf| nbf - SKEW <= now), || {
        format!("the begin of {claims:?}")
    })
}

/// Headers and claims, of which two are valid.
fn signed_seeds() -> [(String, String); 6] {
    let header = json!({"alg": "EdDSA", "kid": "1", "typ": "at+jwt"});
    let claims = |changes: Value| {
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 600, "scope": "openid articles:read",
        });
        if let (Some(claims), Value::Object(changes)) = (claims.as_object_mut(), changes) {
            claims.extend(changes);
        }
        claims
    };
    [
        (header.clone(), claims(json!({}))),
        (
            json!({"alg": "Ed25519"}),
            claims(json!({"aud": ["x", AUDIENCE], "nbf": NOW, "permissions": ["articles:write"]})),
        ),
        (json!({"alg": "none"}), claims(json!({}))),
        (
            json!({"alg": "HS256", "kid": "2", "crit": ["b64"], "b64": false}),
            claims(json!({})),
        ),
        (header.clone(), claims(json!({"exp": NOW - 600}))),
        (
            header,
            claims(json!({"exp": "soon", "aud": null, "scp": ["articles:read"]})),
        ),
    ]
    .map(|(header, claims)| (header.to_string(), claims.to_string()))
}

impl Target for Jwts {
    fn name(&self) -> &'static str {
        "jwt"
    }

    /// Whole tokens, and parts that are to be signed.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let parts = signed_seeds();
        let tokens = parts
            .iter()
            .map(|(header, claims)| self.token(header, claims).into_bytes());
        let parts = parts.iter().map(|(header, claims)| joined(header, claims));
        tokens.chain(parts).collect()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            ".",
            "eyJ",
            "\"alg\":\"none\",",
            "\"alg\":\"HS256\",",
            "\"kid\":\"2\",",
            "\"exp\":1,",
            "\"exp\":1e99,",
            "\"nbf\":9e9,",
            "\"aud\":[],",
            "\"crit\":[],",
            "\"iss\":null,",
            "\"scope\":",
            "null",
            "{",
            "}",
            "[",
            "]",
            "\\u0000",
            "=",
            "==",
            "-_",
        ]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        match parts(input) {
            (token, []) => self.check_text(&text(token)),
            (header, claims) => self.check_signed(&text(header), &text(claims)),
        }
    }
}
