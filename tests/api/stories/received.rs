//! Changes as clients receive and apply them, and the checks for a sequence of changes.

use std::collections::{BTreeMap, HashMap, HashSet};

use broadsheet::article::change::FeedCursor;
use serde::Deserialize;

/// An article as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Article {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) slug: String,
    pub(super) text: String,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) version: i32,
}

impl Article {
    /// The fields to select.
    pub(super) const FIELDS: &str = "id title slug text createdAt updatedAt version";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Kind {
    Created,
    Updated,
    Deleted,
}

/// A change as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    pub(super) cursor: String,
    pub(super) kind: Kind,
    pub(super) article_id: String,
    pub(super) article: Option<Article>,
}

impl Change {
    /// The fields to select.
    pub(super) const FIELDS: &str =
        "cursor kind articleId article { id title slug text createdAt updatedAt version }";

    pub(super) fn position(&self) -> i64 {
        self.cursor.parse::<FeedCursor>().unwrap().position
    }
}

/// A list of articles that a client keeps up to date.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct List(BTreeMap<String, Article>);

impl List {
    pub(super) fn new(articles: Vec<Article>) -> Self {
        let articles = articles.into_iter();
        Self(
            articles
                .map(|article| (article.id.clone(), article))
                .collect(),
        )
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match &change.article {
            Some(article) => self.0.insert(change.article_id.clone(), article.clone()),
            None => self.0.remove(&change.article_id),
        };
    }

    /// As the API orders it.
    pub(super) fn newest_first(self) -> Vec<Article> {
        let mut articles: Vec<Article> = self.0.into_values().collect();
        articles
            .sort_by(|one, other| (&other.created_at, &other.id).cmp(&(&one.created_at, &one.id)));
        articles
    }
}

/// Checks that `changes` contains each change from the first one on once, and that the changes of each article are in
/// order: version 1, then consecutive versions, then perhaps a deletion and nothing after it.
pub(super) fn check_order(changes: &[Change]) {
    let mut versions: HashMap<&str, Option<i32>> = HashMap::new();
    for (index, change) in changes.iter().enumerate() {
        assert_eq!(
            change.position(),
            i64::try_from(index).unwrap() + 1,
            "{change:?}"
        );
        let id = change.article_id.as_str();
        let before = versions.get(id).copied();
        let version = change.article.as_ref().map(|article| article.version);
        match (change.kind, before, version) {
            (Kind::Created, None, Some(1)) | (Kind::Deleted, Some(Some(_)), None) => {}
            (Kind::Updated, Some(Some(before)), Some(after)) if after == before + 1 => {}
            _ => panic!("{change:?} after version {before:?}"),
        }
        if let Some(article) = &change.article {
            assert_eq!(article.id, id);
        }
        versions.insert(id, version);
    }
}

/// What a writer has written, as far as it knows. Each text is written once.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Texts of writes that were acknowledged.
    pub(super) texts: Vec<String>,
    /// Ids of articles whose deletion was acknowledged.
    pub(super) deleted: Vec<String>,
    /// Texts of writes that were rejected or rolled back.
    pub(super) rejected: Vec<String>,
}

impl Written {
    pub(super) fn extend(&mut self, other: Self) {
        self.texts.extend(other.texts);
        self.deleted.extend(other.deleted);
        self.rejected.extend(other.rejected);
    }

    /// Checks that `changes` contains every acknowledged write once, and no rejected write.
    pub(super) fn check(&self, changes: &[Change]) {
        let mut occurrences: HashMap<&str, usize> = HashMap::new();
        for change in changes {
            if let Some(article) = &change.article {
                *occurrences.entry(&article.text).or_default() += 1;
            }
        }
        for text in &self.texts {
            assert_eq!(occurrences.get(text.as_str()), Some(&1), "written: {text}");
        }
        for text in &self.rejected {
            assert_eq!(occurrences.get(text.as_str()), None, "rejected: {text}");
        }
        let deleted: HashSet<&str> = changes
            .iter()
            .filter(|change| change.kind == Kind::Deleted)
            .map(|change| change.article_id.as_str())
            .collect();
        for id in &self.deleted {
            assert!(deleted.contains(id.as_str()), "deleted: {id}");
        }
    }
}
