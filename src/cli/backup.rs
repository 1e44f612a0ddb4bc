//! `broadsheet backup` and `broadsheet restore`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::{Done, print};
use crate::config::DatabaseSettings;
use crate::store::backup::{self, Checksum, Summary};

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The backup to create
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace an existing file
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace an existing database, which is lost
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    database: DatabaseSettings,
}

pub(super) async fn backup(arguments: BackupArgs) -> Done {
    let began = Instant::now();
    let summary = backup::backup(&arguments.database, &arguments.file, arguments.replace).await?;
    let (file, took) = (arguments.file.display(), began.elapsed().as_secs_f64());
    print(&format!(
        "{file}: {}, checked, in {took:.1} s\n",
        described(summary)
    ))
}

pub(super) async fn restore(arguments: RestoreArgs) -> Done {
    let began = Instant::now();
    let restored = backup::restore(&arguments.database, &arguments.file, arguments.replace).await?;
    if restored.checksum == Checksum::Missing {
        tracing::warn!(
            file = %arguments.file.display(),
            "this file was not made by `broadsheet backup`, so damage within a text cannot be detected; everything \
             else was checked"
        );
    }
    print(&format!(
        "{}, epoch {} of the feed begins, in {:.1} s\n",
        described(restored.summary),
        restored.epoch.0,
        began.elapsed().as_secs_f64()
    ))
}

fn described(summary: Summary) -> String {
    let Summary {
        bytes, articles, ..
    } = summary;
    let articles = match articles {
        1 => "1 article".to_owned(),
        count => format!("{count} articles"),
    };
    match summary.position {
        Some(position) => format!("{bytes} bytes, {articles}, feed at {position}"),
        None => format!("{bytes} bytes, {articles}, no feed yet"),
    }
}
