//! Settings that contradict each other.

use super::signer::{Signer, jwks_file};
use crate::tests::{clock, open};

fn rejected(flags: &[&str]) -> String {
    open(flags, &clock()).err().unwrap().to_string()
}

/// The error for a file of issuers.
fn issuers(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let error = rejected(&[&format!("--jwt-issuers={}", file.path().display())]);
    error.replace(&*file.path().to_string_lossy(), "FILE")
}

#[test]
fn settings_without_keys_or_with_several_kinds_are_rejected() {
    for flags in [
        ["--jwt-issuer=a"],
        ["--jwt-audience=a"],
        ["--jwt-scopes-claim=a"],
    ] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(rejected(&flags), @"JWT_ISSUER, JWT_AUDIENCE and JWT_SCOPES_CLAIM need JWT_JWKS, JWT_SECRET or JWT_SECRET_FILE");
        }
    }
    let secret = "--jwt-secret=0123456789abcdef0123456789abcdef";
    for flags in [
        ["--jwt-jwks=a", secret],
        ["--jwt-jwks=a", "--jwt-secret-file=a"],
        ["--jwt-secret-file=a", secret],
    ] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(rejected(&flags), @"of JWT_JWKS, JWT_SECRET and JWT_SECRET_FILE only one can be set: an issuer either signs with a private key or shares a secret");
        }
    }
}

#[test]
fn a_file_of_issuers_is_validated() {
    let keys = jwks_file(&[Signer::ed().jwk("ed")]);
    let one = format!(
        "[[issuer]]\nissuer = \"a\"\naudience = []\njwks = {:?}\n",
        keys.path()
    );
    insta::assert_snapshot!(issuers(&one.repeat(2)), @"with several issuers, each needs its own name: set JWT_ISSUER, and list each issuer once");
    insta::assert_snapshot!(issuers(&format!("{one}secret = \"a\"\n")), @"FILE: line 5: unknown field `secret`, expected one of `issuer`, `audience`, `jwks`, `secret_file`, `scopes_claim`");
    insta::assert_snapshot!(issuers(&format!("{one}secret_file = \"a\"\n")), @"FILE: a: expected either jwks or secret_file");
    insta::assert_snapshot!(issuers("[[issuer]]\nissuer = \"a\"\naudience = []\n"), @"FILE: a: expected either jwks or secret_file");
    insta::assert_snapshot!(issuers("[[issuer]]\naudience = []\n"), @"FILE: line 1: missing field `issuer`");
    insta::assert_snapshot!(issuers("[issuer"), @"FILE: line 1: unclosed table, expected `]`");
}

#[test]
fn an_unnamed_issuer_must_be_the_only_one() {
    let keys = jwks_file(&[Signer::ed().jwk("ed")]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let one = format!(
        "[[issuer]]\nissuer = \"a\"\naudience = []\njwks = {:?}\n",
        keys.path()
    );
    std::fs::write(file.path(), one).unwrap();
    let issuers = format!("--jwt-issuers={}", file.path().display());
    let jwks = format!("--jwt-jwks={}", keys.path().display());
    insta::assert_snapshot!(rejected(&[&issuers, &jwks]), @"with several issuers, each needs its own name: set JWT_ISSUER, and list each issuer once");
    assert!(open(&[&issuers, &jwks, "--jwt-issuer=b"], &clock()).is_ok());
}

#[test]
fn an_unencrypted_url_is_rejected() {
    insta::assert_snapshot!(rejected(&["--jwt-jwks=http://a.example/jwks"]), @"the address of a key set: plain HTTP is for loopback addresses only, since who can change the answer on its way can sign: use https://");
    insta::assert_snapshot!(rejected(&["--jwt-jwks=ftp://a.example/jwks"]), @"the address of a key set: expected https://HOST/PATH, or http:// on a loopback address");
}
