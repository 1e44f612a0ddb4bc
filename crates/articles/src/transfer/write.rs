//! Writing articles: [`ArticleWriter`].

use std::io::{self, BufWriter, Write};

use flate2::write::GzEncoder;
use serde::Serialize;

use super::{Compression, FIELDS, Format};
use crate::article::Article;

/// Writes articles in a format, compressed.
pub struct ArticleWriter(Encoder);

enum Encoder {
    Ndjson(Compressed),
    Csv(csv::Writer<Compressed>),
}

/// A file with its compression.
enum Compressed {
    None(BufWriter<Box<dyn Write + Send>>),
    Gzip(BufWriter<GzEncoder<Box<dyn Write + Send>>>),
    Zstd(BufWriter<zstd::Encoder<'static, Box<dyn Write + Send>>>),
}

/// An article as a line of NDJSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    id: String,
    title: &'a str,
    slug: &'a str,
    text: &'a str,
    created_at: String,
    updated_at: String,
    version: i32,
}

const BUFFER: usize = 128 * 1024;

impl ArticleWriter {
    pub fn new(
        file: Box<dyn Write + Send>,
        format: Format,
        compression: Compression,
    ) -> io::Result<Self> {
        let file = match compression {
            Compression::None => Compressed::None(BufWriter::with_capacity(BUFFER, file)),
            Compression::Gzip => {
                let encoder = GzEncoder::new(file, flate2::Compression::default());
                Compressed::Gzip(BufWriter::with_capacity(BUFFER, encoder))
            }
            Compression::Zstd => {
                let encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                Compressed::Zstd(BufWriter::with_capacity(BUFFER, encoder))
            }
        };
        Ok(Self(match format {
            Format::Ndjson => Encoder::Ndjson(file),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(file);
                writer.write_record(FIELDS)?;
                Encoder::Csv(writer)
            }
        }))
    }

    pub fn write(&mut self, article: &Article) -> io::Result<()> {
        let id = article.id.to_string();
        let created_at = article.created_at.to_string();
        let updated_at = article.updated_at.to_string();
        match &mut self.0 {
            Encoder::Ndjson(file) => {
                let line = Line {
                    id,
                    title: &article.title,
                    slug: &article.slug,
                    text: &article.text,
                    created_at,
                    updated_at,
                    version: article.version,
                };
                serde_json::to_writer(&mut *file, &line)?;
                file.write_all(b"\n")
            }
            Encoder::Csv(writer) => {
                let version = article.version.to_string();
                let [title, slug, text] =
                    [&article.title, &article.slug, &article.text].map(String::as_str);
                let record = [&id, title, slug, text, &created_at, &updated_at, &version];
                Ok(writer.write_record(record)?)
            }
        }
    }

    /// Writes what is buffered. Without this call the file is truncated.
    pub fn finish(self) -> io::Result<()> {
        let file = match self.0 {
            Encoder::Ndjson(file) => file,
            Encoder::Csv(writer) => writer.into_inner().map_err(|error| {
                let kind = error.error().kind();
                io::Error::new(kind, error.error().to_string())
            })?,
        };
        let mut file = match file {
            Compressed::None(file) => file.into_inner()?,
            Compressed::Gzip(file) => file.into_inner()?.finish()?,
            Compressed::Zstd(file) => file.into_inner()?.finish()?,
        };
        file.flush()
    }
}

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(file) => file.write(bytes),
            Self::Gzip(file) => file.write(bytes),
            Self::Zstd(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(file) => file.flush(),
            Self::Gzip(file) => file.flush(),
            Self::Zstd(file) => file.flush(),
        }
    }
}
