//! Articles, and what has a global id.

use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::{Context, ID, Interface, Object};
use uuid::Uuid;

use super::Excerpt;
use crate::api::error::Result;
use crate::api::json::arguments::{EXCERPT_LENGTH, excerpt_length};
use crate::api::json::operation_context;
use crate::api::json::prewritten::{self, Json, Prewritten, WriteError, WriteResult};
use crate::api::scalar::DateTime;
use crate::article;
use crate::article::excerpt::{self, Highlights};

/// Anything that has a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(crate) enum Node {
    Article(Article),
}

/// An article.
pub(crate) struct Article(pub(in crate::api) Arc<article::Article>);

impl Article {
    pub(in crate::api) fn new(article: article::Article) -> Self {
        Self(Arc::new(article))
    }
}

impl Prewritten for Article {
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> WriteResult {
        let article = &*self.0;
        match field.name.node.as_str() {
            "id" => {
                let mut buffer = Uuid::encode_buffer();
                let id = article.id.0.hyphenated().encode_lower(&mut buffer);
                prewritten::plain(out, id.as_bytes())
            }
            "title" => prewritten::text(out, &article.title),
            "slug" => prewritten::text(out, &article.slug),
            "text" => prewritten::text(out, &article.text),
            "createdAt" => prewritten::plain(out, &article.created_at.to_rfc3339()),
            "updatedAt" => prewritten::plain(out, &article.updated_at.to_rfc3339()),
            "version" => prewritten::json(out, &article.version),
            "excerpt" => {
                let excerpt = Excerpt::from(out.excerpt(&article.text, field)?);
                prewritten::object(out, &excerpt, &field.selection_set.node)
            }
            _ => Err(WriteError::Unknown),
        }
    }

    fn size_hint(&self) -> usize {
        let article = &*self.0;
        256 + article.title.len() + article.slug.len() + article.text.len()
    }
}

#[Object]
impl Article {
    /// A UUID (version 7 for articles that this server made), in its hyphenated lower-case form.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// 1 to 65 characters.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// 1 to 65 characters, unique among all articles.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    #[expect(clippy::unused_async, reason = "the engine awaits its resolvers")]
    async fn text(&self, ctx: &Context<'_>) -> Result<&str> {
        // The engine copies the text.
        operation_context::budget(ctx)?.write(self.0.text.len())?;
        Ok(&self.0.text)
    }

    async fn created_at(&self) -> DateTime {
        DateTime::Known(self.0.created_at)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime::Known(self.0.updated_at)
    }

    /// Starts at 1 and grows by one with each update; give it back as `expectedVersion` to update only what you have
    /// seen.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The part of the text that fits `search` best, or its beginning where there is no search or nothing of it occurs
    /// in the text. Cut at words; `length` is 50 to 1000 characters at most.
    #[expect(clippy::unused_async, reason = "the engine awaits its resolvers")]
    async fn excerpt(
        &self,
        ctx: &Context<'_>,
        search: Option<String>,
        #[graphql(default_with = "EXCERPT_LENGTH")] length: i32,
    ) -> Result<Excerpt> {
        let length = excerpt_length(length)?;
        operation_context::budget(ctx)?.read(self.0.text.len())?;
        let highlights = Highlights::of(search.as_deref().unwrap_or_default());
        Ok(excerpt::Excerpt::of(&self.0.text, &highlights, length).into())
    }
}
