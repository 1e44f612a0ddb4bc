//! What is in step with what on SQLite: tables and triggers with the migrations, pages with each other, words with the
//! articles.

mod schema;
mod words;
