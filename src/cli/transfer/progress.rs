//! The progress of an import or export: a bar on a terminal, otherwise occasional lines.

use std::io::{IsTerminal as _, Read};
use std::time::{Duration, Instant};

use crate::store;
use indicatif::{ProgressBar, ProgressBarIter, ProgressStyle};

const LINE_INTERVAL: Duration = Duration::from_secs(10);

const BYTES: &str =
    "{bar:30} {percent} % of {total_bytes}, {binary_bytes_per_sec}, {eta} left, {msg}";
const ROWS: &str = "{spinner} {elapsed}, {msg}";

pub(super) struct Progress {
    bar: ProgressBar,
    began: Instant,
    last_line: Instant,
    first_row: Option<u64>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::no_length().with_style(style(ROWS)),
            false => ProgressBar::hidden(),
        };
        let now = Instant::now();
        Self {
            bar,
            began: now,
            last_line: now,
            first_row: None,
        }
    }

    /// A reader of a file with this length, which advances the bar.
    pub(super) fn read<R: Read>(&self, file: R, length: u64) -> ProgressBarIter<R> {
        self.bar.set_length(length);
        self.bar.set_position(0);
        self.bar.set_style(style(BYTES));
        self.bar.wrap_read(file)
    }

    /// This number of rows is done.
    pub(super) fn at(&mut self, row: u64) {
        let now = Instant::now();
        let first = *self.first_row.get_or_insert(row);
        let is_due = now.duration_since(self.last_line) >= LINE_INTERVAL;
        if !is_due && (self.bar.is_hidden() || !row.is_multiple_of(500)) {
            return;
        }
        let rate = self.rate(row - first);
        if self.bar.is_hidden() {
            self.last_line = now;
            tracing::info!(rows = row, rows_per_second = rate, "under way");
        } else {
            self.bar.set_message(format!("row {row}, {rate} rows/s"));
            self.bar.tick();
        }
    }

    /// Another kind of work follows.
    pub(super) fn begin_again(&mut self) {
        self.began = Instant::now();
        self.bar.set_style(style(ROWS));
    }

    /// The progress of indexing.
    pub(super) fn indexed(&mut self, progress: store::Progress) {
        let now = Instant::now();
        let rate = self.rate(progress.done.cast_unsigned());
        if !self.bar.is_hidden() {
            let message = format!("indexed {progress} for the search, {rate} a second");
            self.bar.set_message(message);
            self.bar.tick();
        } else if now.duration_since(self.last_line) >= LINE_INTERVAL {
            self.last_line = now;
            let store::Progress { done, total } = progress;
            tracing::info!(
                done,
                total,
                articles_per_second = rate,
                "indexing for the search"
            );
        }
    }

    fn rate(&self, done: u64) -> u64 {
        done / self.began.elapsed().as_secs().max(1)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
