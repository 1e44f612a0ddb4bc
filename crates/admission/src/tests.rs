//! The table of the crate's documentation, static tokens over time, and changes while the server runs.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Parser;
use http::{HeaderMap, StatusCode};
use tempfile::TempDir;

use super::tokens::{TokenEntry, TokenSecret};
use super::*;
use broadsheet_articles::clock::Timestamp;

/// The time at which the clock of these tests starts.
pub(super) const NOW: &str = "2026-11-01T09:00:00Z";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: AdmissionSettings,
}

/// The settings that result from these flags.
pub(super) fn settings(flags: &[&str]) -> AdmissionSettings {
    Flags::parse_from([&["broadsheet"], flags].concat()).settings
}

pub(super) fn clock() -> Clock {
    Clock::fixed(at(NOW))
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Opens admission on a loopback address.
pub(super) fn open(flags: &[&str], clock: &Clock) -> Result<Admission, AdmissionError> {
    let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Admission::open(&settings(flags), host, clock.clone(), None)
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// A file of tokens, and the secrets of those in it.
struct TokensFile {
    _directory: TempDir,
    path: PathBuf,
    reader: TokenSecret,
    writer: TokenSecret,
    nobody: TokenSecret,
}

impl TokensFile {
    /// A reader and a writer that expire at noon, and a token without scopes.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let [reader, writer, nobody] = std::array::from_fn(|_| TokenSecret::random().unwrap());
        let noon = Some(at("2026-11-01T12:00:00Z"));
        for (name, secret, scope) in [
            ("reader", &reader, Some(Scope::Read)),
            ("writer", &writer, Some(Scope::Write)),
            ("nobody", &nobody, None),
        ] {
            let scopes = scope.into_iter().collect();
            let token = TokenEntry::new(name, secret, scopes, at(NOW), noon).unwrap();
            tokens::append(&path, &token).unwrap();
        }
        Self {
            _directory: directory,
            path,
            reader,
            writer,
            nobody,
        }
    }

    fn flag(&self) -> String {
        format!("--tokens-file={}", self.path.display())
    }

    /// Changes the text of the file.
    fn edit(&self, edit: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.path).unwrap();
        write_private(&self.path, &edit(text));
    }
}

/// The name of the admitted caller, or the status.
async fn outcome(admission: &Admission, credential: Credential<'_>, required: Scope) -> String {
    match admission.admit(credential, required).await {
        Ok(caller) => caller.name().to_owned(),
        Err(rejection) => rejection.status().as_u16().to_string(),
    }
}

async fn reads_and_writes(admission: &Admission, credential: Credential<'_>) -> String {
    let read = outcome(admission, credential, Scope::Read).await;
    let write = outcome(admission, credential, Scope::Write).await;
    format!("{read} {write}")
}

#[tokio::test]
async fn permissions_match_the_table() {
    let file = TokensFile::new();
    let clock = clock();
    for (reads, writes, anonymous) in [
        (true, true, "anonymous anonymous"),
        (true, false, "anonymous 401"),
        (false, true, "401 anonymous"),
        (false, false, "401 401"),
    ] {
        let flags = [
            file.flag(),
            format!("--anonymous-reads={reads}"),
            format!("--anonymous-writes={writes}"),
        ];
        let admission = open(&flags.each_ref().map(|flag| &**flag), &clock).unwrap();
        for (credential, expected) in [
            (Credential::None, anonymous),
            (Credential::Unusable, "401 401"),
            (Credential::Bearer("bs_unknown"), "401 401"),
            (Credential::Bearer("a.b.c"), "401 401"),
            (Credential::Bearer(&"a".repeat(8_193)), "401 401"),
            (Credential::Bearer(file.reader.text()), "reader 403"),
            (Credential::Bearer(file.writer.text()), "writer writer"),
            (Credential::Bearer(file.nobody.text()), "403 403"),
        ] {
            let seen = reads_and_writes(&admission, credential).await;
            assert_eq!(seen, expected, "{credential:?} {reads} {writes}");
        }
    }
}

#[tokio::test]
async fn a_token_is_rejected_even_if_none_are_configured() {
    let admission = open(&[], &clock()).unwrap();
    let seen = reads_and_writes(&admission, Credential::None).await;
    assert_eq!(seen, "anonymous anonymous");
    for credential in [Credential::Unusable, Credential::Bearer("abc")] {
        assert_eq!(reads_and_writes(&admission, credential).await, "401 401");
    }
}

#[test]
fn an_http_rejection_follows_rfc_6750() {
    let shown = |rejection: Rejection| {
        let headers: HeaderMap = rejection.headers();
        assert_eq!(headers.len(), 1);
        let (name, value) = headers.iter().next().unwrap();
        let value = value.to_str().unwrap();
        let (status, code) = (rejection.status().as_u16(), rejection.code());
        format!("{status} {code}: {rejection}\n{name}: {value}")
    };
    insta::assert_snapshot!(shown(Rejection::TokenNeeded(Scope::Read)), @r#"
    401 UNAUTHENTICATED: this needs a token with the scope articles:read: send Authorization: Bearer TOKEN
    www-authenticate: Bearer realm="broadsheet", scope="articles:read"
    "#);
    insta::assert_snapshot!(shown(TokenError::Expired.into()), @r#"
    401 UNAUTHENTICATED: the token is not valid: it has expired
    www-authenticate: Bearer realm="broadsheet", error="invalid_token", error_description="it has expired"
    "#);
    insta::assert_snapshot!(shown(Rejection::InsufficientScope(Scope::Write)), @r#"
    403 FORBIDDEN: the token does not have the scope articles:write
    www-authenticate: Bearer realm="broadsheet", error="insufficient_scope", scope="articles:write"
    "#);
    insta::assert_snapshot!(shown(Rejection::KeysMissing), @r"
    503 UNAVAILABLE: the keys of the token's issuer are not available at the moment; try again later
    retry-after: 2
    ");
}

#[test]
fn every_token_error_is_valid_in_a_header() {
    use TokenError::*;
    for error in [
        Form,
        TooLong,
        Unknown,
        Expired,
        Malformed,
        Unsupported,
        Issuer,
        Audience,
        NoExpiry,
        NotYet,
        Key,
        Signature,
    ] {
        let headers = Rejection::from(error).headers();
        let value = headers["www-authenticate"].to_str().unwrap();
        assert_eq!(value.matches('"').count(), 6, "{value}");
    }
}

#[tokio::test]
async fn a_static_token_expires_at_its_time() {
    let file = TokensFile::new();
    let clock = clock();
    let admission = open(&[&file.flag()], &clock).unwrap();
    let reader = Credential::Bearer(file.reader.text());
    clock.set(at("2026-11-01T11:59:59.999999Z"));
    assert_eq!(outcome(&admission, reader, Scope::Read).await, "reader");
    clock.set(at("2026-11-01T12:00:00Z"));
    let rejection = admission.authenticate(reader).await.unwrap_err();
    assert_eq!(rejection, TokenError::Expired.into());
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_removed_token_is_revoked_on_reload() {
    let file = TokensFile::new();
    let admission = open(&[&file.flag()], &clock()).unwrap();
    let reader = Credential::Bearer(file.reader.text());
    file.edit(|text| text.replace("reader = ", "# reader = "));
    assert_eq!(outcome(&admission, reader, Scope::Read).await, "reader");
    admission.reload().unwrap();
    assert_eq!(outcome(&admission, reader, Scope::Read).await, "401");
    let writer = Credential::Bearer(file.writer.text());
    assert_eq!(outcome(&admission, writer, Scope::Write).await, "writer");
}

#[tokio::test]
async fn an_invalid_file_keeps_the_old_state_and_is_counted() {
    let file = TokensFile::new();
    let admission = open(&[&file.flag()], &clock()).unwrap();
    let reader = Credential::Bearer(file.reader.text());
    file.edit(|_| "reader = {".to_owned());
    let error = admission.reload().unwrap_err().to_string();
    assert!(error.contains("line 1: "), "{error}");
    assert_eq!(outcome(&admission, reader, Scope::Read).await, "reader");
    std::fs::remove_file(&file.path).unwrap();
    admission.reload().unwrap_err();
    assert_eq!(outcome(&admission, reader, Scope::Read).await, "reader");
    assert_eq!(admission.failed_reloads(), 2);
}

#[test]
fn an_invalid_or_missing_file_prevents_startup() {
    let file = TokensFile::new();
    file.edit(|text| text + "oops");
    let error = open(&[&file.flag()], &clock()).err().unwrap();
    assert!(matches!(error, AdmissionError::File(_)), "{error}");
    let error = open(&["--tokens-file=/nowhere/tokens"], &clock())
        .err()
        .unwrap();
    assert!(matches!(error, AdmissionError::File(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn open_sockets_are_notified_when_their_token_expires() {
    let file = TokensFile::new();
    let clock = clock();
    let admission = open(&[&file.flag()], &clock).unwrap();
    let reader = Credential::Bearer(file.reader.text());
    let caller = admission.admit(reader, Scope::Read).await.unwrap();
    let until = caller.until().unwrap();
    let ended = admission.ended(&caller);
    tokio::pin!(ended);
    let hours = Duration::from_hours(4);
    assert!(tokio::time::timeout(hours, &mut ended).await.is_err());
    clock.set(until);
    assert!(
        tokio::time::timeout(CHECK_INTERVAL, &mut ended)
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn open_sockets_are_notified_immediately_of_revoked_or_changed_tokens() {
    let changes: [fn(String) -> String; 3] = [
        |text| text.replace("reader = ", "# reader = "),
        |text| text.replace("reader = ", "somebody = "),
        |text| text.replacen("articles:read", "articles:write", 1),
    ];
    for change in changes {
        let file = TokensFile::new();
        let admission = open(&[&file.flag()], &clock()).unwrap();
        let mut callers = Vec::new();
        for credential in [
            Credential::None,
            Credential::Bearer(file.writer.text()),
            Credential::Bearer(file.reader.text()),
        ] {
            callers.push(admission.authenticate(credential).await.unwrap());
        }
        let reader = callers.pop().unwrap();
        let (others, waiting) = (admission.clone(), admission.clone());
        let ended = tokio::spawn(async move { waiting.ended(&reader).await });
        tokio::task::yield_now().await;
        // Reloading the same file closes nothing.
        admission.reload().unwrap();
        tokio::task::yield_now().await;
        assert!(!ended.is_finished());

        file.edit(change);
        admission.reload().unwrap();
        tokio::time::timeout(Duration::from_millis(1), ended)
            .await
            .unwrap()
            .unwrap();
        for other in &callers {
            let ended = others.ended(other);
            assert!(
                tokio::time::timeout(Duration::from_hours(1), ended)
                    .await
                    .is_err()
            );
        }
    }
}

#[test]
fn no_secret_is_shown() {
    let settings = settings(&["--jwt-secret=0123456789abcdef0123456789abcdef"]);
    assert!(!format!("{settings:?}").contains("0123"));
}
