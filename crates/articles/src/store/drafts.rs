//! Articles that are to be written, with their words for the search where these are sent with them.

use std::num::NonZero;
use std::thread::available_parallelism;

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::future::try_join_all;

use super::bulk_creates::MANY;
use super::connection::Connection;
use super::postgres::vector::Words;
use super::sql::tables::article;
use super::sql::write::{EditedWords, Update};
use super::{Database, Store};
use crate::article::{Article, ArticleId, NewArticle, Slug, Text, Title};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// Drafts with more bytes of text than this are split into words on blocking threads.
pub(super) const LONG: usize = 64 * 1024;

/// An article that is to be created.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) article: Article,
    /// Its slug, or the beginning of its slug.
    pub(super) slug: Slug,
    /// Whether the slug is generated from the title.
    pub(super) derived: bool,
    /// The words for the search, where they are sent with the article.
    pub(super) words: Option<Words>,
}

impl Draft {
    fn make_words(&mut self) {
        self.words = Some(Words::of(&self.article.title, &self.article.text));
    }

    /// Sets those of these values that an imported article already has.
    pub(super) fn with(
        mut self,
        id: Option<ArticleId>,
        updated_at: Option<Timestamp>,
        version: Option<i32>,
    ) -> Self {
        let article = &mut self.article;
        article.id = id.unwrap_or(article.id);
        article.updated_at = updated_at.unwrap_or(article.updated_at);
        article.version = version.unwrap_or(article.version);
        self
    }
}

impl Store {
    /// As [`drafts`](Self::drafts), for one article.
    pub(super) async fn one_draft(&self, new: NewArticle, now: Timestamp) -> Result<Draft> {
        let draft = self.drafts(vec![new], now).await?.pop();
        draft.ok_or_else(|| Error::internal("an article was not drafted"))
    }

    /// The articles to be created. The words of many are computed while they are inserted.
    pub(super) async fn drafts_to_create(
        &self,
        new: Vec<NewArticle>,
        now: Timestamp,
    ) -> Result<Vec<Draft>> {
        match new.len() < MANY {
            true => self.drafts(new, now).await,
            false => Ok(self.drafts_without_words(new, now)),
        }
    }

    /// The articles to be created, with their words where these are sent with them. Computing the words of long texts
    /// takes time, so it must not block other tasks.
    pub(super) async fn drafts(&self, new: Vec<NewArticle>, now: Timestamp) -> Result<Vec<Draft>> {
        let mut drafts = self.drafts_without_words(new, now);
        let make = match &self.0.database {
            Database::Postgres(_) => Draft::make_words,
            // They are made where they are indexed.
            Database::Sqlite(_) => return Ok(drafts),
        };
        let bytes: usize = drafts.iter().map(|draft| draft.article.text.len()).sum();
        if bytes <= LONG {
            drafts.iter_mut().for_each(make);
            return Ok(drafts);
        }
        let threads = available_parallelism().map_or(1, NonZero::get);
        let part = drafts.len().div_ceil(threads.min(bytes / LONG));
        let mut parts = Vec::new();
        while !drafts.is_empty() {
            let rest = drafts.split_off(part.min(drafts.len()));
            parts.push(tokio::task::spawn_blocking(move || {
                drafts.iter_mut().for_each(make);
                drafts
            }));
            drafts = rest;
        }
        let parts = try_join_all(parts).await.map_err(Error::internal)?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// As [`drafts`](Self::drafts), for articles that are indexed later.
    pub(super) fn drafts_without_words(&self, new: Vec<NewArticle>, now: Timestamp) -> Vec<Draft> {
        new.into_iter().map(|new| self.draft(new, now)).collect()
    }

    /// The article to be created, and the slug that its own is generated from.
    fn draft(&self, new: NewArticle, now: Timestamp) -> Draft {
        let derived = new.slug.is_none();
        let slug = new.slug.unwrap_or_else(|| Slug::from_title(&new.title));
        let article = Article {
            id: ArticleId(self.0.clock.new_id()),
            title: new.title.into_string(),
            slug: slug.as_str().to_owned(),
            text: new.text.into_string(),
            created_at: new.created_at.unwrap_or(now),
            updated_at: now,
            version: 1,
            stored_keys: None,
        };
        Draft {
            article,
            slug,
            derived,
            words: None,
        }
    }
}

/// The words of an article after an edit, where they change and are sent with it.
pub(super) async fn edited_words(
    connection: &mut Connection<'_>,
    update: &Update,
) -> Result<Option<EditedWords>> {
    let Connection::Postgres(connection) = connection else {
        return Ok(None);
    };
    let title = update.edit.title.as_ref().map(Title::as_str);
    let text = update.edit.text.as_ref().map(Text::as_str);
    if let (Some(title), Some(text)) = (title, text) {
        return Ok(Some(EditedWords {
            words: Words::of(title, text),
            of_version: None,
        }));
    }
    if title.is_none() && text.is_none() {
        return Ok(None);
    }
    let stored = article::table.filter(article::id.eq(update.id)).select((
        article::title,
        article::text,
        article::version,
    ));
    let stored = match update.in_transaction {
        true => stored.for_no_key_update().get_result(connection).await,
        false => stored.get_result(connection).await,
    };
    let stored: Option<(String, String, i32)> = stored.optional()?;
    Ok(
        stored.map(|(stored_title, stored_text, version)| EditedWords {
            words: Words::of(title.unwrap_or(&stored_title), text.unwrap_or(&stored_text)),
            of_version: Some(version),
        }),
    )
}
