//! A change of an article in the feed, and the cursor of its position.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{Article, ArticleId};
use crate::article::cursor_text;
use crate::error::Violation;

/// What happened to an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    Created,
    Updated,
    Deleted,
}

/// One change, as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArticleChange {
    /// Its position in the feed.
    pub cursor: FeedCursor,
    pub kind: ChangeKind,
    pub article_id: ArticleId,
    /// The article after the change; `None` when it was deleted.
    pub article: Option<Article>,
}

impl ArticleChange {
    /// The approximate memory that it takes, in bytes.
    pub fn size(&self) -> usize {
        let texts = self.article.as_ref().map_or(0, |article| {
            article.title.len() + article.slug.len() + article.text.len()
        });
        size_of::<Self>() + texts
    }
}

/// The changes that a reader of the feed selects. An empty list selects none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeFilter {
    kinds: Option<Box<[ChangeKind]>>,
    /// Sorted.
    article_ids: Option<Box<[ArticleId]>>,
}

impl ChangeFilter {
    /// `None` selects all kinds, or the changes of all articles.
    pub fn new(kinds: Option<Vec<ChangeKind>>, article_ids: Option<Vec<ArticleId>>) -> Self {
        Self {
            kinds: kinds.map(set),
            article_ids: article_ids.map(set),
        }
    }

    /// Whether this change is selected.
    pub fn matches(&self, change: &ArticleChange) -> bool {
        let kind = self.kinds.as_ref();
        let article_id = self.article_ids.as_ref();
        kind.is_none_or(|kinds| kinds.contains(&change.kind))
            && article_id.is_none_or(|ids| ids.binary_search(&change.article_id).is_ok())
    }

    /// Whether no change can match.
    pub fn matches_nothing(&self) -> bool {
        self.kinds.as_ref().is_some_and(|kinds| kinds.is_empty())
            || self.article_ids.as_ref().is_some_and(|ids| ids.is_empty())
    }

    /// The selected kinds; `None` for all.
    pub fn kinds(&self) -> Option<&[ChangeKind]> {
        self.kinds.as_deref()
    }

    /// The selected articles; `None` for all.
    pub fn article_ids(&self) -> Option<&[ArticleId]> {
        self.article_ids.as_deref()
    }
}

fn set<T: Ord>(mut values: Vec<T>) -> Box<[T]> {
    values.sort_unstable();
    values.dedup();
    values.into()
}

/// Identifies a period of the feed: after a restore from a backup, the same positions mean other changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub Uuid);

/// A position in the feed: after the change at `position`, before the next one.
///
/// Displayed as an opaque text of 39 characters: base64url of a format number, the epoch, the position and a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedCursor {
    pub epoch: Epoch,
    pub position: i64,
}

/// The first byte of a cursor, so that its format can change.
const FORMAT: u8 = 1;

impl FeedCursor {
    /// Another position of the same epoch.
    #[must_use]
    pub fn at(self, position: i64) -> Self {
        Self { position, ..self }
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![FORMAT];
        bytes.extend(self.epoch.0.as_bytes());
        bytes.extend(self.position.to_be_bytes());
        f.write_str(&cursor_text::encode(bytes))
    }
}

impl FromStr for FeedCursor {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        parse(text).ok_or_else(|| {
            Violation(
                "expected a cursor of the change feed, exactly as the server returned it"
                    .to_owned(),
            )
        })
    }
}

fn parse(text: &str) -> Option<FeedCursor> {
    let bytes = cursor_text::decode(text)?;
    let (&FORMAT, bytes) = bytes.split_first()? else {
        return None;
    };
    let (epoch, position) = bytes.split_at_checked(16)?;
    Some(FeedCursor {
        epoch: Epoch(Uuid::from_slice(epoch).ok()?),
        position: i64::from_be_bytes(position.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor(epoch: u128, position: i64) -> FeedCursor {
        FeedCursor {
            epoch: Epoch(Uuid::from_u128(epoch)),
            position,
        }
    }

    #[test]
    fn a_cursor_has_this_form() {
        let text = cursor(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, 42).to_string();
        assert_eq!(text, "AQEjRWeJq83vASNFZ4mrze8AAAAAAAAAKkLscJA");
    }

    #[test]
    fn a_damaged_cursor_is_rejected() {
        let text = cursor(7, 42).to_string();
        for index in 0..text.len() {
            let other = if &text[index..=index] == "A" {
                "B"
            } else {
                "A"
            };
            let mut damaged = text.clone();
            damaged.replace_range(index..=index, other);
            assert!(damaged.parse::<FeedCursor>().is_err(), "{damaged}");
            assert!(text[..index].parse::<FeedCursor>().is_err());
        }
        assert!(format!("{text}A").parse::<FeedCursor>().is_err());
    }

    fn change(kind: ChangeKind, article_id: u128) -> ArticleChange {
        ArticleChange {
            cursor: cursor(1, 1),
            kind,
            article_id: ArticleId(Uuid::from_u128(article_id)),
            article: None,
        }
    }

    #[test]
    fn an_empty_list_matches_nothing_and_no_list_matches_all() {
        let change = change(ChangeKind::Created, 1);
        assert!(ChangeFilter::default().matches(&change));
        for nothing in [
            ChangeFilter::new(Some(vec![]), None),
            ChangeFilter::new(None, Some(vec![])),
        ] {
            assert!(nothing.matches_nothing() && !nothing.matches(&change));
        }
    }

    #[test]
    fn a_filter_matches_its_kinds_and_articles() {
        let ids = [3, 1, 2].map(|id| ArticleId(Uuid::from_u128(id))).to_vec();
        let filter = ChangeFilter::new(Some(vec![ChangeKind::Deleted]), Some(ids));
        assert!(filter.matches(&change(ChangeKind::Deleted, 3)));
        assert!(!filter.matches(&change(ChangeKind::Deleted, 4)));
        assert!(!filter.matches(&change(ChangeKind::Updated, 3)));
    }

    proptest! {
        #[test]
        fn a_cursor_round_trips(epoch: u128, position: i64) {
            let cursor = cursor(epoch, position);
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn invalid_cursors_are_rejected(text in "\\PC{0,60}") {
            prop_assert!(text.parse::<FeedCursor>().is_err());
        }
    }
}
