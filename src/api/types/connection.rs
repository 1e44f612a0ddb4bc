//! Pages of lists, as Relay has them.

use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::{Object, SimpleObject};

use super::Article;
use crate::api::json::prewritten::{
    self, Json, Prewritten, PrewrittenList, WriteError, WriteResult,
};
use crate::article::page::{Page, Placed};

/// A page of a list, as Relay has it.
pub(crate) struct ArticleConnection(pub(in crate::api) Page);

#[Object]
impl ArticleConnection {
    async fn edges(&self) -> PrewrittenList<ArticleEdge> {
        PrewrittenList(self.0.articles.iter().cloned().map(ArticleEdge).collect())
    }

    async fn nodes(&self) -> PrewrittenList<Article> {
        let articles = self.0.articles.iter();
        PrewrittenList(
            articles
                .map(|placed| Article(Arc::clone(&placed.article)))
                .collect(),
        )
    }

    async fn page_info(&self) -> PageInfo {
        let cursor = |placed: Option<&Placed>| placed.map(|placed| placed.cursor.encode());
        PageInfo {
            has_next_page: self.0.has_next,
            has_previous_page: self.0.has_previous,
            start_cursor: cursor(self.0.articles.first()),
            end_cursor: cursor(self.0.articles.last()),
        }
    }

    /// How many articles the filter matches, whatever the page. Counted only when asked for.
    async fn total_count(&self) -> i32 {
        i32::try_from(self.0.total).unwrap_or(i32::MAX)
    }
}

/// An article of a page.
pub(crate) struct ArticleEdge(Placed);

#[Object]
impl ArticleEdge {
    async fn cursor(&self) -> String {
        self.0.cursor.encode()
    }

    async fn node(&self) -> Article {
        Article(Arc::clone(&self.0.article))
    }
}

impl Prewritten for ArticleEdge {
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> WriteResult {
        match field.name.node.as_str() {
            "cursor" => prewritten::plain(out, self.0.cursor.encode().as_bytes()),
            "node" => {
                let article = Article(Arc::clone(&self.0.article));
                prewritten::object(out, &article, &field.selection_set.node)
            }
            _ => Err(WriteError::Unknown),
        }
    }

    fn size_hint(&self) -> usize {
        384 + self.0.article.title.len() + self.0.article.slug.len() + self.0.article.text.len()
    }
}

/// What lies beside a page.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    has_next_page: bool,
    has_previous_page: bool,
    start_cursor: Option<String>,
    end_cursor: Option<String>,
}
