//! What clients see.

use async_graphql::{Context, ID, Object};

use super::scalar::DateTime;
use crate::article::{self, Columns};

/// An article.
pub(crate) struct Article(pub(super) article::Article);

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

    async fn text(&self) -> &str {
        &self.0.text
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
}

/// The columns that the selection of the current field needs.
pub(super) fn columns(ctx: &Context<'_>) -> Columns {
    let selection = ctx.look_ahead();
    let wanted = |field| selection.field(field).exists();
    Columns {
        title: wanted("title"),
        slug: wanted("slug"),
        text: wanted("text"),
        created_at: wanted("createdAt"),
        updated_at: wanted("updatedAt"),
        version: wanted("version"),
    }
}
