//! Articles and their storage on SQLite or PostgreSQL: the part of Broadsheet that is independent of GraphQL and HTTP.
//!
//! [`article`] has the values and their rules, [`store`] the statements (nothing else uses Diesel), [`feed`] follows
//! the changes, [`transfer`] reads and writes files of articles. All of them use [`error`], [`clock`], [`budget`] and
//! [`log_limit`].
//!
//! ```
//! use broadsheet_articles::article::{NewArticle, Text, Title};
//! use broadsheet_articles::clock::Clock;
//! use broadsheet_articles::store::{DatabaseSettings, Store};
//! use clap::Parser;
//!
//! #[derive(Parser)]
//! struct Flags {
//!     #[command(flatten)]
//!     database: DatabaseSettings,
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Flags::parse_from(["program", "--database-url", "sqlite::memory:"]);
//! let store = Store::open(&flags.database, Clock::system(), true).await?;
//! let new = NewArticle {
//!     title: Title::new("Hello, world".to_owned()).map_err(|violation| violation.0)?,
//!     slug: None,
//!     text: Text::new("The first article.".to_owned()).map_err(|violation| violation.0)?,
//!     created_at: None,
//! };
//! assert_eq!(store.create_article(new).await?.slug, "hello-world");
//! store.close().await;
//! # Ok(())
//! # }
//! ```

pub mod article;
pub mod budget;
pub mod clock;
pub mod error;
pub mod feed;
pub mod log_limit;
pub mod store;
pub mod transfer;
