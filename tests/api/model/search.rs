//! What a search means.

use std::sync::LazyLock;

use search_words::{Analyzer, Word};
use serde_json::Value;

/// Whether words must occur side by side, or must not.
pub(super) type Term = (bool, Vec<Word>);

/// A search as its alternatives, none where it has no word; each term says whether it must occur or must not. `None` where
/// it is blank.
pub(super) fn search_words(search: &Value) -> Option<Vec<Vec<Term>>> {
    let search = search.as_str().filter(|text| !text.trim().is_empty())?;
    if words(search).is_empty() {
        return Some(Vec::new());
    }
    let alternatives = search.split(" or ").map(|terms| {
        // A quoted phrase is one term; elsewhere each word is.
        let mut found = Vec::new();
        let mut wanted = true;
        for (index, part) in terms.split('"').enumerate() {
            if index % 2 == 1 {
                found.push((wanted, words(part)));
                continue;
            }
            for word in part.split_whitespace().filter(|word| *word != "-") {
                found.push((!word.starts_with('-'), words(word)));
            }
            wanted = !part.ends_with('-');
        }
        found
    });
    Some(alternatives.collect())
}

pub(super) fn words(text: &str) -> Vec<Word> {
    static ANALYZER: LazyLock<Analyzer> = LazyLock::new(Analyzer::new);
    ANALYZER.words(text).collect()
}
