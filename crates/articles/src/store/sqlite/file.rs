//! The file of an SQLite database: problems that prevent its use.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::super::{OpenError, chain};

/// The first bytes of every database that is not empty.
const SIGNATURE: [u8; 16] = *b"SQLite format 3\0";

/// Turns a permanent error into one with the path and the cause. Others are temporary: another program has locked the
/// file.
pub(super) fn explain(error: OpenError, path: &Path) -> OpenError {
    let cause = match error {
        OpenError::Connect(cause) | OpenError::Refused(cause) => cause,
        error => return error,
    };
    let message = chain(&*cause);
    if message.contains("is locked") || message.contains("is busy") || message.contains("Timeout") {
        return OpenError::Connect(cause);
    }
    unusable(path, fault(path).unwrap_or(message))
}

/// The error where the file must already exist, and does not.
pub(super) fn require(path: &Path) -> Result<(), OpenError> {
    match fs::exists(path) {
        Ok(true) => Ok(()),
        _ => Err(unusable(
            path,
            fault(path).unwrap_or_else(|| "there is no such file".to_owned()),
        )),
    }
}

fn unusable(path: &Path, why: String) -> OpenError {
    OpenError::File {
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        why,
    }
}

/// What is wrong with the file or its directory, for which SQLite only says "unable to open database file".
fn fault(path: &Path) -> Option<String> {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    match fs::metadata(path) {
        Ok(it) if it.is_dir() => Some("it is a directory".to_owned()),
        Ok(it) if !it.is_file() => Some("it is not a file".to_owned()),
        Ok(_) => match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) => Some(error.to_string()),
            Ok(file) if !is_database(&file) => Some("it is not an SQLite database".to_owned()),
            Ok(_) => fault_of_directory(directory),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => fault_of_directory(directory),
        Err(error) => Some(error.to_string()),
    }
}

/// SQLite's log is beside the file, so the directory must always accept new files.
fn fault_of_directory(directory: &Path) -> Option<String> {
    let shown = directory.display();
    match fs::metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Some(format!("the directory {shown} does not exist"))
        }
        Err(error) => Some(error.to_string()),
        Ok(it) if !it.is_dir() => Some(format!("{shown} is not a directory")),
        Ok(_) => tempfile::tempfile_in(directory)
            .err()
            .map(|error| format!("no file can be created in {shown}: {}", root(&error))),
    }
}

/// The error without the path that tempfile adds.
fn root(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    }
}

fn is_database(file: &File) -> bool {
    let mut start = Vec::new();
    let read = file.take(16).read_to_end(&mut start);
    read.is_err() || start.is_empty() || start == SIGNATURE
}
