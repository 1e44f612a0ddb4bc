//! Writing articles.

use std::collections::HashSet;

use diesel::{ExpressionMethods as _, QueryDsl as _};

use super::connection::{Connection, run};
use super::schema::article;
use super::{Access, Store};
use crate::article::{Article, ArticleId, NewArticle, Slug};
use crate::error::{Error, Result};

impl Store {
    /// Creates an article. `field` is the path of the input, for the error that names its slug.
    ///
    /// # Errors
    /// [`Error::SlugTaken`] where the slug that was given belongs to another article. A slug that is made from the
    /// title takes the smallest number that is free instead.
    pub async fn create_article(&self, new: NewArticle, field: &str) -> Result<Article> {
        let now = self.0.clock.now();
        let derived = new.slug.is_none();
        let slug = new.slug.unwrap_or_else(|| Slug::from_title(&new.title));
        let mut article = Article {
            id: ArticleId(self.0.clock.new_id()),
            title: new.title.into_string(),
            slug: slug.as_str().to_owned(),
            text: new.text.into_string(),
            created_at: new.created_at.unwrap_or(now),
            updated_at: now,
            version: 1,
        };
        let field = format!("{field}.slug");
        self.run(Access::Write, move |connection| {
            Box::pin(async move {
                while !insert(connection, &article).await? {
                    if !derived {
                        let slug = article.slug;
                        return Err(Error::SlugTaken { field, slug });
                    }
                    article.slug = free_slug(connection, &slug).await?;
                }
                Ok(article)
            })
        })
        .await
    }
}

/// Inserts the article unless its slug is taken; answers whether it did.
///
/// The values are a tuple and not a derived `Insertable`, whose statement Diesel would prepare anew each time.
async fn insert(connection: &mut Connection<'_>, new: &Article) -> Result<bool> {
    let inserted = run!(connection, |c| diesel::insert_into(article::table)
        .values((
            article::id.eq(new.id),
            article::title.eq(new.title.as_str()),
            article::slug.eq(new.slug.as_str()),
            article::text.eq(new.text.as_str()),
            article::created_at.eq(new.created_at),
            article::updated_at.eq(new.updated_at),
            article::version.eq(new.version),
        ))
        .on_conflict(article::slug)
        .do_nothing()
        .execute(c))?;
    Ok(inserted == 1)
}

/// The slug with the smallest number that nobody has.
async fn free_slug(connection: &mut Connection<'_>, slug: &Slug) -> Result<String> {
    let mut first = 2;
    let mut count = 8;
    loop {
        let candidates: Vec<String> = (first..first + count)
            .map(|number| slug.numbered(number).into_string())
            .collect();
        let taken: HashSet<String> = run!(connection, |c| article::table
            .filter(article::slug.eq_any(&candidates))
            .select(article::slug)
            .load::<String>(c))?
        .into_iter()
        .collect();
        if let Some(free) = candidates.into_iter().find(|slug| !taken.contains(slug)) {
            return Ok(free);
        }
        first += count;
        count = (count * 4).min(1_000);
    }
}
