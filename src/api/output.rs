//! What clients see.

use std::sync::Arc;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::{Context, ID, Interface, Object, SimpleObject};
use uuid::Uuid;

use super::error::Result;
use super::json::arguments::{EXCERPT_LENGTH, excerpt_length};
use super::json::prewritten::{self, Json, Many, Prewritten, Unwritten, Written};
use super::json::under_way;
use super::scalar::DateTime;
use crate::article::excerpt::{self, Highlights};
use crate::article::page::{Page, Placed, Wanted};
use crate::article::{self, Columns};

/// Anything that has a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(crate) enum Node {
    Article(Article),
}

/// An article.
pub(crate) struct Article(pub(super) Arc<article::Article>);

impl Article {
    pub(super) fn new(article: article::Article) -> Self {
        Self(Arc::new(article))
    }
}

impl Prewritten for Article {
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> Written {
        let article = &*self.0;
        match field.name.node.as_str() {
            "id" => {
                let mut buffer = Uuid::encode_buffer();
                let id = article.id.0.hyphenated().encode_lower(&mut buffer);
                prewritten::plain(out, id.as_bytes())
            }
            "title" => prewritten::text(out, &article.title),
            "slug" => prewritten::text(out, &article.slug),
            "text" => prewritten::text(out, &article.text),
            "createdAt" => prewritten::plain(out, &article.created_at.to_rfc3339()),
            "updatedAt" => prewritten::plain(out, &article.updated_at.to_rfc3339()),
            "version" => prewritten::json(out, &article.version),
            "excerpt" => {
                let excerpt = Excerpt::from(out.excerpt(&article.text, field)?);
                prewritten::object(out, &excerpt, &field.selection_set.node)
            }
            _ => Err(Unwritten::Unknown),
        }
    }

    fn size_hint(&self) -> usize {
        let article = &*self.0;
        256 + article.title.len() + article.slug.len() + article.text.len()
    }
}

#[Object]
impl Article {
    /// A UUID (version 7 for articles that this server made), in its hyphenated lower-case form.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// 1 to 65 characters.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// 1 to 65 characters, unique among all articles.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    #[expect(clippy::unused_async, reason = "the engine awaits its resolvers")]
    async fn text(&self, ctx: &Context<'_>) -> Result<&str> {
        // The engine copies it.
        under_way::budget(ctx)?.write(self.0.text.len())?;
        Ok(&self.0.text)
    }

    async fn created_at(&self) -> DateTime {
        DateTime::Known(self.0.created_at)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime::Known(self.0.updated_at)
    }

    /// Starts at 1 and grows by one with each update; give it back as `expectedVersion` to update only what you have
    /// seen.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// The part of the text that fits `search` best, or its beginning where there is no search or nothing of it occurs
    /// in the text. Cut at words; `length` is 50 to 1000 characters at most.
    #[expect(clippy::unused_async, reason = "the engine awaits its resolvers")]
    async fn excerpt(
        &self,
        ctx: &Context<'_>,
        search: Option<String>,
        #[graphql(default_with = "EXCERPT_LENGTH")] length: i32,
    ) -> Result<Excerpt> {
        let length = excerpt_length(length)?;
        under_way::budget(ctx)?.read(self.0.text.len())?;
        let highlights = Highlights::of(search.as_deref().unwrap_or_default());
        Ok(excerpt::Excerpt::of(&self.0.text, &highlights, length).into())
    }
}

/// A part of an article's text.
#[derive(SimpleObject)]
pub(crate) struct Excerpt {
    text: String,
    /// Where the words of the search stand in `text`, in order.
    matches: Vec<ExcerptMatch>,
}

/// Characters (Unicode scalar values) `start` to `end`, the end not included, counted from 0.
#[derive(SimpleObject)]
pub(crate) struct ExcerptMatch {
    start: i32,
    end: i32,
}

impl From<excerpt::Excerpt> for Excerpt {
    fn from(excerpt: excerpt::Excerpt) -> Self {
        let number = |offset: usize| i32::try_from(offset).unwrap_or(i32::MAX);
        let matches = excerpt.matches.into_iter().map(|range| ExcerptMatch {
            start: number(range.start),
            end: number(range.end),
        });
        Self {
            text: excerpt.text,
            matches: matches.collect(),
        }
    }
}

impl Prewritten for Excerpt {
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> Written {
        match field.name.node.as_str() {
            "text" => prewritten::text(out, &self.text),
            "matches" => prewritten::list(out, &self.matches, &field.selection_set.node),
            _ => Err(Unwritten::Unknown),
        }
    }

    fn size_hint(&self) -> usize {
        64 + self.text.len() + 32 * self.matches.len()
    }
}

impl Prewritten for ExcerptMatch {
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> Written {
        match field.name.node.as_str() {
            "start" => prewritten::json(out, &self.start),
            "end" => prewritten::json(out, &self.end),
            _ => Err(Unwritten::Unknown),
        }
    }

    fn size_hint(&self) -> usize {
        32
    }
}

/// A page of a list, as Relay has it.
pub(crate) struct ArticleConnection(pub(super) Page);

#[Object]
impl ArticleConnection {
    async fn edges(&self) -> Many<ArticleEdge> {
        Many(self.0.articles.iter().cloned().map(ArticleEdge).collect())
    }

    async fn nodes(&self) -> Many<Article> {
        let articles = self.0.articles.iter();
        Many(
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
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> Written {
        match field.name.node.as_str() {
            "cursor" => prewritten::plain(out, self.0.cursor.encode().as_bytes()),
            "node" => {
                let article = Article(Arc::clone(&self.0.article));
                prewritten::object(out, &article, &field.selection_set.node)
            }
            _ => Err(Unwritten::Unknown),
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

/// The types that write themselves wherever they are the type of a field.
pub(super) const PREWRITTEN: [&str; 2] = ["Article", "ArticleEdge"];

/// The columns that the field which is resolved needs of its articles.
pub(super) fn columns(ctx: &Context<'_>) -> Columns {
    let mut columns = Columns::ID;
    for_each_field(under_way::selections(ctx), &mut |field| {
        add(&mut columns, field);
    });
    columns
}

/// What a connection has to bring.
pub(super) fn wanted(ctx: &Context<'_>) -> Wanted {
    let mut wanted = Wanted::default();
    for_each_field(under_way::selections(ctx), &mut |field| {
        let below = Some(&field.selection_set.node);
        match field.name.node.as_str() {
            "edges" => for_each_field(below, &mut |edge| {
                for_each_field(Some(&edge.selection_set.node), &mut |field| {
                    add(&mut wanted.columns, field);
                });
            }),
            "nodes" => for_each_field(below, &mut |field| add(&mut wanted.columns, field)),
            "pageInfo" => for_each_field(below, &mut |field| match field.name.node.as_str() {
                "hasNextPage" => wanted.next = true,
                "hasPreviousPage" => wanted.previous = true,
                _ => {}
            }),
            "totalCount" => wanted.total = true,
            _ => {}
        }
    });
    wanted
}

/// How often the field that is resolved, an article, shows its text.
pub(super) fn texts(ctx: &Context<'_>) -> usize {
    let mut texts = 0;
    for_each_field(under_way::selections(ctx), &mut |field| {
        texts += usize::from(field.name.node == "text");
    });
    texts
}

/// How often a page of changes shows the text of each article.
pub(super) fn texts_of_changes(ctx: &Context<'_>) -> usize {
    let mut texts = 0;
    for_each_field(under_way::selections(ctx), &mut |changes| {
        for_each_field(Some(&changes.selection_set.node), &mut |article| {
            for_each_field(Some(&article.selection_set.node), &mut |field| {
                // An excerpt is made of the text.
                texts += usize::from(matches!(field.name.node.as_str(), "text" | "excerpt"));
            });
        });
    });
    texts
}

/// Adds the column that a field of an article shows.
fn add(columns: &mut Columns, field: &Field) {
    match field.name.node.as_str() {
        "title" => columns.title = true,
        "slug" => columns.slug = true,
        "text" | "excerpt" => columns.text = true,
        "createdAt" => columns.created_at = true,
        "updatedAt" => columns.updated_at = true,
        "version" => columns.version = true,
        _ => {}
    }
}

/// The fields of a selection set, those of inline fragments among them.
fn for_each_field(selections: Option<&SelectionSet>, visit: &mut dyn FnMut(&Field)) {
    for selection in selections.iter().flat_map(|selections| &selections.items) {
        match &selection.node {
            Selection::Field(field) => visit(&field.node),
            Selection::InlineFragment(fragment) => {
                for_each_field(Some(&fragment.node.selection_set.node), visit);
            }
            // A normalized operation has none.
            Selection::FragmentSpread(_) => {}
        }
    }
}
