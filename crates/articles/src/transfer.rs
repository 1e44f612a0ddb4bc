//! Articles in files: the formats that `broadsheet import` reads and `broadsheet export` writes. Independent of the
//! databases, except for the store's row types.
//!
//! NDJSON has one object per line; CSV has a header line, and then a record for each article. Both are read and
//! written one article at a time, so the size of the file does not matter.

pub mod demonstration;
pub mod read;
mod record;
mod row;
pub mod write;

use std::path::Path;

/// The format of articles in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Ndjson,
    Csv,
}

/// The compression of a file.
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

/// The format and compression by the file's extension: `articles.csv.gz`. The default is uncompressed NDJSON.
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
