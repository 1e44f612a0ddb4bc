//! Checks of PostgreSQL databases: the schema against the migrations, and the words against the articles.

mod schema;
mod words;
