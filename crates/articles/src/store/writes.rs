//! Writes articles. Each call is its own transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};

use super::bulk_creates::{access, create_indexed};
use super::connection::{Connection, run};
use super::drafts::{Draft, edited_words};
use super::sql::stored::{Row, StoredVersion};
use super::sql::tables::article;
use super::sql::write::{Delete, TextRoom, Update};
use super::{Access, Store};
use crate::article::{Article, ArticleEdit, ArticleId, Columns, MAX_VERSION, NewArticle, Slug};
use crate::error::{Error, Result};

/// How often a write is tried when it conflicts with other transactions.
const ATTEMPTS: u32 = 10;

impl Store {
    /// Creates an article.
    ///
    /// # Errors
    /// [`Error::SlugTaken`] where the given slug belongs to another article. A slug that is generated from the title
    /// takes the smallest free number instead.
    pub async fn create_article(&self, new: NewArticle) -> Result<Article> {
        let draft = Arc::new(self.one_draft(new, self.0.clock.now()).await?);
        let is_new = self.insert(&draft).await?;
        let draft = Arc::unwrap_or_clone(draft);
        if is_new {
            return Ok(self.taken(draft.article));
        }
        if draft.derived {
            let created = self.create_drafts(vec![draft]).await?;
            let created = created.into_iter().next();
            return created
                .ok_or_else(|| Error::internal("an article was created and not returned"));
        }
        Err(Error::SlugTaken {
            article: 0,
            slug: draft.article.slug,
        })
    }

    /// Creates all of the articles or none, as if one after the other.
    ///
    /// # Errors
    /// As [`create_article`](Self::create_article), also where two of them have the same slug.
    pub async fn create_articles(&self, new: Vec<NewArticle>) -> Result<Vec<Article>> {
        let drafts = self.drafts_to_create(new, self.0.clock.now()).await?;
        self.create_drafts(drafts).await
    }

    async fn create_drafts(&self, drafts: Vec<Draft>) -> Result<Vec<Article>> {
        let access = access(drafts.len());
        let created = retry(|| {
            let drafts = drafts.clone();
            self.run(access, move |connection| {
                Box::pin(create_indexed(connection, drafts))
            })
        });
        let created = created.await?;
        self.empty_pending_lists(created.len());
        match created.is_empty() {
            true => Ok(created),
            false => Ok(self.taken(created)),
        }
    }

    /// Applies `edit` to an article, if the resulting text takes at most `text_bytes` as JSON.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::VersionConflict`] where `expected_version` is given and not the current one;
    /// [`Error::SlugTaken`]; [`Error::TooLarge`]; [`Error::LastVersion`]. Nothing has changed then.
    pub async fn update_article(
        &self,
        id: ArticleId,
        edit: ArticleEdit,
        expected_version: Option<i32>,
        columns: Columns,
        text_bytes: Option<usize>,
    ) -> Result<Article> {
        let update = Update {
            id,
            expected_version,
            edit,
            now: self.0.clock.now(),
            as_shown: false,
            in_transaction: false,
            columns,
            text: TextRoom::new(text_bytes),
            words: None,
        };
        let attempts = AtomicU32::new(0);
        let updated = retry(|| {
            let mut update = update.clone();
            // A transaction costs two more round trips, but cannot lose the race a second time.
            let is_retry = attempts.fetch_add(1, Ordering::Relaxed) > 0;
            update.as_shown = is_retry;
            update.in_transaction = is_retry;
            let access = match is_retry {
                true => Access::Transaction,
                false => Access::Write,
            };
            self.run(access, move |connection| {
                Box::pin(apply_update(connection, update))
            })
        });
        updated.await.map(|updated| self.taken(updated))
    }

    /// Deletes an article, if its text takes at most `text_bytes` as JSON, and returns it as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::VersionConflict`] where `expected_version` is given and not the current one;
    /// [`Error::TooLarge`]. The article is unchanged then.
    pub async fn delete_article(
        &self,
        id: ArticleId,
        expected_version: Option<i32>,
        columns: Columns,
        text_bytes: Option<usize>,
    ) -> Result<Article> {
        let delete = Delete {
            id,
            expected_version,
            columns,
            text: TextRoom::new(text_bytes),
        };
        let deleted = retry(|| {
            let delete = delete.clone();
            self.run(Access::Write, move |connection| {
                Box::pin(apply_delete(connection, delete))
            })
        });
        deleted.await.map(|deleted| self.taken(deleted))
    }

    /// Records that the database has taken a write.
    pub(super) fn taken<T>(&self, done: T) -> T {
        self.0.writability.taken();
        done
    }
}

/// Retries work that conflicts with another transaction, after a growing pause.
pub(super) async fn retry<T, F>(attempt: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut pause = Duration::from_millis(1);
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(Error::Raced) => {}
            done => return done,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    attempt().await
}

/// Updates an article.
pub(super) async fn apply_update(
    connection: &mut Connection<'_>,
    mut update: Update,
) -> Result<Article> {
    update.words = edited_words(connection, &update).await?;
    let of_version = update.words.as_ref().and_then(|words| words.of_version);
    let Update {
        id,
        expected_version,
        as_shown,
        text: room,
        ..
    } = update;
    let slug = update.edit.slug.clone().map(Slug::into_string);
    match run!(connection, |c| update.get_result::<Row>(c)).optional() {
        Ok(Some(row)) => Ok(row.into()),
        Ok(None) => Err(match stored_version(connection, id).await? {
            Some(current)
                if current >= MAX_VERSION && expected_version.is_none_or(|it| it == current) =>
            {
                Error::LastVersion(MAX_VERSION)
            }
            // The title or text from which the words were computed has changed since.
            Some(current)
                if of_version.is_some_and(|version| version != current)
                    && expected_version.is_none_or(|it| it == current) =>
            {
                Error::Raced
            }
            current => explain_no_match(current, expected_version, room),
        }),
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            let slug = slug.unwrap_or_default();
            Err(Error::SlugTaken { article: 0, slug })
        }
        // The violation is in a column that the edit does not contain: the values of the edit were checked.
        Err(DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, _)) if !as_shown => {
            Err(Error::Raced)
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes an article.
pub(super) async fn apply_delete(
    connection: &mut Connection<'_>,
    delete: Delete,
) -> Result<Article> {
    let Delete {
        id,
        expected_version,
        text: room,
        ..
    } = delete;
    if let Some(row) = run!(connection, |c| delete.get_result::<Row>(c)).optional()? {
        return Ok(row.into());
    }
    let current = stored_version(connection, id).await?;
    Err(explain_no_match(current, expected_version, room))
}

/// Why a statement with `expected_version` and a limit on the text matched no row.
fn explain_no_match(current: Option<i32>, expected_version: Option<i32>, room: TextRoom) -> Error {
    let Some(current) = current else {
        return Error::NotFound;
    };
    let is_expected = expected_version.is_none_or(|expected| expected == current);
    let exceeded = is_expected.then(|| room.exceeded()).flatten();
    exceeded.unwrap_or(Error::VersionConflict { current })
}

/// The version of an article as the API shows it.
async fn stored_version(connection: &mut Connection<'_>, id: ArticleId) -> Result<Option<i32>> {
    let version = run!(connection, |c| article::table
        .filter(article::id.eq(id))
        .select(article::version)
        .get_result::<StoredVersion>(c));
    Ok(version.optional()?.map(StoredVersion::shown))
}
