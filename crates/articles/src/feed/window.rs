//! The newest changes, in memory, for subscribers that keep up.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::article::change::{ArticleChange, ChangeFilter, FeedCursor};

/// A contiguous part of the feed that ends at the reader's position.
pub(super) struct Window {
    most_changes: usize,
    most_bytes: usize,
    /// `None` until the reader has begun.
    span: Option<Span>,
    /// Counts how often the feed was replaced by another one.
    incarnation: u64,
    changes: VecDeque<Arc<ArticleChange>>,
    bytes: usize,
}

/// All changes after `start`, up to `end`.
struct Span {
    start: FeedCursor,
    end: FeedCursor,
}

/// The result for a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Change(Arc<ArticleChange>),
    /// No matching change, up to this position.
    Nothing(FeedCursor),
    /// The next changes are not in memory. The window ends at this position.
    Behind(FeedCursor),
    /// The feed is no longer the one that the subscriber began with.
    Other {
        incarnation: u64,
    },
}

impl Window {
    pub(super) fn new(most_changes: usize, most_bytes: usize) -> Self {
        Self {
            most_changes,
            most_bytes,
            span: None,
            incarnation: 0,
            changes: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The position up to which it is filled.
    pub(super) fn end(&self) -> Option<FeedCursor> {
        self.span.as_ref().map(|span| span.end)
    }

    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Clears the window, and continues from `cursor`. If that does not follow the previous contents, subscribers must
    /// check whether their cursors are still valid.
    pub(super) fn begin(&mut self, cursor: FeedCursor) {
        if let Some(end) = self.end()
            && (end.epoch != cursor.epoch || end.position > cursor.position)
        {
            self.incarnation += 1;
        }
        self.changes.clear();
        self.bytes = 0;
        self.span = Some(Span {
            start: cursor,
            end: cursor,
        });
    }

    /// Appends changes that follow its end, up to `end`.
    pub(super) fn extend(&mut self, changes: Vec<ArticleChange>, end: FeedCursor) {
        let Some(span) = &mut self.span else {
            return;
        };
        span.end = end;
        for change in changes {
            self.bytes += change.size();
            self.changes.push_back(Arc::new(change));
        }
        while self.changes.len() > self.most_changes || self.bytes > self.most_bytes {
            let Some(oldest) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= oldest.size();
            span.start = oldest.cursor;
        }
    }

    /// The first change after `after` that matches `filter`.
    pub(super) fn next(&self, incarnation: u64, after: FeedCursor, filter: &ChangeFilter) -> Next {
        if incarnation != self.incarnation {
            return Next::Other {
                incarnation: self.incarnation,
            };
        }
        let Some(span) = &self.span else {
            return Next::Nothing(after);
        };
        // A subscriber may begin at the head of the feed, which may be ahead of the reader.
        if after.position >= span.end.position {
            return Next::Nothing(after);
        }
        if after.position < span.start.position {
            return Next::Behind(span.end);
        }
        let seen = self
            .changes
            .partition_point(|change| change.cursor.position <= after.position);
        self.changes
            .range(seen..)
            .find(|change| filter.matches(change))
            .map_or(Next::Nothing(span.end), |change| {
                Next::Change(Arc::clone(change))
            })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::article::ArticleId;
    use crate::article::change::{ChangeKind, Epoch};

    fn at(position: i64) -> FeedCursor {
        FeedCursor {
            epoch: Epoch(Uuid::nil()),
            position,
        }
    }

    fn change(position: i64) -> ArticleChange {
        ArticleChange {
            cursor: at(position),
            kind: ChangeKind::Deleted,
            article_id: ArticleId(Uuid::from_u128(position.unsigned_abs().into())),
            article: None,
        }
    }

    /// A window for four changes that has received 11 to 16.
    fn window() -> Window {
        let mut window = Window::new(4, usize::MAX);
        window.begin(at(10));
        window.extend((11..=16).map(change).collect(), at(16));
        window
    }

    fn next(window: &Window, after: i64) -> Next {
        window.next(0, at(after), &ChangeFilter::default())
    }

    #[test]
    fn a_subscriber_that_keeps_up_reads_from_memory() {
        let window = window();
        assert_eq!(next(&window, 12), Next::Change(Arc::new(change(13))));
        assert_eq!(next(&window, 15), Next::Change(Arc::new(change(16))));
        assert_eq!(next(&window, 16), Next::Nothing(at(16)));
        assert_eq!(next(&window, 20), Next::Nothing(at(20)));
    }

    #[test]
    fn a_slow_subscriber_falls_behind() {
        assert_eq!(next(&window(), 11), Next::Behind(at(16)));
    }

    #[test]
    fn a_filter_skips_to_the_next_match_or_to_the_end() {
        let window = window();
        let only = |id| ChangeFilter::new(None, Some(vec![ArticleId(Uuid::from_u128(id))]));
        assert_eq!(
            window.next(0, at(12), &only(15)),
            Next::Change(Arc::new(change(15)))
        );
        assert_eq!(window.next(0, at(12), &only(99)), Next::Nothing(at(16)));
    }

    #[test]
    fn the_window_is_also_bounded_in_bytes() {
        let mut window = Window::new(4, 2 * change(1).size());
        window.begin(at(0));
        window.extend((1..=4).map(change).collect(), at(4));
        assert_eq!(next(&window, 1), Next::Behind(at(4)));
        assert_eq!(next(&window, 2), Next::Change(Arc::new(change(3))));
    }

    #[test]
    fn a_new_history_makes_every_subscriber_read_again() {
        let mut window = window();
        window.begin(at(30));
        assert_eq!(next(&window, 12), Next::Behind(at(30)));
        window.begin(at(5));
        assert_eq!(next(&window, 30), Next::Other { incarnation: 1 });
    }
}
