//! The subscriptions.

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, StreamExt as _};

use super::changes::{ResumeAfter, cursor, feed, filter};
use super::error::Result;
use super::json::operation_context::budget;
use super::progress::Progress;
use super::types::{ArticleChange, ArticleChangeKind};

/// The root of all subscriptions.
pub struct Subscription;

#[Subscription]
impl Subscription {
    /// Every committed change, once, whichever server or program made it, in one order that all
    /// servers agree on and in which the changes of one article keep the order of its versions.
    /// Starts with the changes that follow `after`, or else with the next one.
    async fn article_changes(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        kinds: Option<Vec<ArticleChangeKind>>,
        article_ids: Option<Vec<ID>>,
    ) -> Result<impl Stream<Item = async_graphql::Result<ArticleChange>> + use<>> {
        let resume_after = ctx.data_opt().map(|ResumeAfter(cursor)| cursor.as_str());
        let after = resume_after.or(after.as_deref());
        let after = after.filter(|after| !after.is_empty());
        let after = after.map(cursor).transpose()?;
        let filter = filter(kinds, article_ids)?;
        let budget = budget(ctx)?.clone();
        let progress = ctx.data_opt::<Progress>().cloned().unwrap_or_default();
        // Boxed: otherwise the state of this future would take memory for as long as the subscription lasts.
        let changes = Box::pin(feed(ctx)?.subscribe(after, filter)).await?;
        progress.begin(changes.position());
        Ok(changes.map(move |change| {
            let change = change?;
            progress.set_cursor(change.cursor);
            budget.reset();
            Ok(ArticleChange(change))
        }))
    }
}
