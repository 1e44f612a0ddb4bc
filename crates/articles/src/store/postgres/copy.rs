//! Encodes articles for `COPY … (FORMAT binary)`.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::article::{Article, ArticleId};
use crate::store::drafts::Draft;
use crate::store::indexing::STORED_RULES;
use crate::store::postgres::vector::Words;
use crate::store::sql::types::postgres_micros;

/// The statement for [`ArticleRows`].
pub(super) const INTO_ARTICLES: &str = "COPY article (id, title, slug, text, created_at, updated_at, version, \
     search, search_version, search_rules) FROM STDIN (FORMAT binary)";

/// The statement for [`PartRows`].
pub(super) const INTO_PARTS: &str =
    "COPY article_search_part (article_id, version, part, search) FROM STDIN (FORMAT binary)";

/// The statement for [`due`].
pub(super) const INTO_DUE: &str = "COPY search_due (article_id) FROM STDIN (FORMAT binary)";

/// The signature, no flags, and no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Follows the last row, where another would have its number of columns.
pub(super) const TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// Articles, in any number of chunks. Their values are valid; each text is shorter than a gigabyte.
pub(super) struct ArticleRows(Rows);

impl ArticleRows {
    pub(super) fn new() -> Self {
        Self(Rows::new(10))
    }

    /// Adds an article, with its words where those were computed.
    pub(super) fn push(&mut self, article: &Article, words: Option<&Words>) {
        let Self(rows) = self;
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

    /// The rows since the last chunk. After all chunks follows the [`TRAILER`].
    pub(super) fn chunk(&mut self) -> Bytes {
        self.0.out.split().freeze()
    }
}

/// The parts of long texts.
pub(super) struct PartRows(Rows);

impl PartRows {
    pub(super) fn new() -> Self {
        Self(Rows::new(4))
    }

    pub(super) fn push(&mut self, article: &Article, words: &Words) {
        let Self(rows) = self;
        for (part, number) in words.parts.iter().zip(1..) {
            rows.begin();
            rows.id(article.id);
            rows.integer(article.version);
            rows.integer(number);
            rows.value(part.as_bytes());
        }
    }

    /// All of them, which the [`TRAILER`] follows; `None` where no text is long.
    pub(super) fn finish(self) -> Option<Bytes> {
        self.0.finish()
    }
}

/// The articles whose words are computed later, which the [`TRAILER`] follows; `None` where all have them.
pub(super) fn due<'d>(drafts: impl Iterator<Item = &'d Draft>) -> Option<Bytes> {
    let mut rows = Rows::new(1);
    for Draft { article, .. } in drafts.filter(|draft| draft.words.is_none()) {
        rows.begin();
        rows.id(article.id);
    }
    rows.finish()
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

    /// All of the rows, without the [`TRAILER`]; `None` where there are none.
    fn finish(self) -> Option<Bytes> {
        (self.out.len() > HEADER.len()).then(|| self.out.freeze())
    }
}
