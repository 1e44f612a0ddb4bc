//! Reads the records of a file one by one, without interpreting them.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::{Compression, FIELDS, Format};

/// The maximum bytes of a record: a longer one, or one with an unterminated quote, would take all memory.
pub(super) const MAX_BYTES: u64 = 64 * 1024 * 1024;

const BUFFER: usize = 128 * 1024;

/// A record as it is in the file.
#[derive(Debug, Clone)]
pub(super) enum Record {
    /// A line, without its line break.
    Line(Vec<u8>),
    /// The values of the columns, in the order of [`FIELDS`]; `None` for a column that the file does not have.
    Columns([Option<Vec<u8>>; FIELDS.len()]),
}

/// Why no more records can be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("row {0} has more than 64 MiB")]
    TooLong(u64),
    #[error(
        "the first line of CSV must name the columns, each once, among them title and text; known are {known}",
        known = FIELDS.join(", ")
    )]
    Header,
    #[error("row {row} is not CSV with as many columns as the first line: {why}")]
    Csv { row: u64, why: String },
}

/// Reads records, and keeps the SHA-256 of those that were read.
pub(super) struct Records {
    reader: Reader,
    row: u64,
    digest: Sha256,
    /// The digest without the last record.
    before: Sha256,
}

enum Reader {
    Lines(BufReader<Box<dyn Read + Send>>),
    Csv {
        reader: csv::Reader<Limited>,
        /// For each column of the file, its index in [`FIELDS`].
        columns: Vec<usize>,
        /// The number of bytes of the record that were read.
        read: Arc<AtomicU64>,
    },
}

impl Records {
    pub(super) fn new(
        file: Box<dyn Read + Send>,
        format: Format,
        compression: Compression,
    ) -> Result<Self, RecordError> {
        let file: Box<dyn Read + Send> = match compression {
            Compression::None => file,
            Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(file))),
            Compression::Zstd => Box::new(zstd::Decoder::new(file)?),
        };
        let reader = match format {
            Format::Ndjson => {
                let mut reader = BufReader::with_capacity(BUFFER, file);
                skip_byte_order_mark(&mut reader)?;
                Reader::Lines(reader)
            }
            Format::Csv => csv_reader(file)?,
        };
        Ok(Self {
            reader,
            row: 0,
            digest: Sha256::new(),
            before: Sha256::new(),
        })
    }

    /// The number of the last record, starting at 1.
    pub(super) fn row(&self) -> u64 {
        self.row
    }

    /// The SHA-256 of all records that were read.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    /// The SHA-256 of all records except the last.
    pub(super) fn digest_before_last(&self) -> [u8; 32] {
        self.before.clone().finalize().into()
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, RecordError> {
        let row = self.row + 1;
        let record = match &mut self.reader {
            Reader::Lines(reader) => line(reader, row)?.map(Record::Line),
            Reader::Csv {
                reader,
                columns,
                read,
            } => {
                read.store(0, Ordering::Relaxed);
                let mut record = ByteRecord::new();
                match reader.read_byte_record(&mut record) {
                    Ok(false) => None,
                    Ok(true) => Some(Record::Columns(sorted(&record, columns))),
                    Err(error) => return Err(csv_error(error, row)),
                }
            }
        };
        let Some(record) = record else {
            return Ok(None);
        };
        self.row = row;
        self.before.clone_from(&self.digest);
        match &record {
            Record::Line(line) => {
                self.digest.update(line);
                self.digest.update(b"\n");
            }
            Record::Columns(columns) => {
                for column in columns {
                    let bytes = column.as_deref().unwrap_or_default();
                    self.digest.update((bytes.len() as u64).to_be_bytes());
                    self.digest.update(bytes);
                }
            }
        }
        Ok(Some(record))
    }
}

fn skip_byte_order_mark(reader: &mut impl BufRead) -> io::Result<()> {
    // A newly filled buffer has at least three bytes, unless the file is shorter, or a pipe delivers fewer at first.
    if reader.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        reader.consume(3);
    }
    Ok(())
}

/// The next line without its end, `\n` or `\r\n`.
fn line(reader: &mut impl BufRead, row: u64) -> Result<Option<Vec<u8>>, RecordError> {
    let mut line = Vec::new();
    if reader.take(MAX_BYTES + 2).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        line.pop_if(|byte| *byte == b'\r');
    }
    match line.len() as u64 <= MAX_BYTES {
        true => Ok(Some(line)),
        false => Err(RecordError::TooLong(row)),
    }
}

fn csv_reader(file: Box<dyn Read + Send>) -> Result<Reader, RecordError> {
    let read = Arc::new(AtomicU64::new(0));
    let file = Limited {
        file,
        read: Arc::clone(&read),
    };
    let mut reader = csv::ReaderBuilder::new()
        .buffer_capacity(BUFFER)
        .from_reader(file);
    let header = reader.byte_headers().map_err(|error| csv_error(error, 0))?;
    let column = |name: &[u8]| {
        // The names that `/api/v1/articles/` uses are accepted too.
        let name = match name {
            b"created_at" => b"createdAt",
            b"updated_at" => b"updatedAt",
            name => name,
        };
        FIELDS.iter().position(|field| field.as_bytes() == name)
    };
    let columns: Option<Vec<usize>> = header.iter().map(column).collect();
    let columns = columns.ok_or(RecordError::Header)?;
    let is_once = |field: &usize| columns.iter().filter(|it| *it == field).count() == 1;
    let needed = ["title", "text"].map(|name| FIELDS.iter().position(|field| *field == name));
    let has_needed = needed.iter().flatten().all(|field| columns.contains(field));
    if !has_needed || !columns.iter().all(is_once) {
        return Err(RecordError::Header);
    }
    Ok(Reader::Csv {
        reader,
        columns,
        read,
    })
}

fn sorted(record: &ByteRecord, columns: &[usize]) -> [Option<Vec<u8>>; FIELDS.len()] {
    let mut sorted = [const { None }; FIELDS.len()];
    for (value, column) in record.iter().zip(columns) {
        sorted[*column] = Some(value.to_vec());
    }
    sorted
}

fn csv_error(error: csv::Error, row: u64) -> RecordError {
    let why = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            RecordError::TooLong(row)
        }
        csv::ErrorKind::Io(error) => RecordError::Read(error),
        _ => RecordError::Csv { row, why },
    }
}

/// Fails where a record is too long.
struct Limited {
    file: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let before = self.read.fetch_add(count as u64, Ordering::Relaxed);
        match before > MAX_BYTES {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(count),
        }
    }
}
