//! Reading the small files that admission rests on.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}", path = path.display())]
pub struct FileError {
    pub path: PathBuf,
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("its mode is {0:03o}, so that others may read or change it: chmod 600 (or 640)")]
    Exposed(u32),
    #[error("line {line}: {message}")]
    Line { line: usize, message: String },
    #[error("{0}")]
    Content(String),
}

impl Problem {
    pub(super) fn of(self, path: &Path) -> FileError {
        FileError {
            path: path.to_owned(),
            problem: self,
        }
    }

    /// What TOML says, without the line itself, where somebody may have put a secret.
    pub(super) fn toml(error: &toml::de::Error, text: &str) -> Self {
        let before = error
            .span()
            .map_or("", |span| text.get(..span.start).unwrap_or(text));
        Self::Line {
            line: 1 + before.matches('\n').count(),
            message: error.message().to_owned(),
        }
    }
}

/// The largest file that is read.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads a file that may be public, such as a set of public keys.
pub(super) fn read(path: &Path) -> Result<String, FileError> {
    contents(path, false).map_err(|problem| problem.of(path))
}

/// Reads a file that others can neither read nor change.
///
/// The group may read it: so a service that runs under a user of its own gets a file that root keeps, and Kubernetes
/// gives secrets to a container (`fsGroup`).
pub(super) fn read_private(path: &Path) -> Result<String, FileError> {
    contents(path, true).map_err(|problem| problem.of(path))
}

fn contents(path: &Path, private: bool) -> Result<String, Problem> {
    let file = File::open(path)?;
    // Of the file that is open, so that nobody can put another in its place meanwhile.
    if private {
        check_mode(&file)?;
    }
    let mut text = String::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_string(&mut text)?;
    match text.len() > MAX_BYTES {
        true => Err(Problem::TooLarge),
        false => Ok(text),
    }
}

#[cfg(unix)]
fn check_mode(file: &File) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    /// Writing by the group, and anything by others.
    const EXPOSED: u32 = 0o027;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    match mode & EXPOSED {
        0 => Ok(()),
        _ => Err(Problem::Exposed(mode)),
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "Unix has something to check")]
fn check_mode(_file: &File) -> Result<(), Problem> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_refused_where_others_may_read_or_change_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_with = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).unwrap();
            read_private(file.path()).map_err(|error| error.problem.to_string())
        };
        for private in [0o600, 0o400, 0o640, 0o440] {
            assert_eq!(read_with(private), Ok(String::new()), "{private:o}");
        }
        for exposed in [0o644, 0o604, 0o602, 0o601, 0o660, 0o620, 0o666, 0o777] {
            let error = read_with(exposed).unwrap_err();
            let expected = format!("its mode is {exposed:o}, so that others may read or change it");
            assert!(error.starts_with(&expected), "{error}");
            assert!(read(file.path()).is_ok());
        }
    }

    #[test]
    fn a_file_is_read_up_to_a_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a".repeat(MAX_BYTES)).unwrap();
        assert_eq!(read(file.path()).unwrap().len(), MAX_BYTES);
        std::fs::write(file.path(), "a".repeat(MAX_BYTES + 1)).unwrap();
        let error = read(file.path()).unwrap_err().problem;
        assert!(matches!(error, Problem::TooLarge), "{error}");
    }
}
