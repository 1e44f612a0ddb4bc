//! Articles in files: what `broadsheet import` reads and `broadsheet export` writes. Knows no database but the store's rows.
//!
//! NDJSON has an object a line, CSV a line of names and then a record for each article. Both are read and written one
//! article at a time, however large the file is.

pub mod demonstration;
pub mod read;
mod record;
mod row;
pub mod write;

use std::path::Path;

/// How articles stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Ndjson,
    Csv,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// The columns of CSV, which are also the fields of NDJSON, in the order in which they are written.
const FIELDS: [&str; 7] = [
    "id",
    "title",
    "slug",
    "text",
    "createdAt",
    "updatedAt",
    "version",
];

/// What the ending of a file's name says: `articles.csv.gz`. Without one it is NDJSON, not compressed.
pub fn by_ending(path: &Path) -> (Format, Compression) {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let (name, compression) = [(".gz", Compression::Gzip), (".zst", Compression::Zstd)]
        .into_iter()
        .find_map(|(ending, compression)| Some((name.strip_suffix(ending)?, compression)))
        .unwrap_or((&name, Compression::None));
    let format = match name.strip_suffix(".csv") {
        Some(_) => Format::Csv,
        None => Format::Ndjson,
    };
    (format, compression)
}

#[cfg(test)]
mod tests;
