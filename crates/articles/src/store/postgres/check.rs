//! What is in step with what on PostgreSQL: tables and triggers with the migrations, words with the articles.

mod schema;
mod words;
