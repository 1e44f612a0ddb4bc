//! How far the indexing of articles is, and what the log says of it.

use std::time::Duration;

use tokio::time::Instant;

/// How often the log reports the progress.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of a server that indexes all articles again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub done: i64,
    /// The number of articles when it began.
    pub total: i64,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} articles", self.done, self.total)
    }
}

/// Indexing that takes a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// All articles again.
    All(Progress),
    /// About this number of articles that were written without their words, for example by an import.
    Due(i64),
}

impl std::fmt::Display for Indexing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All(progress) => progress.fmt(f),
            Self::Due(left) => write!(f, "about {left} articles are left"),
        }
    }
}

/// What was logged last.
#[derive(Debug, Default)]
pub(super) struct LogState {
    pub(super) failed: bool,
    /// When progress was last logged.
    at: Option<Instant>,
}

impl LogState {
    /// Logs the progress from time to time, and the end.
    pub(super) fn progress(&mut self, indexing: Option<Indexing>) {
        match indexing {
            Some(indexing) if self.at.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL) => {
                self.at = Some(Instant::now());
                tracing::info!("indexing articles for the search, newest first: {indexing}");
            }
            None if self.at.take().is_some() => {
                tracing::info!("all articles are indexed for the search");
            }
            _ => {}
        }
    }
}
