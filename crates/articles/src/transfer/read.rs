//! Reading articles from a file in chunks, each of which becomes a transaction.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use super::record::RecordError;
use super::record::Records;
use super::row::{self, Fault};
use super::{Compression, Format};
use crate::store::import::{ImportProgress, Incoming};

/// How much a chunk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSize {
    /// The most rows.
    rows: usize,
    /// About the most bytes of their texts.
    bytes: usize,
}

impl ChunkSize {
    /// For rows without words: so many are written in a fraction of a second, for which other writers wait.
    pub const OF_ROWS: Self = Self {
        rows: 2_000,
        bytes: 2 * 1024 * 1024,
    };

    /// For rows with the words that they are found by, all of which are in memory at once. They take several times as
    /// much as the texts.
    pub const OF_ROWS_WITH_WORDS: Self = Self {
        rows: 1_000,
        bytes: 1024 * 1024,
    };
}

/// Rows to be imported together, and how far the source has been read then.
#[derive(Debug)]
pub struct Chunk {
    pub rows: Vec<Incoming>,
    /// Those that are no articles.
    pub rejects: Vec<Reject>,
    pub progress: ImportProgress,
    /// Why the source is not read any further.
    pub stopped_at: Option<Reject>,
}

/// A row that is not imported.
#[derive(Debug, Clone)]
pub struct Reject {
    pub row: u64,
    /// Empty where it is the whole row.
    pub field: &'static str,
    pub reason: String,
    record: Value,
}

impl Reject {
    /// A row that is valid, but cannot be imported.
    pub fn of(row: &Incoming, field: &'static str, reason: String) -> Self {
        let Incoming { id, new, .. } = row;
        let record = json!({
            "id": id.map(|id| id.to_string()),
            "title": new.title.as_str(),
            "slug": new.slug.as_ref().map(crate::article::Slug::as_str),
            "text": new.text.as_str(),
            "createdAt": new.created_at.map(|instant| instant.to_string()),
            "updatedAt": row.updated_at.map(|instant| instant.to_string()),
            "version": row.version,
        });
        Self {
            row: row.row,
            field,
            reason,
            record,
        }
    }

    /// As a line of the file of rejected rows.
    pub fn to_line(&self) -> String {
        let Self {
            row,
            field,
            reason,
            record,
        } = self;
        let object = json!({ "row": row, "field": field, "reason": reason, "record": record });
        format!("{object}\n")
    }
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field {
            "" => write!(f, "row {}: {}", self.row, self.reason),
            field => write!(f, "row {}: {field}: {}", self.row, self.reason),
        }
    }
}

/// What is imported, under a name by which an import that was interrupted is known again.
pub struct Source {
    records: Records,
    name: [u8; 32],
}

impl Source {
    pub fn new(
        name: [u8; 32],
        file: Box<dyn Read + Send>,
        format: Format,
        compression: Compression,
    ) -> Result<Self, RecordError> {
        Ok(Self {
            records: Records::new(file, format, compression)?,
            name,
        })
    }

    /// The name of a file, or of standard input.
    pub fn name(path: &Path) -> [u8; 32] {
        let path: PathBuf = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Sha256::digest(path.as_os_str().as_encoded_bytes()).into()
    }

    /// Reads as many rows as were imported before; answers whether they are those.
    pub fn skip(&mut self, progress: &ImportProgress) -> Result<bool, RecordError> {
        while self.records.row() < progress.row_count {
            if self.records.next()?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.records.digest() == progress.digest)
    }

    /// Whether nothing more can be read.
    pub fn has_ended(&mut self) -> Result<bool, RecordError> {
        Ok(self.records.next()?.is_none())
    }

    /// Reads everything, and gives each chunk to `take` until that is `false`. Where a row is no article, reading ends in
    /// front of it, or, where `goes_on` is set, goes on behind it.
    pub fn read(
        mut self,
        goes_on: bool,
        size: ChunkSize,
        mut take: impl FnMut(Result<Chunk, RecordError>) -> bool,
    ) {
        loop {
            let chunk = self.chunk(goes_on, size);
            let is_last = match &chunk {
                Ok(chunk) => chunk.progress.is_finished || chunk.stopped_at.is_some(),
                Err(_) => true,
            };
            if !take(chunk) || is_last {
                return;
            }
        }
    }

    fn chunk(&mut self, goes_on: bool, size: ChunkSize) -> Result<Chunk, RecordError> {
        let mut rows = Vec::new();
        let mut rejects = Vec::new();
        let mut bytes = 0;
        while rows.len() + rejects.len() < size.rows && bytes < size.bytes {
            let Some(record) = self.records.next()? else {
                return Ok(Chunk {
                    rows,
                    rejects,
                    progress: self.progress(true),
                    stopped_at: None,
                });
            };
            let row = self.records.row();
            match row::read(&record, row) {
                Ok(None) => {}
                Ok(Some(incoming)) => {
                    bytes += incoming.new.text.as_str().len();
                    rows.push(incoming);
                }
                Err(Fault { field, reason }) => {
                    let before = ImportProgress {
                        source: self.name,
                        row_count: row - 1,
                        digest: self.records.digest_before_last(),
                        is_finished: false,
                    };
                    let reject = Reject {
                        row,
                        field,
                        reason,
                        record: row::to_json(&record),
                    };
                    if !goes_on {
                        return Ok(Chunk {
                            rows,
                            rejects,
                            progress: before,
                            stopped_at: Some(reject),
                        });
                    }
                    bytes += reject.reason.len();
                    rejects.push(reject);
                }
            }
        }
        Ok(Chunk {
            rows,
            rejects,
            progress: self.progress(false),
            stopped_at: None,
        })
    }

    fn progress(&self, is_finished: bool) -> ImportProgress {
        ImportProgress {
            source: self.name,
            row_count: self.records.row(),
            digest: self.records.digest(),
            is_finished,
        }
    }
}
