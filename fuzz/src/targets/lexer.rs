//! The lexer that measures documents before anything parses them.

use apollo_parser::{Lexer as ApolloLexer, TokenKind};
use async_graphql::parser::parse_query;
use graphql_guard::measure;

use crate::target::{Target, ensure, kind, magnitude, text};

use super::normalizer;

pub(crate) struct Lexer;

/// No parser that recurses gets a document that nests deeper.
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
        let ignored = measure(&format!("\u{FEFF}, \t#{{\r\n{document}"));
        ensure(ignored == measured, || {
            format!("{measured:?}, but with ignored tokens before it {ignored:?}")
        })?;
        // The limit must not be met by what a parser counts more of.
        let mut apollo = 0;
        let mut is_lexed = true;
        for token in ApolloLexer::new(&document) {
            match token.map(|token| token.kind()) {
                Ok(
                    TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof,
                ) => {}
                Ok(_) => apollo += 1,
                Err(_) => is_lexed = false,
            }
        }
        ensure(!is_lexed || apollo <= measured.tokens, || {
            format!("{measured:?}, but apollo-parser counts {apollo} tokens")
        })?;
        let is_document = measured.nesting <= NESTING && parse_query(&*document).is_ok();
        ensure(!is_document || measured.nesting > 0, || {
            format!("{measured:?} of a document")
        })?;
        let tokens = magnitude(measured.tokens);
        Ok(kind((
            tokens,
            measured.nesting.min(NESTING),
            is_lexed,
            is_document,
        )))
    }
}
