//! Removes descriptions from a document. Operations, fragments and variables may have them since the September 2025
//! edition of the specification (section 2.2.1), which apollo-parser does not support yet.
//!
//! They are replaced by blanks of the same length, so that all offsets stay.

use std::borrow::Cow;

use super::lexer::{Tokens, is_terminated};

/// The same document without descriptions, and those descriptions that have escapes, with their offsets, for the caller to
/// check.
pub(super) fn blank(source: &str) -> (Cow<'_, str>, Vec<(usize, &str)>) {
    let mut result = Cow::Borrowed(source);
    let mut escaped = Vec::new();
    // How many brackets are open, and whether the outermost is round.
    let mut open = 0_usize;
    let mut in_variables = false;
    let mut before: &[u8] = b"";
    let mut tokens = Tokens::new(source).peekable();
    while let Some((offset, token)) = tokens.next() {
        match token {
            b"(" | b"[" | b"{" => {
                in_variables = if open == 0 {
                    token == b"("
                } else {
                    in_variables
                };
                open += 1;
            }
            b")" | b"]" | b"}" => open = open.saturating_sub(1),
            [b'"', ..] => {
                let next = tokens.peek().map(|(_, next)| *next);
                let describes = match (open, next) {
                    (0, Some(next)) => {
                        matches!(next, b"query" | b"mutation" | b"subscription" | b"fragment")
                    }
                    // After `=` it is the default of the previous variable.
                    (1, Some(b"$")) => in_variables && before != b"=",
                    _ => false,
                };
                if describes && is_terminated(token) {
                    let range = offset..offset + token.len();
                    let text = source
                        .get(range.clone())
                        .filter(|text| text.contains('\\') && !text.starts_with("\"\"\""));
                    escaped.extend(text.map(|text| (offset, text)));
                    result
                        .to_mut()
                        .replace_range(range, &" ".repeat(token.len()));
                }
            }
            _ => {}
        }
        before = token;
    }
    (result, escaped)
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn descriptions_become_blanks() {
        for (source, expected) in [
            (r#""a" query { a }"#, "    query { a }"),
            (
                "\"\"\"\na\"\"\"fragment F on T { a }",
                "        fragment F on T { a }",
            ),
            (
                r#"query("é" $a: Int = 1 "b" $b: Int) { a }"#,
                "query(     $a: Int = 1     $b: Int) { a }",
            ),
            (
                r#"query($a: String = "a" "b" $b: Int) { a }"#,
                r#"query($a: String = "a"     $b: Int) { a }"#,
            ),
        ] {
            assert_eq!(blank(source).0, expected);
        }
    }

    #[test]
    fn every_other_string_stays() {
        for source in [
            r#""a" { a }"#,
            r#""a" type T { a: Int }"#,
            r#"query($a: String = "a" $b: [String] = ["a" $c]) { a(b: "c" $d) }"#,
            r#"{ a(b: "query" c: "a") } "a""#,
            r#"{ "a" query }"#,
            "\" a\nquery { a }",
            "\" a\\\"\nquery { a }",
        ] {
            assert_eq!(blank(source).0, source);
        }
    }
}
