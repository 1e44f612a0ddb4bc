//! What a word is, for full-text search: the same rule for texts and for searches, in any script.
//!
//! A text becomes a sequence of [`Word`]s. Each has a *term*, by which it is found: normalized (NFKC), case-folded,
//! without accents, and stemmed where it is written in basic Latin letters (Snowball English). A word that is written
//! with accents has a second term that keeps them, so that a search for `cafe` finds `café` and a search for `café`
//! finds nothing else. Canonically equivalent texts have equal terms.
//!
//! Words are runs of letters, marks and numbers (Unicode general categories L, M and N); anything else separates them.
//! Scripts without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are segmented with ICU4X's
//! dictionaries. No word is ignored for being frequent.
//!
//! ```
//! use search_words::Analyzer;
//!
//! let analyzer = Analyzer::new();
//! let terms: Vec<String> = analyzer.words("Two Cafés in 東京").map(|word| word.term).collect();
//! assert_eq!(terms, ["two", "cafe", "in", "東京"]);
//! ```

mod analyzer;
mod excerpt;
mod fold;
mod phrases;
mod segment;
mod stems;

pub use analyzer::{Analyzer, Word};
pub use excerpt::Excerpt;
pub use phrases::{Highlight, Phrases};

/// The version of the rules. Terms that were made under another version must be made again.
///
/// It is raised with every change that gives some text other terms, an update of a Unicode table or of a dictionary
/// included.
pub const RULES_VERSION: u32 = 1;
