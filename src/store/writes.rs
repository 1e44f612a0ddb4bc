//! Writing articles. Each call is a transaction of its own.

use std::collections::HashSet;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};

use super::connection::{Connection, run};
use super::modify::{Delete, Insert, TextRoom, Update};
use super::schema::article;
use super::stored::{Row, StoredVersion};
use super::{Access, Store};
use crate::article::{Article, ArticleEdit, ArticleId, Columns, MAX_VERSION, NewArticle, Slug};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// How often a write is tried anew after another writer took one of its slugs in the same moment, or after the two
/// waited for each other.
const ATTEMPTS: usize = 10;

impl Store {
    /// Creates an article. `field` is the path of the input, for the error that names its slug.
    ///
    /// # Errors
    /// [`Error::SlugTaken`] where the slug that was given belongs to another article. A slug that is made from the
    /// title takes the smallest number that is free instead.
    pub async fn create_article(&self, new: NewArticle, field: &str) -> Result<Article> {
        let derived = new.slug.is_none();
        let (mut article, slug) = self.complete(new, self.0.clock.now());
        let field = format!("{field}.slug");
        self.run(Access::Write, move |connection| {
            Box::pin(async move {
                while insert(connection, std::slice::from_ref(&article)).await? == 0 {
                    if !derived {
                        let slug = article.slug;
                        return Err(Error::SlugTaken { field, slug });
                    }
                    article.slug = free_slug(connection, &slug, &HashSet::new()).await?;
                }
                Ok(article)
            })
        })
        .await
    }

    /// Creates all of the articles or none, as if one after the other. `field` is the path of the list of inputs.
    ///
    /// # Errors
    /// As [`create_article`](Self::create_article), also where two of them claim one slug.
    pub async fn create_articles(&self, new: Vec<NewArticle>, field: &str) -> Result<Vec<Article>> {
        let now = self.0.clock.now();
        let drafts: Vec<Draft> = new
            .into_iter()
            .map(|new| {
                let derived = new.slug.is_none();
                let (article, slug) = self.complete(new, now);
                Draft {
                    article,
                    slug,
                    derived,
                }
            })
            .collect();
        for _ in 0..ATTEMPTS {
            let (drafts, field) = (drafts.clone(), field.to_owned());
            let created = self
                .run(Access::Transaction, move |connection| {
                    Box::pin(create_all(connection, drafts, field))
                })
                .await;
            match created {
                Err(Error::Raced) => {}
                done => return done,
            }
        }
        Err(outrun())
    }

    /// Changes what `edit` has of an article, where the text that it has takes no more than `text_bytes` as JSON.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::VersionConflict`] where `expected_version` is given and not the current one;
    /// [`Error::SlugTaken`] at `field`; [`Error::TooLarge`]; [`Error::Invalid`] where it has [`MAX_VERSION`]. Nothing has
    /// changed then.
    pub async fn update_article(
        &self,
        id: ArticleId,
        edit: ArticleEdit,
        expected_version: Option<i32>,
        columns: Columns,
        text_bytes: Option<usize>,
        field: &str,
    ) -> Result<Article> {
        let field = format!("{field}.slug");
        let slug = edit.slug.clone().map(Slug::into_string);
        let update = Update {
            id,
            expected_version,
            edit,
            now: self.0.clock.now(),
            as_shown: false,
            columns,
            text: TextRoom::new(text_bytes),
        };
        for attempt in 0..ATTEMPTS {
            let (mut update, field, slug) = (update.clone(), field.clone(), slug.clone());
            let first = attempt == 0;
            update.as_shown = !first;
            let updated = self
                .run(Access::Write, move |connection| {
                    Box::pin(async move {
                        let room = update.text;
                        match run!(connection, |c| update.get_result::<Row>(c)).optional() {
                            Ok(Some(row)) => Ok(row.into()),
                            Ok(None) => Err(match stored_version(connection, id).await? {
                                Some(current)
                                    if current >= MAX_VERSION
                                        && expected_version.is_none_or(|it| it == current) =>
                                {
                                    last_version()
                                }
                                current => why_not(current, expected_version, room),
                            }),
                            Err(DieselError::DatabaseError(
                                DatabaseErrorKind::UniqueViolation,
                                _,
                            )) => {
                                let slug = slug.unwrap_or_default();
                                Err(Error::SlugTaken { field, slug })
                            }
                            // Of another column than those that the edit has, whose values were checked.
                            Err(DieselError::DatabaseError(
                                DatabaseErrorKind::CheckViolation,
                                _,
                            )) if first => Err(Error::Raced),
                            Err(error) => Err(error.into()),
                        }
                    })
                })
                .await;
            match updated {
                Err(Error::Raced) => {}
                done => return done,
            }
        }
        Err(outrun())
    }

    /// Deletes an article, where its text takes no more than `text_bytes` as JSON, and answers with it as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::VersionConflict`] where `expected_version` is given and not the current one;
    /// [`Error::TooLarge`]. The article is still there then.
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
        self.run(Access::Write, move |connection| {
            Box::pin(async move {
                let room = delete.text;
                match run!(connection, |c| delete.get_result::<Row>(c)).optional()? {
                    Some(row) => Ok(row.into()),
                    None => {
                        let current = stored_version(connection, id).await?;
                        Err(why_not(current, expected_version, room))
                    }
                }
            })
        })
        .await
    }

    /// The article that is to be, and the slug that its own is made from.
    fn complete(&self, new: NewArticle, now: Timestamp) -> (Article, Slug) {
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
        (article, slug)
    }
}

/// What a client learns who would update an article for which no version is left.
fn last_version() -> Error {
    Error::invalid(
        "id",
        format!(
            "this article has version {MAX_VERSION} or above, after which there is none, so it cannot be updated any \
             more; delete it and create it anew"
        ),
    )
}

/// What a client learns who lost every race.
fn outrun() -> Error {
    Error::unavailable("other writers were faster each time")
}

/// An article that is to be created with others.
#[derive(Debug, Clone)]
struct Draft {
    article: Article,
    slug: Slug,
    derived: bool,
}

async fn create_all(
    connection: &mut Connection<'_>,
    drafts: Vec<Draft>,
    field: String,
) -> Result<Vec<Article>> {
    let wanted: Vec<String> = drafts
        .iter()
        .map(|draft| draft.article.slug.clone())
        .collect();
    let mut taken = taken_slugs(connection, wanted).await?;
    let mut articles = Vec::with_capacity(drafts.len());
    for (
        index,
        Draft {
            mut article,
            slug,
            derived,
        },
    ) in drafts.into_iter().enumerate()
    {
        if taken.contains(&article.slug) {
            if !derived {
                return Err(Error::SlugTaken {
                    field: format!("{field}.{index}.slug"),
                    slug: article.slug,
                });
            }
            article.slug = free_slug(connection, &slug, &taken).await?;
        }
        taken.insert(article.slug.clone());
        articles.push(article);
    }
    // Another writer may have taken one of the slugs since they were looked at.
    match insert(connection, &articles).await? == articles.len() {
        true => Ok(articles),
        false => Err(Error::Raced),
    }
}

/// Inserts the articles whose slugs nobody has, and answers how many those are.
async fn insert(connection: &mut Connection<'_>, articles: &[Article]) -> Result<usize> {
    if articles.is_empty() {
        return Ok(0);
    }
    Ok(run!(connection, |c| Insert(articles).execute(c))?)
}

/// The slug with the smallest number that neither an article nor `reserved` has.
async fn free_slug(
    connection: &mut Connection<'_>,
    slug: &Slug,
    reserved: &HashSet<String>,
) -> Result<String> {
    let mut first = 2;
    let mut count = 8;
    loop {
        let mut candidates: Vec<String> = (first..first + count)
            .map(|number| slug.numbered(number).into_string())
            .collect();
        candidates.retain(|candidate| !reserved.contains(candidate));
        let taken = taken_slugs(connection, candidates.clone()).await?;
        if let Some(free) = candidates.into_iter().find(|slug| !taken.contains(slug)) {
            return Ok(free);
        }
        first += count;
        count = (count * 4).min(1_000);
    }
}

/// Those of the slugs that an article has.
async fn taken_slugs(
    connection: &mut Connection<'_>,
    slugs: Vec<String>,
) -> Result<HashSet<String>> {
    if slugs.is_empty() {
        return Ok(HashSet::new());
    }
    let taken: Vec<String> = run!(connection, |c| article::table
        .filter(article::slug.eq_any(slugs))
        .select(article::slug)
        .load(c))?;
    Ok(taken.into_iter().collect())
}

/// Why a statement with `expected_version` and room for a text found nothing to change.
fn why_not(current: Option<i32>, expected_version: Option<i32>, room: TextRoom) -> Error {
    let Some(current) = current else {
        return Error::NotFound;
    };
    let is_expected = expected_version.is_none_or(|expected| expected == current);
    let exceeded = is_expected.then(|| room.exceeded()).flatten();
    exceeded.unwrap_or(Error::VersionConflict { current })
}

/// The version of an article as it is shown.
async fn stored_version(connection: &mut Connection<'_>, id: ArticleId) -> Result<Option<i32>> {
    let version = run!(connection, |c| article::table
        .filter(article::id.eq(id))
        .select(article::version)
        .get_result::<StoredVersion>(c));
    Ok(version.optional()?.map(StoredVersion::shown))
}
