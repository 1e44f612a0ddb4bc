//! Converts byte offsets to lines and columns, at the same small cost anywhere in the text.
//!
//! A line may be a megabyte long, so counting from its beginning for every field would be quadratic.

use apollo_compiler::parser::SourceSpan;

use super::request_error::Location;

/// The number of bytes between two offsets for which the count of characters is stored.
const STRIDE: usize = 256;

/// Where the lines of one document begin.
pub(super) struct Lines<'source> {
    source: &'source str,
    /// The offset of each line's first byte.
    starts: Vec<usize>,
    /// The number of characters before each multiple of [`STRIDE`].
    characters: Vec<usize>,
}

impl<'source> Lines<'source> {
    pub(super) fn new(source: &'source str) -> Self {
        let bytes = source.as_bytes();
        let mut starts = vec![0];
        for (offset, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' || (byte == b'\r' && bytes.get(offset + 1) != Some(&b'\n')) {
                starts.push(offset + 1);
            }
        }
        let mut count = 0;
        let strides = bytes.chunks(STRIDE).map(|stride| {
            let before = count;
            count += stride
                .iter()
                .filter(|&&byte| begins_character(byte))
                .count();
            before
        });
        let characters = strides.collect();
        Self {
            source,
            starts,
            characters,
        }
    }

    /// The line and column of a byte offset.
    pub(super) fn at(&self, offset: usize) -> Location {
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let column = 1 + self.characters_before(offset) - self.characters_before(start);
        Location { line, column }
    }

    /// The line and column where a node begins, for nodes that come from the document.
    pub(super) fn of(&self, span: Option<SourceSpan>) -> Option<Location> {
        span.map(|span| self.at(span.offset()))
    }

    fn characters_before(&self, offset: usize) -> usize {
        let offset = offset.min(self.source.len());
        let stride = (offset / STRIDE).min(self.characters.len().saturating_sub(1));
        let rest = self
            .source
            .as_bytes()
            .get(stride * STRIDE..offset)
            .unwrap_or_default();
        self.characters.get(stride).copied().unwrap_or_default()
            + rest.iter().filter(|&&byte| begins_character(byte)).count()
    }
}

const fn begins_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::Lines;

    fn at(source: &str, needle: &str) -> (usize, usize) {
        let location = Lines::new(source).at(source.find(needle).unwrap());
        (location.line, location.column)
    }

    #[test]
    fn lines_end_as_the_specification_says() {
        assert_eq!(at("x", "x"), (1, 1));
        assert_eq!(at("a\n x", "x"), (2, 2));
        assert_eq!(at("a\r\n x", "x"), (2, 2));
        assert_eq!(at("a\r x", "x"), (2, 2));
        assert_eq!(at("a\r\r\n\n x", "x"), (4, 2));
    }

    #[test]
    fn columns_count_characters_far_into_a_line() {
        let source = format!("a\n{}x", "é".repeat(100_000));
        assert_eq!(at(&source, "x"), (2, 100_001));
    }

    #[test]
    fn an_offset_past_the_end_is_the_end() {
        let location = Lines::new("ab").at(99);
        assert_eq!((location.line, location.column), (1, 3));
        let location = Lines::new("").at(0);
        assert_eq!((location.line, location.column), (1, 1));
    }
}
