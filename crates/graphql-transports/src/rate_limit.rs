//! The fields `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).

use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The window of the quota, in seconds.
const WINDOW: u64 = 60;

/// What a caller has left to spend in the current minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    per_minute: u32,
    remaining: u32,
}

impl RateLimit {
    pub fn new(per_minute: u32, remaining: u32) -> Self {
        Self {
            per_minute,
            remaining,
        }
    }

    pub fn remaining(self) -> u32 {
        self.remaining
    }

    pub fn per_minute(self) -> u32 {
        self.per_minute
    }

    /// Writes both fields, unless a more specific limit has written them.
    pub fn write_if_absent(self, headers: &mut HeaderMap) {
        if !headers.contains_key(LIMIT) {
            self.write(headers);
        }
    }

    /// Writes both fields. The draft's units do not include complexity, so none is named.
    pub fn write(self, headers: &mut HeaderMap) {
        let Self {
            per_minute,
            remaining,
        } = self;
        let spent = u64::from(per_minute.saturating_sub(remaining));
        // When the whole quota is available again.
        let seconds = (spent * WINDOW).div_ceil(u64::from(per_minute.max(1)));
        let limit = format!(r#""cost";r={remaining};t={seconds}"#);
        let policy = format!(r#""cost";q={per_minute};w={WINDOW}"#);
        write(headers, &limit, &policy);
    }
}

/// Writes the fields for a limit on concurrent things that the caller has reached.
pub fn write_exhausted(headers: &mut HeaderMap, what: &'static str, max: usize) {
    let policy = format!(r#""{what}";q={max};qu="concurrent-requests""#);
    write(headers, &format!(r#""{what}";r=0"#), &policy);
}

fn write(headers: &mut HeaderMap, limit: &str, policy: &str) {
    for (name, value) in [(LIMIT, limit), (POLICY, policy)] {
        // All of it is ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(per_minute: u32, remaining: u32) -> [String; 2] {
        let mut headers = HeaderMap::new();
        RateLimit::new(per_minute, remaining).write(&mut headers);
        [LIMIT, POLICY].map(|name| headers[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn the_fields_contain_the_limit_the_remainder_and_the_time_to_refill() {
        assert_eq!(
            written(1_000, 250),
            [r#""cost";r=250;t=45"#, r#""cost";q=1000;w=60"#]
        );
        assert_eq!(written(1_000, 1_000)[0], r#""cost";r=1000;t=0"#);
        assert_eq!(written(1_000, 999)[0], r#""cost";r=999;t=1"#);
        assert_eq!(written(u32::MAX, 0)[0], r#""cost";r=0;t=60"#);
    }
}
