//! The lines of a log: their formats for [`tracing_subscriber`], and a writer to standard error.
//!
//! ```
//! use broadsheet_log::{TextFields, TextLine, ToStderr};
//!
//! tracing_subscriber::fmt()
//!     .with_writer(ToStderr)
//!     .event_format(TextLine)
//!     .fmt_fields(TextFields)
//!     .init();
//! tracing::info!(articles = 3, "imported");
//! // 2026-11-26T22:19:51.043787Z  INFO rust_out: imported articles=3
//! ```

mod fields;
mod json;
mod lines;
#[cfg(test)]
mod tests;
mod text;

pub use self::json::{JsonFields, JsonLine};
pub use self::lines::{Line, REQUESTS, ToStderr, write_now};
pub use self::text::{TextFields, TextLine};
