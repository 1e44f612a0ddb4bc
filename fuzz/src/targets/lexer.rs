//! The lexer that measures documents before they are parsed.

use apollo_parser::{Lexer as ApolloLexer, TokenKind};
use async_graphql::parser::parse_query;
use graphql_guard::{Measure, measure};

use crate::target::{Target, ensure, kind, magnitude, text};

use super::normalizer;

pub(crate) struct Lexer;

/// More deeply nested documents are never passed to recursive parsers.
const NESTING: usize = 64;

impl Target for Lexer {
    fn name(&self) -> &'static str {
        "lexer"
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let strings = r#"{ a(b: "c\"\\", d: """e " \""" f""", g: -1.5e10, h: [$i, {j: k}]) # l"#;
        let mut seeds: Vec<_> = normalizer::DOCUMENTS
            .map(|(document, _)| document.into())
            .into();
        seeds.push(strings.into());
        seeds.push("\u{FEFF}{ ... on É @skip(if: true) { a } }".into());
        seeds
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &[
            "\"\"\"", "\\\"\"\"", "\"", "#", "\r\n", "...", "\u{FEFF}", "{", "[", "(", "\\u00e9",
            "é", "1.5", "-",
        ]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        let document = text(input);
        let measured = measure(&document);
        ensure(measured.tokens <= document.len(), || {
            format!("{measured:?} of {} bytes", document.len())
        })?;
        ensure(measured.nesting <= measured.tokens, || {
            format!("{measured:?}")
        })?;
        let before = "\u{FEFF}, \t#{\r\n";
        let ignored = measure(&format!("{before}{document}"));
        let expected = Measure {
            broken: measured.broken.map(|offset| before.len() + offset),
            ..measured
        };
        ensure(ignored == expected, || {
            format!("{measured:?}, but with ignored tokens before it {ignored:?}")
        })?;
        // Tokens that only the parser counts would bypass the limits. The parser never gets invalid tokens.
        let apollo = measure_by_apollo(&document);
        let is_counted = apollo.tokens <= measured.tokens && apollo.nesting <= measured.nesting;
        ensure(is_counted || measured.broken.is_some(), || {
            format!("{measured:?}, but apollo-parser counts {apollo:?}")
        })?;
        let is_document = measured.nesting <= NESTING && parse_query(&*document).is_ok();
        ensure(!is_document || measured.nesting > 0, || {
            format!("{measured:?} of a document")
        })?;
        let tokens = magnitude(measured.tokens);
        Ok(kind((
            tokens,
            measured.nesting.min(NESTING),
            measured.broken.is_some(),
            is_document,
        )))
    }
}

/// The size of a document according to apollo-parser, without invalid tokens.
fn measure_by_apollo(document: &str) -> Measure {
    let mut measured = Measure::default();
    let mut open = 0_usize;
    for token in ApolloLexer::new(document).flatten() {
        match token.kind() {
            TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof => {
                continue;
            }
            TokenKind::LCurly | TokenKind::LParen | TokenKind::LBracket => open += 1,
            TokenKind::RCurly | TokenKind::RParen | TokenKind::RBracket => {
                open = open.saturating_sub(1);
            }
            _ => {}
        }
        measured.tokens += 1;
        measured.nesting = measured.nesting.max(open);
    }
    measured
}
