//! Excerpts of texts.

use async_graphql::SimpleObject;
use async_graphql::parser::types::Field;

use crate::api::json::prewritten::{self, Json, Prewritten, WriteError, WriteResult};
use crate::article::excerpt;

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
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> WriteResult {
        match field.name.node.as_str() {
            "text" => prewritten::text(out, &self.text),
            "matches" => prewritten::list(out, &self.matches, &field.selection_set.node),
            _ => Err(WriteError::Unknown),
        }
    }

    fn size_hint(&self) -> usize {
        64 + self.text.len() + 32 * self.matches.len()
    }
}

impl Prewritten for ExcerptMatch {
    fn write_field(&self, out: &mut Json<'_>, field: &Field) -> WriteResult {
        match field.name.node.as_str() {
            "start" => prewritten::json(out, &self.start),
            "end" => prewritten::json(out, &self.end),
            _ => Err(WriteError::Unknown),
        }
    }

    fn size_hint(&self) -> usize {
        32
    }
}
