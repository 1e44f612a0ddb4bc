//! `broadsheet token`, as an operator uses it.

use tempfile::TempDir;

use crate::program::{run, run_with_input};
use crate::support::assert_answer;

/// The path of a file that does not exist yet.
fn file() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.toml");
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

/// The output without parts that differ between runs.
fn masked(text: &str) -> String {
    let mask = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let mask = match bare.len() {
            52 if bare.starts_with("bs_") => "SECRET",
            64 => "SHA256",
            20 | 27 if bare.ends_with('Z') => "TIME",
            _ => return word.to_owned(),
        };
        word.replace(bare, mask)
    };
    text.replace('\t', " | ")
        .split_inclusive(char::is_whitespace)
        .map(mask)
        .collect()
}

#[tokio::test]
async fn a_new_token_is_printed_once_with_the_line_for_the_file() {
    let (code, output, error) = run(&["token", "new", "ci", "--scopes=articles:write"], &[]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    let (secret, line) = output.split_once('\n').unwrap();
    assert!(secret.starts_with("bs_") && secret.len() == 52, "{secret}");
    assert_answer!(masked(line), @r#"ci = { sha256 = "SHA256", scopes = ["articles:read", "articles:write"], created = TIME, expires = TIME }"#);
    assert!(!line.contains(&secret[3..]));
}

#[tokio::test]
async fn a_new_token_is_appended_to_a_file_and_found_in_it() {
    let (_directory, path) = file();
    let add = async |name: &str, more: &[&str]| {
        let flags = ["token", "new", name, "--append", &path, "--scopes"];
        let (code, output, error) = run(&[&flags, more].concat(), &[]).await;
        assert_eq!((code, error.as_str()), (0, ""));
        output.trim().to_owned()
    };
    let reader = add("reader", &["articles:read"]).await;
    let both = "articles:read,articles:write";
    add("writer", &[both, "--expires", "never"]).await;
    let over = add("over", &["articles:read", "--expires", "0s"]).await;

    let (_, listed, _) = run(&["token", "list"], &[("TOKENS_FILE", &path)]).await;
    assert_answer!(masked(&listed), @r"
    over | articles:read | created TIME | expired TIME
    reader | articles:read | created TIME | expires TIME
    writer | articles:read,articles:write | created TIME | never expires
    ");

    let check = async |token: &str, file: &[(&str, &str)]| {
        let (code, output, error) = run_with_input(&["token", "check"], file, token).await;
        assert!(!output.contains(token) && !error.contains(token));
        masked(&format!("{code} {output}{error}"))
    };
    let file = [("TOKENS_FILE", &*path)];
    assert_answer!(check(&format!("{reader}\n"), &file).await, @"0 reader | articles:read | created TIME | expires TIME");
    assert_answer!(check(&over, &file).await, @"1 broadsheet: the token has expired");
    assert_answer!(check(&reader, &[]).await, @"0 The token is well formed. To identify it, name its file: --tokens-file, or TOKENS_FILE.");
    assert_answer!(check(&reader.replace('_', "-"), &file).await, @"1 broadsheet: this is not a static token, or it was mistyped: its format or its checksum is wrong");
    let (_, stranger, _) = run(&["token", "new", "a", "--scopes=articles:read"], &[]).await;
    assert_answer!(check(stranger.lines().next().unwrap(), &file).await, @"1 broadsheet: the token is well formed, but it is not in the file");
}

#[tokio::test]
async fn a_token_that_cannot_be_created_leaves_no_trace() {
    let (_directory, path) = file();
    let new = async |arguments: &[&str]| {
        let flags = ["token", "new", "--append", &path];
        let (code, output, error) = run(&[&flags, arguments].concat(), &[]).await;
        assert_eq!(output, "");
        assert_ne!(code, 0);
        error.lines().next().unwrap_or_default().to_owned()
    };
    assert_answer!(new(&["ci"]).await, @"error: the following required arguments were not provided:");
    assert_answer!(new(&["ci", "--scopes=articles:publish"]).await, @"error: invalid value 'articles:publish' for '--scopes <SCOPES>': a scope is articles:read, articles:write or server:timing");
    assert_answer!(new(&["c i", "--scopes=articles:read"]).await, @"broadsheet: a token's name has 1 to 64 letters, digits, - and _, and does not begin with bs_");
    assert_answer!(new(&["ci", "--scopes=articles:read", "--expires=soon"]).await, @"error: invalid value 'soon' for '--expires <TIME>': expected number at 0");
    assert_answer!(new(&["ci", "--scopes=articles:read", "--expires=9000years"]).await, @"broadsheet: expected an instant between the years 1 and 9999 (UTC)");
    assert!(!std::fs::exists(&path).unwrap());
}
