//! Articles and their storage on SQLite or PostgreSQL: the part of Broadsheet that is independent of GraphQL and HTTP.
//!
//! [`article`] has the values and their rules, [`store`] the statements (nothing else uses Diesel), [`feed`] follows
//! the changes, [`transfer`] reads and writes files of articles. All of them use [`error`], [`clock`], [`budget`] and
//! [`log_limit`].

pub mod article;
pub mod budget;
pub mod clock;
pub mod error;
pub mod feed;
pub mod log_limit;
pub mod store;
pub mod transfer;
