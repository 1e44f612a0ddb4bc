//! Measures a document before it is parsed: the number of its tokens, and the nesting of its brackets.
//!
//! Parsers recurse: a literal nested some thousand levels deep overflows their stack and terminates the process. This
//! lexer neither recurses nor allocates. It also detects invalid tokens: a parser may split them and what follows into
//! tokens other than those counted here, so it must not get them.

/// The size of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// Lexical tokens (GraphQL specification, section 2.1.6), without ignored ones.
    pub tokens: usize,
    /// The deepest nesting of `(`, `[` and `{` together.
    pub nesting: usize,
    /// The byte offset of the first invalid token, such as an unterminated string.
    pub broken: Option<usize>,
}

/// Measures the whole of `source`, skipping strings, block strings and comments.
pub fn measure(source: &str) -> Measure {
    let mut measure = Measure::default();
    let mut open = 0_usize;
    for (at, token) in Tokens::new(source) {
        measure.tokens += 1;
        let next = source.as_bytes().get(at + token.len());
        if measure.broken.is_none() && !is_token(token, next.copied()) {
            measure.broken = Some(at);
        }
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
                b'"' => string(bytes, at).0,
                b'.' => dots(bytes, at),
                b'-' | b'0'..=b'9' => number(bytes, at),
                byte if is_word(byte) => run(bytes, at, is_word),
                _ => 1,
            };
            self.at = at + length;
            return Some((at, bytes.get(at..self.at)?));
        }
    }
}

/// Whether it is a token by the specification, followed by this byte.
fn is_token(token: &[u8], next: Option<u8>) -> bool {
    match token {
        [byte] if b"!$&():=@[]{|}".contains(byte) => true,
        [b'"', ..] => is_terminated(token),
        [b'-' | b'0'..=b'9', ..] => {
            let digits = token.strip_prefix(b"-").unwrap_or(token);
            let has_integer = matches!(digits, [b'1'..=b'9', ..] | [b'0'])
                || matches!(digits, [b'0', behind, ..] if !behind.is_ascii_digit());
            has_integer && !next.is_some_and(|byte| is_word(byte) || byte == b'.')
        }
        [byte, ..] => is_word(*byte) || token == b"...",
        [] => false,
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

/// The number of dots from `at` on; three of them are a token.
fn dots(bytes: &[u8], at: usize) -> usize {
    let next = bytes.get(at..).unwrap_or_default().iter().take(3);
    next.take_while(|byte| **byte == b'.').count()
}

/// The length of the number that begins at `at`. What follows it directly, such as the dot of `1...F`, does not belong
/// to it, so an invalid number counts as several tokens.
fn number(bytes: &[u8], at: usize) -> usize {
    let digits = |at| run(bytes, at, |byte| byte.is_ascii_digit());
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    let mut end = at + 1;
    end += digits(end);
    if is(end, b".") && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if is(end, b"eE") {
        let exponent = end + 1 + usize::from(is(end + 1, b"+-"));
        if digits(exponent) > 0 {
            end = exponent + digits(exponent);
        }
    }
    end - at
}

/// The length of the string or block string that begins at `at`, and whether it is terminated. An unterminated one ends
/// with its line or the text.
fn string(bytes: &[u8], at: usize) -> (usize, bool) {
    let rest = bytes.get(at..).unwrap_or_default();
    let quotes = if rest.starts_with(br#"""""#) { 3 } else { 1 };
    let mut length = quotes;
    loop {
        length += run(rest, length, |byte| {
            !matches!(byte, b'"' | b'\\' | b'\n' | b'\r')
        });
        length += match (quotes, rest.get(length..)) {
            (_, None | Some([])) => return (rest.len(), false),
            (3, Some([b'\\', b'"', b'"', b'"', ..])) => 4,
            (3, Some([b'"', b'"', b'"', ..])) => return (length + 3, true),
            (1, Some([b'"', ..])) => return (length + 1, true),
            (1, Some([b'\n' | b'\r', ..])) => return (length, false),
            // The escaped byte belongs to the string, unless it ends the line.
            (1, Some([b'\\', escaped, ..])) if !matches!(escaped, b'\n' | b'\r') => 2,
            _ => 1,
        };
    }
}

/// Whether a token is a terminated string.
pub(super) fn is_terminated(token: &[u8]) -> bool {
    token.starts_with(b"\"") && string(token, 0) == (token.len(), true)
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
    fn whitespace_and_comments_are_not_tokens() {
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
    fn a_broken_number_is_several_tokens() {
        for (number, count) in [
            ("-12.50e+3", 1),
            ("1...F", 3),
            ("0xF", 2),
            ("1.2.3", 3),
            ("1e", 2),
            ("1.e1", 3),
        ] {
            assert_eq!(tokens(number), count, "{number}");
        }
        assert_eq!(tokens(&"1.1".repeat(1_000)), 1_001);
    }

    /// This took minutes when every three dots searched for the end of all of them.
    #[test]
    fn any_number_of_dots_is_measured_at_once() {
        assert_eq!(tokens(&".".repeat(3_000_000)), 1_000_000);
    }

    #[test]
    fn an_unterminated_string_ends_with_its_line() {
        let broken = |tokens, nesting| Measure {
            tokens,
            nesting,
            broken: Some(0),
        };
        assert_eq!(measure("\"abc {\n{ a }"), broken(4, 1));
        assert_eq!(measure("\"abc \\\n{ a }"), broken(4, 1));
        assert_eq!(measure("\"\"\" { { a"), broken(1, 0));
        assert_eq!(measure("\"\\"), broken(1, 0));
    }

    #[test]
    fn invalid_tokens_are_detected() {
        for (source, broken) in [
            (
                "{ a(b: [-1, 0, 0.5e-3, 1E5], c: \"\", d: \"\"\"\"\"\") ... on T @x { e } } # é",
                None,
            ),
            ("$a: [A!] = {b: 1} & c | d", None),
            ("a 00", Some(2)),
            ("a -", Some(2)),
            ("a 1.", Some(2)),
            ("a 1e", Some(2)),
            ("a 1b", Some(2)),
            ("a 1...F", Some(2)),
            ("a ..", Some(2)),
            (".#e@i:t", Some(0)),
            ("é", Some(0)),
            ("a \0", Some(2)),
            ("a\u{a0}", Some(1)),
            ("a \"\n\"\"\"b", Some(2)),
            ("a \"\"\"\"\"", Some(2)),
            ("a ?", Some(2)),
        ] {
            assert_eq!(measure(source).broken, broken, "{source}");
        }
    }

    #[test]
    fn bytes_outside_ascii_are_left_to_the_parser() {
        assert_eq!(measure("é").nesting, 0);
        assert!(tokens("é") > 0);
    }
}
