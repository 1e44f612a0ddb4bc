//! `broadsheet export`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use super::progress::Progress;
use super::{AnyError, FileArgs, for_terminal, open};
use crate::cli::{Done, print};
use crate::config::DatabaseSettings;
use crate::store::Store;
use crate::transfer::write::ArticleWriter;
use crate::transfer::{Compression, Format};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    target: FileArgs,

    /// Replace an existing file
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    database: DatabaseSettings,
}

pub(in crate::cli) async fn export(arguments: ExportArgs) -> Done {
    let store = open(&arguments.database, false).await?;
    let done = export_from(&store, &arguments).await;
    store.close().await;
    let count = done?;
    let summary = format!("{}: {count} articles", arguments.target.file.display());
    match arguments.target.is_standard() {
        true => Ok(writeln!(io::stderr(), "{summary}")?),
        false => print(&format!("{summary}\n")),
    }
}

async fn export_from(store: &Store, arguments: &ExportArgs) -> Result<u64, AnyError> {
    let target = &arguments.target;
    let (format, compression) = target.form();
    let path = &target.file;
    let at_path = |error: io::Error| format!("{}: {error}", path.display());
    if target.is_standard() {
        return write_all(store, Box::new(io::stdout()), format, compression).await;
    }
    match fs::metadata(path) {
        // A pipe, or a device.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            let file = File::options().write(true).open(path).map_err(at_path)?;
            return write_all(store, Box::new(file), format, compression).await;
        }
        Ok(_) if !arguments.replace => {
            let path = path.display();
            return Err(format!("{path} already exists; --replace overwrites it").into());
        }
        _ => {}
    }
    // It is renamed when it is complete.
    let directory = path.parent().filter(|it| *it != Path::new(""));
    let file = tempfile::Builder::new()
        .prefix(".export-")
        .suffix(".partial")
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .map_err(at_path)?;
    let written = file.as_file().try_clone().map_err(at_path)?;
    let count = write_all(store, Box::new(written), format, compression).await?;
    file.as_file().sync_all().map_err(at_path)?;
    file.persist(path).map_err(|error| at_path(error.error))?;
    Ok(count)
}

async fn write_all(
    store: &Store,
    file: Box<dyn Write + Send>,
    format: Format,
    compression: Compression,
) -> Result<u64, AnyError> {
    let writer = Arc::new(Mutex::new(ArticleWriter::new(file, format, compression)?));
    let shared = Arc::clone(&writer);
    let mut progress = Progress::new();
    let mut row = 0;
    let count = store
        .export(move |article| {
            row += 1;
            progress.at(row);
            let mut writer = shared.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write(article)
        })
        .await
        .map_err(for_terminal)?;
    let writer = Arc::into_inner(writer).ok_or("the articles are still being read")?;
    let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
    writer.finish()?;
    Ok(count)
}
