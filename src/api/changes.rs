//! Converts the arguments of the change feed to a filter and a cursor.

use async_graphql::{Context, ID};

use super::error::{FieldError, Result};
use super::types::ArticleChangeKind;
use crate::article::ArticleId;
use crate::article::change::{ChangeFilter, FeedCursor};
use crate::error::{Error, Violation};
use crate::feed::Feed;

/// The maximum number of ids in `articleIds`.
pub(super) const MAX_ARTICLE_IDS: usize = 1_000;

/// The feed that resolvers use.
pub(super) fn feed<'c>(ctx: &'c Context<'_>) -> Result<&'c Feed, Error> {
    ctx.data::<Feed>()
        .map_err(|error| Error::internal(error.message))
}

/// Parses the cursor that a client gave as `after`.
pub(super) fn cursor(after: &str) -> Result<FeedCursor> {
    after
        .parse()
        .map_err(|violation: Violation| FieldError::at("after", violation))
}

/// The filter of the arguments `kinds` and `articleIds`. An id that is not a UUID matches no article.
pub(super) fn filter(
    kinds: Option<Vec<ArticleChangeKind>>,
    article_ids: Option<Vec<ID>>,
) -> Result<ChangeFilter> {
    if let Some(ids) = &article_ids
        && ids.len() > MAX_ARTICLE_IDS
    {
        return Err(FieldError::invalid(
            "articleIds",
            format!(
                "articleIds must have at most {MAX_ARTICLE_IDS} ids, but it has {}",
                ids.len()
            ),
        ));
    }
    Ok(ChangeFilter::new(
        kinds.map(|kinds| kinds.into_iter().map(Into::into).collect()),
        article_ids.map(|ids| ids.iter().filter_map(|id| ArticleId::parse(id)).collect()),
    ))
}

/// The cursor with which a client resumes a subscription, according to its transport.
pub(super) struct ResumeAfter(pub(super) String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_thousand_ids_are_rejected() {
        let ids = |count| Some(vec![ID("x".to_owned()); count]);
        assert!(filter(None, ids(1_000)).is_ok_and(|filter| filter.matches_nothing()));
        assert_eq!(
            filter(None, ids(1_001)).unwrap_err().to_string(),
            "articleIds must have at most 1000 ids, but it has 1001"
        );
    }
}
