//! The credential of a contestant's requests (none, a static token, or a JWT), and the settings with which the server
//! accepts it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::options::Contestant;

/// The secret that signs the JWT of a run.
const SECRET: &str = "known to everybody: only the benchmark uses it";

/// A credential, if the contestant uses one.
#[derive(Default)]
pub(crate) struct Credential {
    /// The value of `Authorization`.
    pub(crate) authorization: Option<Arc<str>>,
    /// The environment of a server that accepts it.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Credential {
    /// The credential of `contestant`; `broadsheet` creates a static token, with its file in `directory`.
    pub(crate) fn of(contestant: Contestant, broadsheet: &Path, directory: &Path) -> Result<Self> {
        let (token, variable) = match contestant {
            Contestant::Token => {
                let file = directory.join("tokens.toml");
                let _ = std::fs::remove_file(&file);
                let secret = static_token(broadsheet, &file)?;
                (secret, ("TOKENS_FILE", file.to_string_lossy().into_owned()))
            }
            Contestant::Jwt => (jwt()?, ("JWT_SECRET", SECRET.to_owned())),
            _ => return Ok(Self::default()),
        };
        Ok(Self {
            authorization: Some(format!("Bearer {token}").into()),
            variables: vec![variable],
        })
    }
}

fn static_token(broadsheet: &Path, file: &Path) -> Result<String> {
    let made = Command::new(broadsheet)
        .args(["token", "new", "bench", "--scopes", "articles:write"])
        .args(["--expires", "1day", "--append"])
        .arg(file)
        .output()
        .context("broadsheet token new")?;
    let output = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "broadsheet token new: {output}");
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

fn jwt() -> Result<String> {
    let end = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_hours(24);
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let claims = json!({ "sub": "bench", "scope": "articles:write", "exp": end.as_secs() });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Ok(format!("{signed}.{signature}"))
}
