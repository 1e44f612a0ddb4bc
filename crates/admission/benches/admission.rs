//! The cost of admitting a caller: without a token, with a static token, with a JWT that was seen before, and with new
//! JWTs. `cargo bench --bench admission`.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark of something that fails is none"
)]

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broadsheet_admission::settings::AdmissionSettings;
use broadsheet_admission::tokens::{TokenEntry, TokenSecret, append};
use broadsheet_admission::{Admission, Credential, Scope};
use broadsheet_articles::clock::{Clock, Timestamp};
use clap::Parser;
use divan::{Bencher, black_box};
use futures_util::FutureExt as _;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tempfile::TempDir;

fn main() {
    divan::main();
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    admission: AdmissionSettings,
}

struct Bench {
    admission: Admission,
    token: TokenSecret,
    key: Ed25519KeyPair,
    _directory: TempDir,
}

impl Bench {
    /// Trusts one static token and one issuer.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (tokens, jwks) = (
            directory.path().join("tokens"),
            directory.path().join("jwks"),
        );
        let token = TokenSecret::random().unwrap();
        let scopes = [Scope::Read].into_iter().collect();
        let entry = TokenEntry::new(
            "bench",
            &token,
            scopes,
            Timestamp::MIN,
            Some(Timestamp::MAX),
        );
        append(&tokens, &entry.unwrap()).unwrap();
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x}]});
        std::fs::write(&jwks, set.to_string()).unwrap();
        let flags = Flags::parse_from([
            "bench",
            &format!("--tokens-file={}", tokens.display()),
            &format!("--jwt-jwks={}", jwks.display()),
            "--jwt-audience=articles",
        ]);
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admission = Admission::open(&flags.admission, host, Clock::system(), None).unwrap();
        Self {
            admission,
            token,
            key,
            _directory: directory,
        }
    }

    /// A JWT of the usual size.
    fn jwt(&self, number: u64) -> String {
        let header = json!({"alg": "EdDSA", "kid": "1", "typ": "at+jwt"});
        let claims = json!({
            "iss": "https://issuer.example",
            "aud": ["articles", "https://issuer.example/userinfo"],
            "sub": format!("auth0|{number:024}"),
            "iat": 1_793_523_600,
            "exp": 10_000_000_000_u64,
            "jti": format!("{number:032x}"),
            "scope": "openid profile email offline_access articles:read",
            "https://issuer.example/claims": {"groups": vec!["a-group-of-some-name"; 12]},
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Admits without waiting, since all keys are already loaded.
    fn admit(&self, credential: Credential<'_>) {
        let admitted = self.admission.admit(black_box(credential), Scope::Read);
        black_box(admitted.now_or_never().unwrap().unwrap());
    }
}

#[divan::bench]
fn anonymous(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench(|| bench.admit(Credential::None));
}

#[divan::bench]
fn static_token(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench(|| bench.admit(Credential::Bearer(bench.token.text())));
}

#[divan::bench]
fn jwt_seen_before(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let token = bench.jwt(0);
    bencher.bench(|| bench.admit(Credential::Bearer(&token)));
}

#[divan::bench]
fn jwt_that_is_new(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            bench.jwt(number)
        })
        .bench_local_refs(|token| bench.admit(Credential::Bearer(token)));
}
