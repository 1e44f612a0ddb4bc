//! Static tokens: their form, and the file that describes them.

use std::io;

use broadsheet::admission::tokens::{entries, is_well_formed};
use tempfile::NamedTempFile;

use crate::target::{Target, ensure, kind, magnitude, text};

/// A token with a valid checksum that is in no file.
const TOKEN: &str = "bs_00000000000000000000000000000000000000000002CZclj";

pub(crate) struct TokenFile(NamedTempFile);

impl TokenFile {
    pub(crate) fn new() -> io::Result<Self> {
        NamedTempFile::new().map(Self)
    }

    /// The lines of the file's entries, or why the file is invalid.
    fn read(&self, text: &str) -> Result<Vec<String>, String> {
        std::fs::write(self.0.path(), text).map_err(|error| error.to_string())?;
        let entries = entries(self.0.path()).map_err(|error| error.to_string())?;
        Ok(entries.iter().map(ToString::to_string).collect())
    }
}

impl Target for TokenFile {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let digest = "0123456789abcdef".repeat(4);
        let entry = format!(
            r#"ci = {{ sha256 = "{digest}", scopes = ["articles:read", "articles:write"], created = 2026-11-01T09:00:00Z, expires = 2027-01-30T09:00:00.5+01:00 }}"#
        );
        let table = format!(
            "# a comment\n[deploy-1]\nsha256 = \"{digest}\"\nscopes = []\ncreated = 2026-11-01T09:00:00Z\n"
        );
        [TOKEN.to_owned(), entry, table, String::new()]
            .map(Into::into)
            .into()
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            "bs_",
            "sha256",
            "scopes",
            "\"articles:read\"",
            "expires = 2027-01-30",
            "[a]",
            "a = ",
            "{ ",
            " }",
            "\n",
            "[[b]]",
            "é",
            "0001-01-01T00:00:00Z",
        ]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        let input = text(input);
        let is_token = is_well_formed(&input);
        if is_token {
            // The checksum detects every mistyped character.
            for at in 0..input.len() {
                let other = if input.get(at..=at) == Some("a") {
                    "b"
                } else {
                    "a"
                };
                let mut mistyped = input.to_string();
                mistyped.replace_range(at..=at, other);
                ensure(!is_well_formed(&mistyped), || {
                    format!("{input} and {mistyped}")
                })?;
            }
        }
        let outcome = match self.read(&input) {
            Ok(lines) => {
                let again = self.read(&lines.join("\n"))?;
                ensure(again == lines, || {
                    format!("{lines:?} are read as {again:?}")
                })?;
                let names = lines.iter().all(|line| !line.starts_with("bs_"));
                ensure(names, || {
                    format!("a name that looks like a secret: {lines:?}")
                })?;
                kind((
                    "read",
                    magnitude(lines.len()),
                    lines.iter().any(|line| line.contains("expires")),
                ))
            }
            Err(error) => {
                // An error repeats no secret.
                ensure(!input.contains(TOKEN) || !error.contains(TOKEN), || {
                    error.clone()
                })?;
                // The part of the message before anything that it repeats of the file.
                let message = error
                    .rsplit_once(": ")
                    .map_or(&*error, |(_, message)| message);
                kind(
                    message
                        .chars()
                        .take_while(|c| !"`\"'".contains(*c))
                        .collect::<String>(),
                )
            }
        };
        Ok(kind((is_token, outcome)))
    }
}
