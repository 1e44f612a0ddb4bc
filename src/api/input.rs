//! Input types, and their conversion to values of the domain or to errors with a path.

use async_graphql::{Enum, ID, InputObject, OneofObject};

use super::error::{FieldError, Result};
use super::scalar::DateTime;
use crate::article::{
    self, ArticleEdit, ArticleId, ArticleKey, NewArticle, Slug, Text, Title, check_no_nul,
};
use crate::error::Violation;

#[derive(OneofObject)]
pub(crate) enum ArticleBy {
    Id(ID),
    Slug(String),
}

impl ArticleBy {
    /// `None` for an id that is not a UUID, which matches no article.
    pub(super) fn into_key(self) -> Result<Option<ArticleKey>> {
        match self {
            Self::Id(id) => Ok(ArticleId::parse(&id).map(ArticleKey::Id)),
            Self::Slug(slug) => {
                check_no_nul("slug", &slug)
                    .map_err(|violation| FieldError::at("by.slug", violation))?;
                Ok(Some(ArticleKey::Slug(slug)))
            }
        }
    }
}

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "article::ArticleOrder")]
pub(crate) enum ArticleOrder {
    CreatedAtAsc,
    CreatedAtDesc,
    UpdatedAtAsc,
    UpdatedAtDesc,
    TitleAsc,
    TitleDesc,
    SlugAsc,
    SlugDesc,
    /// Best match first; only together with a `search` at the top of the filter.
    Relevance,
}

#[derive(InputObject)]
pub(crate) struct CreateArticleInput {
    title: String,
    /// Made from the title where it is left out.
    slug: Option<String>,
    text: String,
    /// The moment of the call where it is left out.
    created_at: Option<DateTime>,
}

impl CreateArticleInput {
    /// Checks every value; `field` is the path of the input.
    pub(super) fn into_new_article(self, field: &str) -> Result<NewArticle> {
        let at = |name| at(field, name);
        Ok(NewArticle {
            title: Title::new(self.title).map_err(at("title"))?,
            slug: self.slug.map(Slug::new).transpose().map_err(at("slug"))?,
            text: Text::new(self.text).map_err(at("text"))?,
            created_at: self
                .created_at
                .map(|instant| instant.at(format!("{field}.createdAt")))
                .transpose()?,
        })
    }
}

/// What is left out stays as it is.
#[derive(InputObject)]
pub(crate) struct UpdateArticleInput {
    title: Option<String>,
    slug: Option<String>,
    text: Option<String>,
}

impl UpdateArticleInput {
    /// Checks every value; `field` is the path of the input.
    pub(super) fn into_edit(self, field: &str) -> Result<ArticleEdit> {
        let at = |name| at(field, name);
        let edit = ArticleEdit {
            title: self
                .title
                .map(Title::new)
                .transpose()
                .map_err(at("title"))?,
            slug: self.slug.map(Slug::new).transpose().map_err(at("slug"))?,
            text: self.text.map(Text::new).transpose().map_err(at("text"))?,
        };
        if let (None, None, None) = (&edit.title, &edit.slug, &edit.text) {
            return Err(FieldError::invalid(
                field,
                "an update must change something: give a title, a slug or a text",
            ));
        }
        Ok(edit)
    }
}

/// The error of a field of the input at `field`.
fn at(field: &str, name: &'static str) -> impl FnOnce(Violation) -> FieldError {
    let path = format!("{field}.{name}");
    move |violation| FieldError::at(path, violation)
}

/// Checks that a number is within its bounds.
pub(super) fn within(field: &str, value: i32, low: i32, high: i32) -> Result<i32> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    let bounds = match high {
        i32::MAX => format!("at least {low}"),
        _ => format!("{low} to {high}"),
    };
    Err(FieldError::invalid(
        field,
        format!("{field} must be {bounds}, but it is {value}"),
    ))
}

/// Checks the length of a list.
pub(super) fn at_most<T>(field: &str, list: &[T], most: usize) -> Result<()> {
    if list.len() <= most {
        return Ok(());
    }
    let count = list.len();
    Err(FieldError::invalid(
        field,
        format!("{field} may have at most {most} values, but it has {count}"),
    ))
}
