//! The URL of a database.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;

/// A database, parsed from its URL.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(SqliteLocation),
    /// The whole URL, which may contain a password.
    Postgres(String),
}

/// The location of an SQLite database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteLocation {
    File(PathBuf),
    /// In the memory of this process.
    Memory,
}

/// A database URL that cannot be parsed. The message repeats nothing of the URL, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    #[error("expected sqlite:PATH, sqlite::memory:, postgres://… or postgresql://…")]
    Unknown,
    #[error("instead of a file: URI write sqlite:PATH, or sqlite::memory:")]
    FileUri,
    #[error(
        "the path of an SQLite file may be followed by ?mode=rwc, which is the default, and sqlite::memory: by \
         ?mode=memory or ?cache=shared; nothing else is supported"
    )]
    SqliteParameter,
    #[error(
        "in sqlite:PATH the path is not percent-encoded: write a space instead of %20, for example (a path that \
         contains such a % cannot be used)"
    )]
    PercentEncoded,
    #[error("a database in memory is written sqlite::memory:")]
    NearlyMemory,
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        // A secret that was read from a file often ends in a line break.
        let (scheme, rest) = url
            .trim()
            .split_once(':')
            .ok_or(DatabaseUrlError::Unknown)?;
        match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("postgres" | "postgresql") if rest.starts_with("//") => {
                Ok(Self::Postgres(format!("{scheme}:{rest}")))
            }
            "sqlite" => SqliteLocation::parse(rest).map(Self::Sqlite),
            "file" => Err(DatabaseUrlError::FileUri),
            _ => Err(DatabaseUrlError::Unknown),
        }
    }
}

impl SqliteLocation {
    /// Parses the part after `sqlite:`: `PATH`, `//PATH`, or `:memory:`.
    fn parse(rest: &str) -> Result<Self, DatabaseUrlError> {
        let (path, parameters) = match rest.split_once('?') {
            Some((path, parameters)) => (path, parameters),
            None => (rest, ""),
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        let (location, understood): (_, &[&str]) = match path {
            "" => return Err(DatabaseUrlError::Unknown),
            // With three slashes, as SQLAlchemy writes it.
            ":memory:" | "/:memory:" => (
                Self::Memory,
                &["mode=memory", "cache=shared", "cache=private"],
            ),
            _ if path.contains(':') && is_memory(path) => {
                return Err(DatabaseUrlError::NearlyMemory);
            }
            // SQLite would treat it as a URI with its own parameters.
            _ if path.starts_with("file:") => return Err(DatabaseUrlError::FileUri),
            _ if has_percent_encoding(path) => return Err(DatabaseUrlError::PercentEncoded),
            _ => (Self::File(path.into()), &["mode=rwc"]),
        };
        match parameters
            .split('&')
            .all(|parameter| parameter.is_empty() || understood.contains(&parameter))
        {
            true => Ok(location),
            false => Err(DatabaseUrlError::SqliteParameter),
        }
    }
}

fn is_memory(path: &str) -> bool {
    path.trim_matches([':', '/']).eq_ignore_ascii_case("memory")
}

fn has_percent_encoding(path: &str) -> bool {
    path.as_bytes().windows(3).any(|three| {
        matches!(three, [b'%', one, other] if one.is_ascii_hexdigit() && other.is_ascii_hexdigit())
    })
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(location) => f.debug_tuple("Sqlite").field(location).finish(),
            Self::Postgres(_) => f.write_str("Postgres(…)"),
        }
    }
}

/// Parses a URL. clap's own error would repeat it, including a password.
#[derive(Clone)]
pub(super) struct DatabaseUrlParser;

impl TypedValueParser for DatabaseUrlParser {
    type Value = DatabaseUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<DatabaseUrl, clap::Error> {
        let url = value.to_str().unwrap_or_default();
        url.parse().map_err(|error: DatabaseUrlError| {
            let message = format!("the database URL is invalid: {error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_recognized_from_its_url() {
        let file = |path: &str| Ok(DatabaseUrl::Sqlite(SqliteLocation::File(path.into())));
        let postgres = |url: &str| Ok(DatabaseUrl::Postgres(url.to_owned()));
        for (url, expected) in [
            ("sqlite:a.db", file("a.db")),
            ("sqlite://a.db", file("a.db")),
            ("sqlite:///var/a.db", file("/var/a.db")),
            ("sqlite:/var/a b.db", file("/var/a b.db")),
            ("sqlite:100%.db", file("100%.db")),
            ("sqlite:a.db?mode=rwc", file("a.db")),
            ("SQLite:a.db\n", file("a.db")),
            ("postgres://h/d", postgres("postgres://h/d")),
            (" Postgres://h/d\n", postgres("postgres://h/d")),
            ("postgresql://h/d?a=b", postgres("postgresql://h/d?a=b")),
        ] {
            assert_eq!(url.parse(), expected, "{url:?}");
        }
        for url in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite:///:memory:",
            "sqlite::memory:?cache=shared",
            "sqlite::memory:?mode=memory&cache=shared",
        ] {
            let memory = DatabaseUrl::Sqlite(SqliteLocation::Memory);
            assert_eq!(url.parse(), Ok(memory), "{url:?}");
        }
    }

    #[test]
    fn a_misleading_url_is_rejected() {
        use DatabaseUrlError::{FileUri, NearlyMemory, PercentEncoded, SqliteParameter, Unknown};
        for (url, expected) in [
            ("", Unknown),
            ("sqlite:", Unknown),
            ("sqlite:?mode=rwc", Unknown),
            ("mysql://h/d", Unknown),
            ("a.db", Unknown),
            ("postgres:h", Unknown),
            ("file:a.db?mode=ro", FileUri),
            ("sqlite:file:a.db?mode=memory", FileUri),
            ("sqlite:a.db?mode=ro", SqliteParameter),
            ("sqlite:a.db?mode=rwc&cache=shared", SqliteParameter),
            ("sqlite::memory:?mode=rwc", SqliteParameter),
            ("sqlite:what?.db", SqliteParameter),
            ("sqlite:my%20articles.db", PercentEncoded),
            ("sqlite::memory", NearlyMemory),
            ("sqlite:memory:", NearlyMemory),
            ("sqlite::MEMORY:", NearlyMemory),
        ] {
            assert_eq!(url.parse::<DatabaseUrl>(), Err(expected), "{url:?}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url: DatabaseUrl = "postgres://u:secret@h/d".parse().unwrap();
        assert_eq!(format!("{url:?}"), "Postgres(…)");
    }
}
