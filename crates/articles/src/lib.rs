//! Articles and where they are kept, on SQLite or PostgreSQL: the part of Broadsheet that knows nothing of GraphQL and HTTP.
//!
//! [`article`] has the values and their rules, [`store`] the statements (nothing else names Diesel), [`feed`] follows the
//! changes, [`transfer`] reads and writes files of articles. [`error`], [`clock`], [`budget`] and [`log_limit`] are known to
//! all of them.

pub mod article;
pub mod budget;
pub mod clock;
pub mod error;
pub mod feed;
pub mod log_limit;
pub mod store;
pub mod transfer;
