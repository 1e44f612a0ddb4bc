//! Cursors of lists and of the change feed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broadsheet_articles::article::ArticleOrder;
use broadsheet_articles::article::change::FeedCursor;
use broadsheet_articles::article::page::{Cursor, Place};

use crate::target::{Target, ensure, kind, magnitude, text};

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

pub(crate) struct Cursors;

/// A text with a valid checksum, as an attacker who knows the format can create it.
fn with_checksum(bytes: &[u8]) -> String {
    let sum = crc32fast::hash(bytes).to_be_bytes();
    URL_SAFE_NO_PAD.encode([bytes, &sum].concat())
}

/// Decodes a text as a cursor of each order. It may be valid for at most one of them, and then encodes to the same
/// text.
fn check_text(cursor: &str) -> Result<u64, String> {
    let mut outcome = kind("none");
    let mut of_orders = 0;
    for order in ORDERS {
        let Ok(read) = Cursor::decode(cursor, order) else {
            continue;
        };
        of_orders += 1;
        let written = read.encode();
        ensure(
            Cursor::decode(&written, order).as_ref() == Ok(&read),
            || format!("{cursor} is {read:?}, which is written as {written}"),
        )?;
        let place = match &read.place {
            Place::Instant(..) => 0,
            Place::Text(bytes, _) => 1 + magnitude(bytes.len()),
            Place::Position(_) => 40,
        };
        outcome = kind((order, place, written == cursor));
    }
    ensure(of_orders <= 1, || {
        format!("{cursor} belongs to {of_orders} orders")
    })?;
    if let Ok(read) = cursor.parse::<FeedCursor>() {
        let written = read.to_string();
        ensure(written == cursor, || {
            format!("{cursor} is written as {written}")
        })?;
        outcome = kind(("feed", of_orders));
    }
    Ok(outcome)
}

impl Target for Cursors {
    fn name(&self) -> &'static str {
        "cursor"
    }

    /// The bytes of cursors, without their checksums, and texts.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds: Vec<Vec<u8>> = (0..=10)
            .map(|tag| [&[tag][..], &[7; 24]].concat())
            .collect();
        seeds.push([&[9][..], &[0; 8]].concat());
        seeds.push([&[5][..], &[1; 16], "a title".as_bytes()].concat());
        seeds.push([&[1][..], &[1; 16], &[0xFF; 16]].concat());
        let texts: Vec<_> = seeds
            .iter()
            .map(|bytes| with_checksum(bytes).into_bytes())
            .collect();
        seeds.extend(texts);
        seeds
    }

    fn dictionary(&self) -> &'static [&'static str] {
        &["\u{1}", "\u{9}", "\0\0\0\0\0\0\0\0", "AAAA", "-_", "=", "é"]
    }

    fn check(&self, input: &[u8]) -> Result<u64, String> {
        let as_text = check_text(&text(input))?;
        let forged = check_text(&with_checksum(input))?;
        Ok(kind((as_text, forged)))
    }
}
