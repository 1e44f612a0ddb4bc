//! The types of the schema, a file for each group.

mod article;
mod change;
mod connection;
mod excerpt;

pub(crate) use self::article::{Article, Node};
pub(crate) use self::change::{ArticleChange, ArticleChangeKind, ArticleChangePage};
pub(crate) use self::connection::ArticleConnection;
pub(crate) use self::excerpt::Excerpt;

/// The prewritten types.
pub(super) const PREWRITTEN: [&str; 2] = ["Article", "ArticleEdge"];
