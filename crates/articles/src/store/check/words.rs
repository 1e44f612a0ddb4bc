//! Checks that the words of the search index match the articles.

use super::{Checked, Finding};
use crate::article::ArticleId;

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WordsCheck {
    pub articles: u64,
    /// Articles whose words differ from those of their title and text under the present rules.
    pub stale: u64,
    /// Some of these articles.
    pub examples: Vec<ArticleId>,
    /// Words in the index that belong to no article.
    pub orphans: u64,
}

/// The maximum number of articles that are named.
const MAX_NAMED: usize = 20;

const REMEDY: &str = "A server indexes rows of other programs within seconds, and rows imported with --index=later \
                      within minutes; otherwise run `broadsheet reindex`";

impl WordsCheck {
    pub(in crate::store) fn add(&mut self, id: ArticleId, is_current: bool) {
        self.articles += 1;
        if !is_current {
            self.stale += 1;
            if self.examples.len() < MAX_NAMED {
                self.examples.push(id);
            }
        }
    }
}

impl From<WordsCheck> for Checked {
    fn from(check: WordsCheck) -> Self {
        let WordsCheck {
            articles,
            stale,
            examples,
            orphans,
        } = check;
        let mut findings = Vec::new();
        if stale > 0 {
            let mut named: Vec<String> = examples.iter().map(ToString::to_string).collect();
            if stale > named.len() as u64 {
                named.push("others".to_owned());
            }
            let what = format!(
                "of {articles} articles, {stale} are not found by their current words: {}",
                named.join(", ")
            );
            findings.push(Finding::new(what, REMEDY));
        }
        if orphans > 0 {
            let what = format!("the words of {orphans} deleted articles are still indexed");
            findings.push(Finding::new(what, REMEDY));
        }
        Self {
            part: "search",
            summary: format!("{articles} articles are found by their words"),
            findings,
        }
    }
}
