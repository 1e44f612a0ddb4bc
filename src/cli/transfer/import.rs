//! `broadsheet import`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use tokio::sync::mpsc;

use super::progress::Progress;
use super::{AnyError, FileArgs, for_terminal, index, open};
use crate::cli::{Done, print};
use crate::config::DatabaseSettings;
use crate::store::Store;
use crate::store::import::{
    ImportIndex, ImportProgress, Imported, Incoming, OnConflict, PreparedRows,
};
use crate::transfer::read::{Chunk, ChunkSize, RecordError, Reject, Source};

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    #[command(flatten)]
    source: FileArgs,

    /// What to do with a row whose id or slug another article has
    #[arg(long, value_enum, default_value_t = ConflictArg::Error)]
    on_conflict: ConflictArg,

    /// What to do after a row that cannot be imported
    #[arg(long, value_enum, default_value_t = ErrorArg::Stop)]
    on_error: ErrorArg,

    /// A file for rows that were skipped because of errors, with the reason
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// When to index the imported articles for the search
    #[arg(long, value_enum, default_value_t = IndexArg::Now)]
    index: IndexArg,

    /// Start over, even if an import of this file was interrupted or has completed
    #[arg(long)]
    restart: bool,

    /// Begin a new epoch of the feed at the end: earlier cursors of clients expire
    #[arg(long)]
    new_epoch: bool,

    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ConflictArg {
    /// Treat it as an error
    Error,
    /// Skip the row
    Skip,
    /// Replace the other article
    Replace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ErrorArg {
    /// Stop the import
    Stop,
    /// Skip the row
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IndexArg {
    /// Before the command ends
    Now,
    /// In the background, by a server, newest first
    Later,
}

pub(in crate::cli) async fn import(arguments: ImportArgs) -> Done {
    let store = open(&arguments.database, true).await?;
    let began = Instant::now();
    let done = match Import::begin(&store, &arguments).await {
        Ok(Some(import)) => import.run().await,
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let epoch = match (&done, arguments.new_epoch) {
        (Ok(Some(_)), true) => Some(store.begin_feed_epoch().await?),
        _ => None,
    };
    let indexed = match (&done, arguments.index) {
        (Ok(_), IndexArg::Now) => index(&store, &mut Progress::new()).await,
        _ => Ok(()),
    };
    store.close().await;
    let file = arguments.source.file.display();
    let done = done?;
    indexed?;
    let Some(Total { imported, rejected }) = done else {
        return print(&format!(
            "{file}: all of its rows were imported before; --restart imports them again\n"
        ));
    };
    let Imported {
        created,
        replaced,
        skipped,
        ..
    } = imported;
    let epoch = epoch.map_or_else(String::new, |epoch| {
        format!(", epoch {} of the feed begins", epoch.0)
    });
    print(&format!(
        "{file}: {created} articles created, {replaced} replaced, {skipped} rows skipped, {rejected} rejected{epoch}, in {:.1} s\n",
        began.elapsed().as_secs_f64()
    ))
}

/// The totals of an import.
#[derive(Debug, Default)]
struct Total {
    imported: Imported,
    rejected: u64,
}

struct Import<'a> {
    store: &'a Store,
    arguments: &'a ImportArgs,
    source: Source,
    rejects: Option<BufWriter<File>>,
    progress: Progress,
    total: Total,
}

/// The maximum number of rejected rows that are printed.
const MAX_PRINTED: u64 = 100;

impl<'a> Import<'a> {
    /// Opens the source at the row where an import was interrupted; `None` where all of it was imported before.
    async fn begin(store: &'a Store, arguments: &'a ImportArgs) -> Result<Option<Self>, AnyError> {
        let file = &arguments.source;
        let progress = Progress::new();
        let at_file = |error: RecordError| format!("{}: {error}", file.file.display());
        let mut source = file.open(&progress).map_err(at_file)?;
        let before = match arguments.restart {
            true => None,
            false => store.import_progress(Source::name(&file.file)).await?,
        };
        let mut resumes = false;
        match before {
            // Standard input cannot be read a second time, so a finished import of it is not repeated.
            Some(before) if !(before.is_finished && file.is_standard()) => {
                let (skipped, is_same) = tokio::task::spawn_blocking(move || {
                    let is_same = source.skip(&before)?;
                    Ok::<_, RecordError>((source, is_same))
                })
                .await?
                .map_err(at_file)?;
                source = skipped;
                resumes = is_same;
                if before.is_finished {
                    if is_same && source.has_ended().map_err(at_file)? {
                        return Ok(None);
                    }
                    source = file.open(&progress).map_err(at_file)?;
                    resumes = false;
                } else if !is_same {
                    return Err(format!(
                        "{}: an import of it was interrupted after row {}, and those rows have changed since; \
                         --restart imports it from the beginning",
                        file.file.display(),
                        before.row_count
                    )
                    .into());
                } else {
                    tracing::info!(
                        row = before.row_count,
                        "the import continues where it was interrupted"
                    );
                }
            }
            _ => {}
        }
        let open = |path: &PathBuf| {
            let file = File::options()
                .create(true)
                .write(true)
                .append(resumes)
                .truncate(!resumes)
                .open(path);
            file.map(BufWriter::new)
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok(Some(Self {
            store,
            arguments,
            source,
            rejects: arguments.rejects.as_ref().map(open).transpose()?,
            progress,
            total: Total::default(),
        }))
    }

    /// Imports chunk after chunk, while a thread reads the next.
    async fn run(self) -> Result<Option<Total>, AnyError> {
        let Self {
            store,
            arguments,
            source,
            mut rejects,
            mut progress,
            mut total,
        } = self;
        let goes_on = arguments.on_error == ErrorArg::Skip;
        let on_conflict = match arguments.on_conflict {
            ConflictArg::Error => OnConflict::Error,
            ConflictArg::Skip => OnConflict::Skip,
            ConflictArg::Replace => OnConflict::Replace,
        };
        // Conflicts of a row are known only after it was handed over, so the rows are kept.
        let keeps = goes_on && on_conflict == OnConflict::Error;
        let index = match arguments.index {
            IndexArg::Now => ImportIndex::Now,
            IndexArg::Later => ImportIndex::Later,
        };
        let size = match store.sends_words(index) {
            true => ChunkSize::OF_ROWS_WITH_WORDS,
            false => ChunkSize::OF_ROWS,
        };
        let chunks = read(source, goes_on, size)?;
        let mut chunks = prepare(store, chunks, index, keeps);
        while let Some(chunk) = chunks.recv().await {
            let at_file = |error| format!("{}: {error}", arguments.source.file.display());
            let Prepared {
                rows,
                kept,
                rejects: mut rejected,
                progress: mark,
                stopped_at,
            } = chunk?.map_err(at_file)?;
            let imported = store.import(rows, on_conflict, !goes_on, Some(mark)).await;
            let imported = imported.map_err(for_terminal)?;
            for conflict in imported.conflicts {
                let mut rows = kept.iter().flatten();
                if let Some(row) = rows.find(|row| row.row == conflict.row) {
                    rejected.push(Reject::of(row, conflict.field, conflict.reason));
                }
            }
            total.imported.created += imported.created;
            total.imported.replaced += imported.replaced;
            total.imported.skipped += imported.skipped;
            report(&rejected, &mut total.rejected, rejects.as_mut())?;
            progress.at(mark.row_count);
            if let Some(reject) = stopped_at {
                return Err(format!("{reject}; the rows before it were imported").into());
            }
        }
        Ok(Some(total))
    }
}

/// A chunk of rows that are ready to be written.
struct Prepared {
    rows: PreparedRows,
    /// The original rows, if they were requested.
    kept: Option<Vec<Incoming>>,
    rejects: Vec<Reject>,
    progress: ImportProgress,
    stopped_at: Option<Reject>,
}

/// Reads chunks in a thread, one ahead.
fn read(
    source: Source,
    goes_on: bool,
    size: ChunkSize,
) -> io::Result<mpsc::Receiver<Result<Chunk, RecordError>>> {
    let (sender, chunks) = mpsc::channel(1);
    let reader = std::thread::Builder::new().name("import".to_owned());
    reader
        .spawn(move || source.read(goes_on, size, |chunk| sender.blocking_send(chunk).is_ok()))?;
    Ok(chunks)
}

/// Prepares a chunk while another is written.
fn prepare(
    store: &Store,
    mut chunks: mpsc::Receiver<Result<Chunk, RecordError>>,
    index: ImportIndex,
    keeps: bool,
) -> mpsc::Receiver<Result<Result<Prepared, RecordError>, AnyError>> {
    let (sender, prepared) = mpsc::channel(1);
    let store = store.clone();
    tokio::spawn(async move {
        while let Some(chunk) = chunks.recv().await {
            let ready = match chunk {
                Ok(chunk) => {
                    let kept = keeps.then(|| chunk.rows.clone());
                    let rows = store.prepare_rows(chunk.rows, index).await;
                    rows.map_err(for_terminal).map(|rows| {
                        Ok(Prepared {
                            rows,
                            kept,
                            rejects: chunk.rejects,
                            progress: chunk.progress,
                            stopped_at: chunk.stopped_at,
                        })
                    })
                }
                Err(error) => Ok(Err(error)),
            };
            if sender.send(ready).await.is_err() {
                return;
            }
        }
    });
    prepared
}

/// Prints the first rejected rows, and writes all of them to the file for rejected rows.
fn report(
    rejected: &[Reject],
    count: &mut u64,
    file: Option<&mut BufWriter<File>>,
) -> io::Result<()> {
    for reject in rejected {
        *count += 1;
        if *count <= MAX_PRINTED {
            writeln!(io::stderr(), "{reject}")?;
        } else if *count == MAX_PRINTED + 1 {
            writeln!(io::stderr(), "more rows are rejected than are printed here")?;
        }
    }
    if let Some(file) = file {
        for reject in rejected {
            file.write_all(reject.to_line().as_bytes())?;
        }
        file.flush()?;
    }
    Ok(())
}
