//! Relay pagination: the requested part of a list, cursors, and the boundaries of a page
//! (<https://relay.dev/graphql/connections.htm>).

use std::sync::Arc;

use uuid::Uuid;

use super::{Article, ArticleId, ArticleOrder, Columns, Filter};
use crate::article::cursor_text;
use crate::clock::Timestamp;
use crate::error::Violation;

/// A requested page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageRequest {
    pub filter: Filter,
    pub order: ArticleOrder,
    pub size: usize,
    /// Which end of the range between the cursors the page is taken from.
    pub end: End,
    pub after: Option<Cursor>,
    pub before: Option<Cursor>,
    pub wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// `first`
    Front,
    /// `last`
    Back,
}

/// The parts of a page that are selected; others are not computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub columns: Columns,
    pub next: bool,
    pub previous: bool,
    pub total: bool,
}

/// A page. Fields that are not selected are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub articles: Vec<Placed>,
    pub has_next: bool,
    pub has_previous: bool,
    pub total: i64,
}

/// An article and its position in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub article: Arc<Article>,
    pub cursor: Cursor,
}

/// The position of an article in an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    order: ArticleOrder,
    pub place: Place,
}

/// A position in an order: the value that is sorted by, and the id that breaks ties.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Instant(Timestamp, ArticleId),
    /// The bytes as they are stored; another program may have written anything.
    Text(Box<[u8]>, ArticleId),
    /// Relevance has no value that stays the same: its positions are counted from the front.
    Position(i64),
}

impl Cursor {
    /// The position of `article`; `position` counts from the front of the list, and is used for relevance only.
    pub fn of(article: &Article, order: ArticleOrder, position: i64) -> Self {
        use ArticleOrder as Order;
        let stored = article.stored_keys.as_deref();
        let place = match order {
            Order::CreatedAtAsc | Order::CreatedAtDesc => {
                Place::Instant(article.created_at, article.id)
            }
            Order::UpdatedAtAsc | Order::UpdatedAtDesc => {
                Place::Instant(article.updated_at, article.id)
            }
            Order::TitleAsc | Order::TitleDesc => {
                let title = stored.map_or(article.title.as_bytes(), |stored| &stored.title);
                Place::Text(title.into(), article.id)
            }
            Order::SlugAsc | Order::SlugDesc => {
                let slug = stored.map_or(article.slug.as_bytes(), |stored| &stored.slug);
                Place::Text(slug.into(), article.id)
            }
            Order::Relevance => Place::Position(position),
        };
        Self { order, place }
    }

    /// Parses the text of [`encode`](Self::encode), which must belong to `order`.
    pub fn decode(text: &str, order: ArticleOrder) -> Result<Self, Violation> {
        let invalid = || {
            Violation(
                "this is not a cursor of a list of articles, or it was cut or changed".to_owned(),
            )
        };
        let bytes = cursor_text::decode(text).ok_or_else(invalid)?;
        let (&tag, rest) = bytes.split_first().ok_or_else(invalid)?;
        if tag != order.tag() {
            return Err(Violation(
                "this cursor belongs to another order; use it with the orderBy that produced it"
                    .to_owned(),
            ));
        }
        let place = Place::decode(order, rest).ok_or_else(invalid)?;
        Ok(Self { order, place })
    }

    /// The opaque text for clients.
    pub fn encode(&self) -> String {
        let mut bytes = vec![self.order.tag()];
        match &self.place {
            Place::Instant(instant, id) => {
                bytes.extend(id.0.as_bytes());
                let micros = instant.stored_micros();
                match i64::try_from(micros) {
                    Ok(micros) => bytes.extend(micros.to_be_bytes()),
                    Err(_) => bytes.extend(micros.to_be_bytes()),
                }
            }
            Place::Text(text, id) => {
                bytes.extend(id.0.as_bytes());
                bytes.extend(text);
            }
            Place::Position(position) => bytes.extend(position.to_be_bytes()),
        }
        cursor_text::encode(bytes)
    }
}

impl Place {
    fn decode(order: ArticleOrder, bytes: &[u8]) -> Option<Self> {
        use ArticleOrder as Order;
        if order == Order::Relevance {
            let position = i64::from_be_bytes(bytes.try_into().ok()?);
            return (0..i64::MAX)
                .contains(&position)
                .then_some(Self::Position(position));
        }
        let (id, value) = bytes.split_at_checked(16)?;
        let id = ArticleId(Uuid::from_slice(id).ok()?);
        match order {
            Order::TitleAsc | Order::TitleDesc | Order::SlugAsc | Order::SlugDesc => {
                Some(Self::Text(value.into(), id))
            }
            _ => {
                let micros = match <[u8; 8]>::try_from(value) {
                    Ok(short) => i64::from_be_bytes(short).into(),
                    Err(_) => i128::from_be_bytes(value.try_into().ok()?),
                };
                Some(Self::Instant(Timestamp::stored(micros), id))
            }
        }
    }
}

impl ArticleOrder {
    /// Part of cursors, so it must not change.
    fn tag(self) -> u8 {
        match self {
            Self::CreatedAtAsc => 1,
            Self::CreatedAtDesc => 2,
            Self::UpdatedAtAsc => 3,
            Self::UpdatedAtDesc => 4,
            Self::TitleAsc => 5,
            Self::TitleDesc => 6,
            Self::SlugAsc => 7,
            Self::SlugDesc => 8,
            Self::Relevance => 9,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::StoredKeys;
    use super::*;

    fn article(title: String, micros: i128) -> Article {
        let instant = Timestamp::stored(micros);
        Article {
            id: ArticleId(Uuid::from_u128(7)),
            slug: title.clone(),
            title,
            text: String::new(),
            created_at: instant,
            updated_at: instant,
            version: 1,
            stored_keys: None,
        }
    }

    const ORDERS: [ArticleOrder; 9] = [
        ArticleOrder::CreatedAtAsc,
        ArticleOrder::CreatedAtDesc,
        ArticleOrder::UpdatedAtAsc,
        ArticleOrder::UpdatedAtDesc,
        ArticleOrder::TitleAsc,
        ArticleOrder::TitleDesc,
        ArticleOrder::SlugAsc,
        ArticleOrder::SlugDesc,
        ArticleOrder::Relevance,
    ];

    proptest! {
        #[test]
        fn a_cursor_round_trips_only_in_its_own_order(
            title in "\\PC{1,65}",
            bytes: Option<Box<[u8]>>,
            micros in prop_oneof![
                -62_135_596_800_000_000..=253_402_300_799_999_999_i128,
                i128::from(i64::MIN) * 2..=i128::from(i64::MAX) * 2,
            ],
            order in 0..9usize, other in 0..9usize,
        ) {
            let mut article = article(title, micros);
            article.stored_keys = bytes.map(|title| Box::new(StoredKeys { slug: title.clone(), title }));
            let cursor = Cursor::of(&article, ORDERS[order], 12);
            let read = Cursor::decode(&cursor.encode(), ORDERS[other]);
            prop_assert_eq!(read.ok(), (order == other).then_some(cursor));
        }

        #[test]
        fn a_cursor_that_was_tampered_with_is_rejected(at in 0usize..40, with in "[A-Za-z0-9_-]") {
            let text = Cursor::of(&article("a".into(), 5), ArticleOrder::CreatedAtAsc, 0).encode();
            prop_assume!(at < text.len() && text[at..=at] != with);
            let mut tampered = text.clone();
            tampered.replace_range(at..=at, &with);
            prop_assert!(Cursor::decode(&tampered, ArticleOrder::CreatedAtAsc).is_err());
        }

        #[test]
        fn arbitrary_text_does_not_panic(text in "\\PC{0,60}|[A-Za-z0-9_-]{0,60}") {
            for order in ORDERS {
                prop_assert!(Cursor::decode(&text, order).is_err());
            }
        }
    }
}
