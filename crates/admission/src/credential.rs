//! The credential that a request carries: [`Credential`].

use http::{HeaderMap, header};
use serde_json::{Map, Value};

/// The credential that a request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// No credential.
    None,
    /// A token.
    Bearer(&'a str),
    /// A credential that is not a valid token. It does not count as anonymous: the client meant to authenticate.
    Unusable,
}

impl<'a> Credential<'a> {
    /// From the headers of a request.
    pub fn from_headers(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => value.to_str().map_or(Self::Unusable, Self::from_text),
            // Two `Authorization` headers are ambiguous: a proxy and the server could each use a different one.
            (Some(_), Some(_)) => Self::Unusable,
        }
    }

    /// From the payload of a WebSocket's `connection_init`, or from the headers of its handshake where the payload has
    /// none.
    pub fn from_connection_init(payload: &'a Map<String, Value>, headers: &'a HeaderMap) -> Self {
        let mut values = payload
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        match (values.next(), values.next()) {
            (None, _) => Self::from_headers(headers),
            (Some((_, Value::String(text))), None) => Self::from_text(text),
            _ => Self::Unusable,
        }
    }

    fn from_text(text: &'a str) -> Self {
        const SCHEME: &str = "bearer ";
        match text.split_at_checked(SCHEME.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => match token.trim() {
                "" => Self::Unusable,
                token => Self::Bearer(token),
            },
            _ => Self::Unusable,
        }
    }
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer(…)",
            Self::Unusable => "Unusable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use serde_json::json;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values
            .iter()
            .map(|value| {
                (
                    header::AUTHORIZATION,
                    HeaderValue::from_bytes(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn the_scheme_bearer_is_case_insensitive() {
        for value in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            let headers = headers(&[value.as_bytes()]);
            assert!(Credential::from_headers(&headers) == Credential::Bearer("abc"));
        }
        assert!(Credential::from_headers(&HeaderMap::new()) == Credential::None);
    }

    #[test]
    fn a_malformed_credential_is_not_treated_as_anonymous() {
        let wrong: [&[&[u8]]; 8] = [
            &[b""],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"abc"],
            &[b"Basic dTpw"],
            &[b"Bearer\tabc"],
            &[b"Bearer \xff"],
            &[b"Bearer abc", b"Bearer abc"],
        ];
        for values in wrong {
            let headers = headers(values);
            assert!(Credential::from_headers(&headers) == Credential::Unusable);
        }
    }

    #[test]
    fn the_payload_of_connection_init_takes_precedence_over_headers() {
        let headers = headers(&[b"Bearer header"]);
        let credential = |payload: Value| {
            let payload = payload.as_object().unwrap().clone();
            match Credential::from_connection_init(&payload, &headers) {
                Credential::Bearer(token) => token.to_owned(),
                other => format!("{other:?}"),
            }
        };
        assert_eq!(credential(json!({})), "header");
        assert_eq!(credential(json!({"Authorization": "Bearer abc"})), "abc");
        assert_eq!(credential(json!({"authorization": "Bearer abc"})), "abc");
        for wrong in [
            json!({"Authorization": null}),
            json!({"Authorization": ["Bearer abc"]}),
            json!({"Authorization": "abc"}),
            json!({"Authorization": "Bearer a", "authorization": "Bearer b"}),
        ] {
            assert_eq!(credential(wrong), "Unusable");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", Credential::Bearer("abc")), "Bearer(…)");
    }
}
