//! How long the parts of preparing an operation took.

use std::time::Duration;

/// How long the parts of preparing an operation took. A part is `None` where its result was in the cache, or where
/// an earlier part has failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the document's text to its syntax tree.
    pub parse: Option<Duration>,
    /// Checking the syntax tree against the limits and the schema.
    pub validate: Option<Duration>,
}
