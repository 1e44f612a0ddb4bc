//! The search syntax of the model.

use std::sync::LazyLock;

use search_words::{Analyzer, Word};
use serde_json::Value;

/// Whether the words must occur (side by side, if there are several), or must not; and the words.
pub(super) type Term = (bool, Vec<Word>);

/// The alternatives of a search; an empty list if it has no word, `None` if it is blank.
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
