//! Encodes articles for `COPY … (FORMAT binary)`.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::article::{Article, ArticleId};
use crate::store::drafts::Draft;
use crate::store::indexing::STORED_RULES;
use crate::store::sql::types::postgres_micros;

/// The statement for [`articles`].
pub(in crate::store) const INTO_ARTICLES: &str = "COPY article (id, title, slug, text, created_at, updated_at, version, \
     search, search_version, search_rules) FROM STDIN (FORMAT binary)";

/// The statement for [`parts`].
pub(in crate::store) const INTO_PARTS: &str =
    "COPY article_search_part (article_id, version, part, search) FROM STDIN (FORMAT binary)";

/// The statement for [`due`].
pub(in crate::store) const INTO_DUE: &str =
    "COPY search_due (article_id) FROM STDIN (FORMAT binary)";

/// The signature, no flags, and no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Articles, with their words where those were computed. Their values are valid; each text is shorter than a gigabyte.
pub(in crate::store) fn articles<'d>(drafts: impl Iterator<Item = &'d Draft>) -> Bytes {
    let mut rows = Rows::new(10);
    for Draft { article, words, .. } in drafts {
        let Article {
            title, slug, text, ..
        } = article;
        rows.begin();
        rows.id(article.id);
        for text in [title, slug, text] {
            rows.value(text.as_bytes());
        }
        for instant in [article.created_at, article.updated_at] {
            rows.value(&postgres_micros(instant).to_be_bytes());
        }
        rows.integer(article.version);
        if let Some(words) = words {
            rows.value(words.vector.as_bytes());
            rows.integer(article.version);
            rows.integer(STORED_RULES);
        } else {
            // An empty vector with version 0. For any other version the database would compute the words immediately.
            rows.value(&0_i32.to_be_bytes());
            rows.integer(article.version);
            rows.integer(0);
        }
    }
    rows.finish()
}

/// The parts of long texts; `None` where no text is long.
pub(in crate::store) fn parts<'d>(drafts: impl Iterator<Item = &'d Draft>) -> Option<Bytes> {
    let mut rows = Rows::new(4);
    let mut has_any = false;
    for Draft { article, words, .. } in drafts {
        for (part, number) in words.iter().flat_map(|words| &words.parts).zip(1..) {
            has_any = true;
            rows.begin();
            rows.id(article.id);
            rows.integer(article.version);
            rows.integer(number);
            rows.value(part.as_bytes());
        }
    }
    has_any.then(|| rows.finish())
}

/// The articles whose words are computed later; `None` where all have them.
pub(in crate::store) fn due<'d>(drafts: impl Iterator<Item = &'d Draft>) -> Option<Bytes> {
    let mut rows = Rows::new(1);
    let mut has_any = false;
    for Draft { article, .. } in drafts.filter(|draft| draft.words.is_none()) {
        has_any = true;
        rows.begin();
        rows.id(article.id);
    }
    has_any.then(|| rows.finish())
}

/// Rows in binary format.
struct Rows {
    columns: i16,
    out: BytesMut,
}

impl Rows {
    fn new(columns: i16) -> Self {
        Self {
            columns,
            out: BytesMut::from(HEADER),
        }
    }

    fn begin(&mut self) {
        self.out.put_i16(self.columns);
    }

    fn id(&mut self, id: ArticleId) {
        self.value(id.0.as_bytes());
    }

    fn integer(&mut self, integer: i32) {
        self.value(&integer.to_be_bytes());
    }

    fn value(&mut self, value: &[u8]) {
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.out.put_i32(length);
        self.out.put_slice(value);
    }

    fn finish(mut self) -> Bytes {
        self.out.put_i16(-1);
        self.out.freeze()
    }
}
