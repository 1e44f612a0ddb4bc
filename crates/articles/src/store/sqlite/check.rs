//! Checks of SQLite databases: the schema against the migrations, the pages, and the words against the articles.

mod schema;
mod words;
