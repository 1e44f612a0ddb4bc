//! Reads the small files that admission depends on, and the certificate of TLS.

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
    #[error("its mode is {0:03o}, so that others may read or change it: chmod 640, or stricter")]
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

    /// The message of the TOML parser without the line that it quotes, which may contain a secret.
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

/// Reads a file that may be public, such as a set of public keys, but that other users must not be able to change,
/// because they could then admit themselves.
pub fn read(path: &Path) -> Result<String, FileError> {
    contents(path, 0o002).map_err(|problem| problem.of(path))
}

/// Reads a file that other users can neither read nor change.
///
/// The group may read it, because that is how a service with its own user gets a file that root owns, and how
/// Kubernetes gives secrets to a container (`fsGroup`).
pub fn read_private(path: &Path) -> Result<String, FileError> {
    contents(path, 0o027).map_err(|problem| problem.of(path))
}

/// The contents of a file, unless its mode has one of the bits in `exposed`.
fn contents(path: &Path, exposed: u32) -> Result<String, Problem> {
    let file = File::open(path)?;
    // Checks the open file, so that no other file can take its place between the check and the read.
    check_mode(&file, exposed)?;
    let mut text = String::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_string(&mut text)?;
    match text.len() > MAX_BYTES {
        true => Err(Problem::TooLarge),
        false => Ok(text),
    }
}

#[cfg(unix)]
fn check_mode(file: &File, exposed: u32) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    match mode & exposed {
        0 => Ok(()),
        _ => Err(Problem::Exposed(mode)),
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "Unix has something to check")]
fn check_mode(_file: &File, _exposed: u32) -> Result<(), Problem> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_write_is_rejected_and_a_private_one_that_they_can_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_with = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).unwrap();
            let is_exposed = |read: Result<String, FileError>| match read {
                Ok(_) => false,
                Err(FileError {
                    problem: Problem::Exposed(seen),
                    ..
                }) => seen == mode,
                Err(error) => panic!("{error}"),
            };
            let [public, private] = [read, read_private].map(|read| read(file.path()));
            (is_exposed(public), is_exposed(private))
        };
        for mode in [0o600, 0o400, 0o640, 0o440] {
            assert_eq!(read_with(mode), (false, false), "{mode:o}");
        }
        for mode in [0o644, 0o604, 0o601, 0o660, 0o620, 0o664, 0o755] {
            assert_eq!(read_with(mode), (false, true), "{mode:o}");
        }
        for mode in [0o602, 0o666, 0o777] {
            assert_eq!(read_with(mode), (true, true), "{mode:o}");
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
