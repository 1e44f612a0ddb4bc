//! `broadsheet import`, `broadsheet export` and `broadsheet seed`.

mod export;
mod import;
mod progress;
mod seed;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

pub(super) use self::export::{ExportArgs, export};
pub(super) use self::import::{ImportArgs, import};
use self::progress::Progress;
pub(super) use self::seed::{SeedArgs, seed};
use crate::clock::Clock;
use crate::config::{DatabaseSettings, DatabaseUrl, SqliteLocation};
use crate::error::Error;
use crate::store::Store;
use crate::transfer::read::{RecordError, Source};
use crate::transfer::{self, Compression, Format};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Args)]
struct FileArgs {
    /// The file, or - for standard input or output. Its name gives the format: .ndjson or .csv, followed by .gz or .zst if compressed
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The format, if the name does not give it [default: ndjson]
    #[arg(long, value_enum)]
    format: Option<FormatArg>,

    /// The compression, if the name does not give it [default: none]
    #[arg(long, value_enum)]
    compression: Option<CompressionArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    /// One JSON object per line
    Ndjson,
    /// A header line, then a record for each article
    Csv,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompressionArg {
    None,
    Gzip,
    Zstd,
}

impl FileArgs {
    fn is_standard(&self) -> bool {
        self.file == Path::new("-")
    }

    fn form(&self) -> (Format, Compression) {
        let (format, compression) = transfer::by_ending(&self.file);
        let format = self.format.map_or(format, |format| match format {
            FormatArg::Ndjson => Format::Ndjson,
            FormatArg::Csv => Format::Csv,
        });
        let compression = self.compression.map_or(compression, |it| match it {
            CompressionArg::None => Compression::None,
            CompressionArg::Gzip => Compression::Gzip,
            CompressionArg::Zstd => Compression::Zstd,
        });
        (format, compression)
    }

    fn open(&self, progress: &Progress) -> Result<Source, RecordError> {
        let file: Box<dyn Read + Send> = if self.is_standard() {
            Box::new(io::stdin())
        } else {
            let file = File::open(&self.file)?;
            let length = file.metadata()?.len();
            Box::new(progress.read(file, length))
        };
        let (format, compression) = self.form();
        Source::new(Source::name(&self.file), file, format, compression)
    }
}

/// Opens a database for work that may take long.
async fn open(database: &DatabaseSettings, migrate: bool) -> Result<Store, AnyError> {
    if database.force_roll_back {
        return Err("a sandbox would roll it back immediately: unset DB_FORCE_ROLL_BACK".into());
    }
    if let DatabaseUrl::Sqlite(SqliteLocation::File(path)) = &database.url
        && !migrate
        && !path.exists()
    {
        return Err(format!("there is no database at {}", path.display()).into());
    }
    let settings = DatabaseSettings {
        statement_timeout: Duration::ZERO,
        ..database.clone()
    };
    Ok(Store::open(&settings, Clock::system(), migrate).await?)
}

/// Indexes articles that were written without words.
async fn index(store: &Store, progress: &mut Progress) -> Result<(), AnyError> {
    progress.begin_again();
    let indexed = store.index_what_is_due(|done| progress.indexed(done));
    match indexed.await {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = for_terminal(error);
            Err(format!("all rows were imported, but not all of them could be indexed for the search: {why}; a server \
                         indexes the rest").into())
        }
    }
}

/// Formats an error of the store for the command line.
fn for_terminal(error: Error) -> AnyError {
    match error {
        Error::Internal(cause) => cause.to_string().into(),
        error => error.into(),
    }
}
