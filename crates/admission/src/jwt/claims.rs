//! The claims of a JWT (RFC 7519), and whether they suffice.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::jws::some;
use crate::caller::{Scope, Scopes};
use crate::rejection::TokenError;
use broadsheet_articles::clock::Timestamp;

/// The claims that hold scopes, unless configured: the standard's (RFC 8693), that of Azure and Okta, a common variant,
/// and Auth0's.
const SCOPES_CLAIMS: [&str; 4] = ["scope", "scp", "scopes", "permissions"];

/// The claims. A claim whose JSON type is not the standard's does not count as missing: the token is malformed.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(default, deserialize_with = "some")]
    pub(super) iss: Option<String>,
    #[serde(default, deserialize_with = "some")]
    sub: Option<String>,
    #[serde(default, deserialize_with = "some")]
    aud: Option<OneOrMany>,
    #[serde(default, deserialize_with = "some")]
    exp: Option<f64>,
    #[serde(default, deserialize_with = "some")]
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "some")]
    iat: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    /// When the token expires, if it is valid now. Clocks may differ by `skew` in either direction.
    pub(super) fn check_time(
        &self,
        now: Timestamp,
        skew: Duration,
    ) -> Result<Timestamp, TokenError> {
        let skew = skew.as_secs_f64();
        let until = instant(self.exp.ok_or(TokenError::NoExpiry)? + skew);
        if now >= until {
            return Err(TokenError::Expired);
        }
        let begins = [self.nbf, self.iat].into_iter().flatten();
        match begins
            .map(|begin| instant(begin - skew))
            .all(|begin| begin <= now)
        {
            true => Ok(until),
            false => Err(TokenError::NotYet),
        }
    }

    /// Whether the token is meant for one of these audiences; an empty list accepts any.
    pub(super) fn check_audience(&self, audiences: &[String]) -> Result<(), TokenError> {
        let is_meant = match &self.aud {
            None => audiences.is_empty(),
            Some(OneOrMany::One(one)) => audiences.is_empty() || audiences.contains(one),
            Some(OneOrMany::Many(many)) => {
                audiences.is_empty() || many.iter().any(|one| audiences.contains(one))
            }
        };
        match is_meant {
            true => Ok(()),
            false => Err(TokenError::Audience),
        }
    }

    /// What the holder may do, from the claim at `path`, or else from all the usual claims together. Scopes of other
    /// services are ignored.
    pub(super) fn scopes(&self, path: Option<&str>) -> Result<Scopes, TokenError> {
        let claims = match path {
            Some(path) => vec![self.claim(path)],
            None => SCOPES_CLAIMS.map(|name| self.others.get(name)).to_vec(),
        };
        let mut scopes = Vec::new();
        for claim in claims.into_iter().flatten() {
            match claim {
                Value::String(names) => scopes.extend(names.split(' ').map(str::parse::<Scope>)),
                Value::Array(names) => {
                    for name in names {
                        scopes.push(name.as_str().ok_or(TokenError::Malformed)?.parse());
                    }
                }
                _ => return Err(TokenError::Malformed),
            }
        }
        Ok(scopes.into_iter().filter_map(Result::ok).collect())
    }

    /// The claim with that name, or else the nested claim with that dotted path. Claim names may be URLs, which contain
    /// dots: so the whole name is tried first.
    fn claim(&self, path: &str) -> Option<&Value> {
        self.others.get(path).or_else(|| {
            let mut names = path.split('.');
            let outermost = self.others.get(names.next()?)?;
            names.try_fold(outermost, |claim, name| claim.get(name))
        })
    }

    /// The `sub` of the token. It goes into the log, so its control characters are escaped.
    pub(super) fn subject(&self) -> String {
        match &self.sub {
            None => "unnamed".to_owned(),
            Some(subject) if subject.contains(char::is_control) => {
                subject.escape_debug().to_string()
            }
            Some(subject) => subject.clone(),
        }
    }
}

/// Seconds since 1970, with fractions, as the nearest representable timestamp.
#[expect(clippy::cast_possible_truncation, reason = "it ends at the bounds")]
fn instant(seconds: f64) -> Timestamp {
    let micros = (seconds * 1e6) as i64;
    let within = micros.clamp(Timestamp::MIN.as_micros(), Timestamp::MAX.as_micros());
    Timestamp::from_micros(within).unwrap_or(Timestamp::MIN)
}
