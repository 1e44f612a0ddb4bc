use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::caller::{Scope, Scopes};
use broadsheet_articles::clock::Timestamp;

const READ: Scopes = Scopes {
    read: true,
    write: false,
    timing: false,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The path of a private file with these contents, and the directory that must outlive it.
fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.toml");
    write_private(&path, text);
    (directory, path)
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn problem(text: &str) -> String {
    let (_directory, path) = file(text);
    entries(&path).unwrap_err().problem.to_string()
}

fn new_token(name: &str, byte: u8, expires: Option<&str>) -> TokenEntry {
    let secret = TokenSecret::from_bytes([byte; 32]);
    let created = at("2026-11-01T09:00:00.654321Z");
    TokenEntry::new(name, &secret, READ, created, expires.map(at)).unwrap()
}

#[test]
fn a_new_token_is_a_line_that_can_be_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.toml");
    let secret = TokenSecret::from_bytes([1; 32]);
    let scopes = [Scope::Write].into_iter().collect();
    let created = at("2026-11-01T09:00:00.654321Z");
    let expires = Some(at("2027-01-30T09:00:00Z"));
    let token = TokenEntry::new("front-end_2", &secret, scopes, created, expires).unwrap();
    append(&path, &token).unwrap();
    append(&path, &new_token("other", 2, None)).unwrap();

    insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"
    front-end_2 = { sha256 = "e4ec31dd5b4fcb1e05ff8b3bab02447160d2f39dbcb6a243f637796084e8b1f9", scopes = ["articles:read", "articles:write"], created = 2026-11-01T09:00:00Z, expires = 2027-01-30T09:00:00Z }
    other = { sha256 = "381410972cf7b63231edfb9d5c6ab94f0f372d35e665420d32c156c39ddeca9f", scopes = ["articles:read"], created = 2026-11-01T09:00:00Z }
    "#);
    let read = entries(&path).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].name, "front-end_2");
    assert!(read[0].is_of(secret.text()));
    assert!(!read[1].is_of(secret.text()));
    assert_eq!(read[0].scopes, scopes);
    assert_eq!(read[0].created, at("2026-11-01T09:00:00Z"));
    assert_eq!(read[0].expires, expires);
    assert_eq!(read[1].expires, None);
}

#[cfg(unix)]
#[test]
fn a_new_file_is_private_to_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.toml");
    append(&path, &new_token("one", 1, None)).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_line_is_appended_after_an_unterminated_one_and_names_are_unique() {
    let (_directory, path) = file("# ours");
    append(&path, &new_token("one", 1, None)).unwrap();
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("# ours\none = { sha256")
    );
    let again = append(&path, &new_token("one", 2, None)).unwrap_err();
    insta::assert_snapshot!(again, @"the file already has a token of that name: choose another, or delete its line");
    assert_eq!(entries(&path).unwrap().len(), 1);
}

#[test]
fn a_name_is_of_letters_digits_hyphens_and_underscores() {
    let secret = TokenSecret::from_bytes([1; 32]);
    let longest = "a".repeat(64);
    let too_long = "a".repeat(65);
    let named = |name| TokenEntry::new(name, &secret, READ, Timestamp::MIN, None);
    assert!(named(&longest).is_ok());
    for wrong in ["", " ", "a b", "a.b", "é", "a\nb", "bs_a", &too_long] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(named(wrong).unwrap_err(), @"a token's name has 1 to 64 letters, digits, - and _, and does not begin with bs_");
        }
    }
}

#[test]
fn errors_name_the_line_and_do_not_repeat_its_text() {
    let line = |name: &str, byte| new_token(name, byte, None).to_string();
    let good = line("one", 1);
    let digest = TokenSecret::from_bytes([1; 32]).digest().to_string();
    insta::assert_snapshot!(problem(&format!("{good}\nbs_secret")), @"line 2: key with no value, expected `=`");
    insta::assert_snapshot!(problem(&format!("{good}\n{}", line("one", 2))), @"line 2: duplicate key");
    insta::assert_snapshot!(problem(&format!("{good}\n{}", line("two", 1))), @r#"the token "two": it is also there under another name"#);
    insta::assert_snapshot!(problem(&good.replace("read", "publish")), @r#"the token "one": scopes: a scope is articles:read, articles:write or server:timing"#);
    insta::assert_snapshot!(problem(&good.replace(&digest, "bs_secret")), @r#"the token "one": sha256: a SHA-256 has 64 hexadecimal digits"#);
    insta::assert_snapshot!(problem(&good.replace("09:00:00Z", "09:00:00")), @r#"the token "one": created: expected an RFC 3339 instant such as 2026-01-31T09:30:00.123456Z"#);
    insta::assert_snapshot!(problem(&good.replace("scopes", "scope")), @"line 1: unknown field `scope`, expected one of `sha256`, `scopes`, `created`, `expires`");
    insta::assert_snapshot!(problem(&good.replace("one", "\"a b\"")), @r#"the token "a b": a token's name has 1 to 64 letters, digits, - and _, and does not begin with bs_"#);
    let named = good.replace("one", "bs_secret");
    insta::assert_snapshot!(problem(&named), @r#"the token "bs_…": a token's name has 1 to 64 letters, digits, - and _, and does not begin with bs_"#);
    insta::assert_snapshot!(problem("one = 1"), @"line 1: invalid type: integer `1`, expected { sha256, scopes, created, expires }");
}

#[test]
fn an_empty_file_is_allowed_and_a_missing_one_is_not() {
    let (directory, path) = file("# none yet\n");
    assert_eq!(entries(&path).unwrap().len(), 0);
    assert!(entries(&directory.path().join("missing")).is_err());
}
