//! Reads articles from a file in chunks, each of which becomes a transaction.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use super::record::RecordError;
use super::record::Records;
use super::row::{self, Fault};
use super::{Compression, Format};
use crate::store::import::{ImportProgress, Incoming};

/// The size of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSize {
    /// The maximum number of rows.
    rows: usize,
    /// The approximate maximum bytes of their texts.
    bytes: usize,
}

impl ChunkSize {
    /// For rows without words: writing this number takes a fraction of a second, for which other writers wait.
    pub const OF_ROWS: Self = Self {
        rows: 4_000,
        bytes: 4 * 1024 * 1024,
    };

    /// For rows with their words, which are all in memory at the same time. They take several times as much as the
    /// texts.
    pub const OF_ROWS_WITH_WORDS: Self = Self {
        rows: 1_000,
        bytes: 1024 * 1024,
    };
}

/// Rows to be imported together, and the progress after them.
#[derive(Debug)]
pub struct Chunk {
    pub rows: Vec<Incoming>,
    /// Rows that are not valid articles.
    pub rejects: Vec<Reject>,
    pub progress: ImportProgress,
    /// Why reading has stopped.
    pub stopped_at: Option<Reject>,
}

/// A rejected row.
#[derive(Debug, Clone)]
pub struct Reject {
    pub row: u64,
    /// Empty for the whole row.
    pub field: &'static str,
    pub reason: String,
    record: Value,
}

impl Reject {
    /// A valid row that cannot be imported.
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

    /// The line for the file of rejected rows.
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

/// The source of an import, with a name that identifies it after an interruption.
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

    /// Skips the rows that were imported before; returns whether they are unchanged.
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

    /// Reads everything, and passes each chunk to `take` until that returns `false`. At an invalid row, reading stops
    /// before it, or continues after it if `goes_on` is set.
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
