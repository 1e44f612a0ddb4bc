//! Checks that the words of articles are current on PostgreSQL.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use diesel_async::RunQueryDsl as _;

use super::super::vector::{TsVector, Vector, Words};
use crate::article::ArticleId;
use crate::error::Result;
use crate::store::check::WordsCheck;
use crate::store::connection::Connection;
use crate::store::indexing::{MAX_ARTICLES, STORED_RULES};
use crate::store::sql::types::Id;
use crate::store::{Access, Store};
use postgres_connect::PgConnection;

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = Id)]
    id: ArticleId,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    text: String,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = TsVector)]
    search: Vector,
    #[diesel(sql_type = Integer)]
    search_version: i32,
    #[diesel(sql_type = Integer)]
    search_rules: i32,
}

#[derive(QueryableByName)]
struct Part {
    #[diesel(sql_type = Id)]
    article_id: ArticleId,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = TsVector)]
    search: Vector,
}

impl Store {
    pub(in crate::store) async fn check_words_of_postgres(&self) -> Result<WordsCheck> {
        let mut check = WordsCheck::default();
        let mut after = None;
        loop {
            let (next, last) = self
                .run_in_task(Access::Read, move |connection| {
                    Box::pin(async move {
                        let Connection::Postgres(connection) = connection else {
                            return Ok((check, None));
                        };
                        let last = batch(connection, after, &mut check).await?;
                        Ok((check, last))
                    })
                })
                .await?;
            check = next;
            match last {
                None => return Ok(check),
                last => after = last,
            }
        }
    }
}

/// Checks the articles that follow an id, and returns the id of the last.
async fn batch(
    connection: &mut PgConnection,
    after: Option<ArticleId>,
    check: &mut WordsCheck,
) -> Result<Option<ArticleId>> {
    let stored: Vec<Stored> = diesel::sql_query(
        "SELECT id, title, left(text, 100000) AS text, version, search, search_version, search_rules FROM article
        WHERE $1 IS NULL OR id > $1 ORDER BY id LIMIT $2",
    )
    .bind::<Nullable<Id>, _>(after)
    .bind::<BigInt, _>(MAX_ARTICLES)
    .load(connection)
    .await?;
    let ids: Vec<ArticleId> = stored.iter().map(|stored| stored.id).collect();
    let parts: Vec<Part> = diesel::sql_query(
        "SELECT article_id, version, search FROM article_search_part WHERE article_id = ANY ($1) ORDER BY part",
    )
    .bind::<Array<Id>, _>(&ids)
    .load(connection)
    .await?;
    let mut parts_of: HashMap<(ArticleId, i32), Vec<Vector>> = HashMap::new();
    for part in parts {
        let of = parts_of.entry((part.article_id, part.version));
        of.or_default().push(part.search);
    }
    for article in stored {
        let words = Words::of(&article.title, &article.text);
        let parts = parts_of.remove(&(article.id, article.version));
        let is_current = article.search_version == article.version
            && article.search_rules == STORED_RULES
            && article.search == words.vector
            && parts.unwrap_or_default() == words.parts;
        check.add(article.id, is_current);
    }
    Ok(ids.last().copied())
}
