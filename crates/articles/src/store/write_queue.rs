//! A queue of writes, oldest first, for the group commit of SQLite and the shared inserts of PostgreSQL.

use std::collections::VecDeque;

/// Writes that are not being executed yet. Each has a number, by which it can be withdrawn while it waits.
pub(super) struct WriteQueue<W> {
    next: u64,
    writes: VecDeque<(u64, W)>,
}

impl<W> Default for WriteQueue<W> {
    fn default() -> Self {
        Self {
            next: 0,
            writes: VecDeque::new(),
        }
    }
}

impl<W> WriteQueue<W> {
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn push(&mut self, write: W) -> u64 {
        let number = self.next;
        self.next += 1;
        self.writes.push_back((number, write));
        number
    }

    /// The number of the oldest write.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.writes.front().map(|(number, _)| *number)
    }

    /// Withdraws a write; `None` where it no longer waits.
    pub(super) fn remove(&mut self, number: u64) -> Option<W> {
        let place = self
            .writes
            .binary_search_by_key(&number, |(number, _)| *number);
        let (_, write) = self.writes.remove(place.ok()?)?;
        Some(write)
    }

    /// Takes the oldest writes, at most `most`.
    pub(super) fn take(&mut self, most: usize) -> Vec<W> {
        let count = self.writes.len().min(most);
        self.writes.drain(..count).map(|(_, write)| write).collect()
    }
}
