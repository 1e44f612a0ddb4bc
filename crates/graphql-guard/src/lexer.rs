//! Measures a document before anything parses it: the number of its tokens, and the nesting of its brackets.
//!
//! Parsers recurse: a literal that nests some thousand deep overflows their stack and ends the process. This lexer does
//! not recurse, does not allocate, and rejects nothing: what is no token counts as one, and is left to the parser.

/// The size of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// Lexical tokens (GraphQL specification, section 2.1.6), without ignored ones.
    pub tokens: usize,
    /// The deepest nesting of `(`, `[` and `{` together.
    pub nesting: usize,
}

/// Measures the whole of `source`, skipping strings, block strings and comments.
pub fn measure(source: &str) -> Measure {
    let mut measure = Measure::default();
    let mut open = 0_usize;
    for (_, token) in Tokens::new(source) {
        measure.tokens += 1;
        match token {
            b"(" | b"[" | b"{" => {
                open += 1;
                measure.nesting = measure.nesting.max(open);
            }
            b")" | b"]" | b"}" => open = open.saturating_sub(1),
            _ => {}
        }
    }
    measure
}

/// The tokens of a text with their offsets, in bytes. Characters outside ASCII and strings may come in several pieces.
pub(super) struct Tokens<'source> {
    bytes: &'source [u8],
    at: usize,
}

impl<'source> Tokens<'source> {
    pub(super) fn new(source: &'source str) -> Self {
        Self {
            bytes: source.as_bytes(),
            at: 0,
        }
    }
}

impl<'source> Iterator for Tokens<'source> {
    type Item = (usize, &'source [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.bytes;
        loop {
            let at = self.at;
            let length = match *bytes.get(at)? {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                    self.at += 1;
                    continue;
                }
                0xEF if bytes
                    .get(at..)
                    .is_some_and(|rest| rest.starts_with(b"\xEF\xBB\xBF")) =>
                {
                    self.at += 3;
                    continue;
                }
                b'#' => {
                    self.at += run(bytes, at, |byte| byte != b'\n' && byte != b'\r');
                    continue;
                }
                b'"' => string(bytes, at),
                b'.' => run(bytes, at, |byte| byte == b'.').min(3),
                b'-' | b'0'..=b'9' => number(bytes, at),
                byte if is_word(byte) => run(bytes, at, is_word),
                _ => 1,
            };
            self.at = at + length;
            return Some((at, bytes.get(at..self.at)?));
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes from `at` on satisfy `condition`.
fn run(bytes: &[u8], at: usize, condition: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .position(|&byte| !condition(byte))
        .unwrap_or(rest.len())
}

/// The length of the number that begins at `at`. A dot belongs to it only before a digit: `1...F` is three tokens.
fn number(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(&byte) = bytes.get(end) {
        let continues = match byte {
            b'.' => bytes.get(end + 1).is_some_and(u8::is_ascii_digit),
            b'+' | b'-' => matches!(bytes.get(end - 1), Some(b'e' | b'E')),
            _ => is_word(byte),
        };
        if !continues {
            break;
        }
        end += 1;
    }
    end - at
}

/// The length of the string or block string that begins at `at`. An unterminated one ends with its line or the text.
fn string(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let quotes = if rest.starts_with(br#"""""#) { 3 } else { 1 };
    let mut length = quotes;
    loop {
        length += run(rest, length, |byte| {
            !matches!(byte, b'"' | b'\\' | b'\n' | b'\r')
        });
        length += match (quotes, rest.get(length..)) {
            (_, None | Some([])) => return rest.len(),
            (3, Some([b'\\', b'"', b'"', b'"', ..])) => 4,
            (3, Some([b'"', b'"', b'"', ..])) => return length + 3,
            (1, Some([b'"', ..])) => return length + 1,
            (1, Some([b'\n' | b'\r', ..])) => return length,
            // The escaped byte belongs to the string, unless it ends the line.
            (1, Some([b'\\', escaped, ..])) if !matches!(escaped, b'\n' | b'\r') => 2,
            _ => 1,
        };
    }
}

/// Whether a token is a terminated string.
pub(super) fn is_terminated(token: &[u8]) -> bool {
    // A terminated one has the same length whatever follows; any other would become longer.
    let followed = [token, b"\"\"\""].concat();
    token.starts_with(b"\"") && string(&followed, 0) == token.len()
}

#[cfg(test)]
mod tests {
    use super::{Measure, measure};

    fn tokens(source: &str) -> usize {
        measure(source).tokens
    }

    #[test]
    fn every_kind_of_token_counts_once() {
        assert_eq!(
            tokens("query Q($a: [Int!]! = [1, -2.5e3]) @d { a: b(c: $a) ...F ... on T { x } }"),
            38
        );
        assert_eq!(tokens("a...b...on C 1...d 1.5e-3 2E+4 -0 1-2"), 14);
        assert_eq!(tokens(r#""a" """b""" "" "" """""" "#), 5);
        assert_eq!(tokens("\u{FEFF}{ a, b }"), 4);
    }

    #[test]
    fn nothing_is_no_token() {
        assert_eq!(measure(""), Measure::default());
        assert_eq!(measure(" \t\r\n,,, # comment { ( ["), Measure::default());
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_nest() {
        assert_eq!(measure(r#"{ a(b: "{[(\"{[(") } # {{{{"#).nesting, 2);
        assert_eq!(
            measure("{ a(b: \"\"\"{[( \" \"\" \\\"\"\" {{{ \"\"\") }").nesting,
            2
        );
    }

    #[test]
    fn nesting_is_the_deepest_of_all_kinds_together() {
        assert_eq!(measure("{ a(b: [{ c: [1] }]) { d } }").nesting, 5);
        assert_eq!(measure("}}}}{").nesting, 1);
        assert_eq!(measure(&"[".repeat(1_000_000)).nesting, 1_000_000);
    }

    #[test]
    fn an_unterminated_string_ends_with_its_line() {
        assert_eq!(
            measure("\"abc {\n{ a }"),
            Measure {
                tokens: 4,
                nesting: 1
            }
        );
        assert_eq!(
            measure("\"abc \\\n{ a }"),
            Measure {
                tokens: 4,
                nesting: 1
            }
        );
        assert_eq!(
            measure("\"\"\" { { a"),
            Measure {
                tokens: 1,
                nesting: 0
            }
        );
        assert_eq!(
            measure("\"\\"),
            Measure {
                tokens: 1,
                nesting: 0
            }
        );
    }

    #[test]
    fn bytes_outside_ascii_are_left_to_the_parser() {
        assert_eq!(measure("é").nesting, 0);
        assert!(tokens("é") > 0);
    }
}
