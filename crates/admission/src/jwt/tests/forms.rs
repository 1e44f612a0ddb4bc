//! Malformed tokens.

use serde_json::json;

use super::signer::{Signer, base64, claims, read, trusting};
use crate::TokenError;

#[tokio::test]
async fn malformed_tokens_are_rejected() {
    let rsa = Signer::rsa();
    let admission = trusting(&[rsa.jwk("rsa")]);
    let good = rsa.good("rsa", &json!({}));
    assert_eq!(read(&admission, &good).await.as_deref(), Ok("ada"));

    let parts: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = parts.try_into().unwrap();
    let header_text = r#"{"alg":"RS256","kid":"rsa"}"#;
    let claims_text = claims(&json!({})).to_string();
    let of = |header: &str, claims: &str| rsa.token_of(header, claims);
    // The last character of 256 bytes has four spare bits, so a lenient decoder would accept several encodings.
    let (rest, last) = signature.split_at(signature.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    let respelt = format!(
        "{header}.{payload}.{rest}{}",
        &alphabet[place + 1..place + 2]
    );
    let rows = [
        ("nothing but dots", "..".to_owned()),
        ("a word", "token".to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{good}.{signature}.{signature}")),
        ("no header", format!(".{payload}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        ("a dot before", format!(".{good}")),
        ("a dot after", format!("{good}.")),
        ("padding", format!("{good}==")),
        ("spare bits", respelt),
        (
            "the usual base64",
            format!("{header}.{payload}.+/{}", &signature[2..]),
        ),
        ("a space within", format!("{header}. {payload}.{signature}")),
        (
            "another character",
            format!("{header}.{payload}.é{signature}"),
        ),
        ("a header that is no JSON", of("alg", &claims_text)),
        (
            "a header that is a list",
            of(r#"["RS256","rsa"]"#, &claims_text),
        ),
        ("a header that is text", of(r#""RS256""#, &claims_text)),
        (
            "more after the header",
            of(&format!("{header_text}{{}}"), &claims_text),
        ),
        (
            "a member twice in the header",
            of(r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#, &claims_text),
        ),
        ("claims that are no JSON", of(header_text, "exp")),
        ("claims that are a list", of(header_text, "[]")),
        ("claims that are null", of(header_text, "null")),
        (
            "more after the claims",
            of(header_text, &format!("{claims_text}x")),
        ),
        (
            "a claim twice",
            of(
                header_text,
                &claims_text.replacen('{', r#"{"exp":9999999999,"#, 1),
            ),
        ),
        (
            "claims that nest too deep",
            of(
                header_text,
                &format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
            ),
        ),
        ("claims that are not UTF-8", {
            let signed = format!("{header}.{}", base64(b"{\"sub\":\"\xff\"}"));
            format!("{signed}.{}", base64(rsa.sign(signed.as_bytes())))
        }),
    ];
    for (row, token) in rows {
        assert_eq!(
            read(&admission, &token).await,
            Err(TokenError::Malformed.into()),
            "{row}"
        );
    }
    for length in 0..good.len() {
        let truncated = &good[..length];
        assert!(read(&admission, truncated).await.is_err(), "{truncated}");
    }
    let other = rsa.good("rsa", &json!({"sub": "eve"}));
    let other_payload = other.split('.').nth(1).unwrap();
    let swapped = format!("{header}.{other_payload}.{signature}");
    assert_eq!(
        read(&admission, &swapped).await,
        Err(TokenError::Signature.into())
    );
}
