//! The SQL that both databases share: tables, column types, statements, and the trait for the differences.
//!
//! Decision: `docs/decisions/0005-one-code-for-two-databases.md`.

pub(super) mod dialect;
pub(super) mod filter;
pub(super) mod idempotency;
pub(super) mod select;
pub(super) mod stored;
pub(super) mod tables;
pub(super) mod types;
pub(super) mod write;
