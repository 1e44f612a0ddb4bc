//! What clients see: a file for each group of types of the schema.

mod article;
mod change;
mod connection;
mod excerpt;

pub(crate) use self::article::{Article, Node};
pub(crate) use self::change::{ArticleChange, ArticleChangeKind, ArticleChangePage};
pub(crate) use self::connection::ArticleConnection;
pub(crate) use self::excerpt::Excerpt;

/// The types that write themselves wherever they are the type of a field.
pub(super) const PREWRITTEN: [&str; 2] = ["Article", "ArticleEdge"];
