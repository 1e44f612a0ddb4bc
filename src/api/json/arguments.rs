//! The arguments of fields of prewritten objects.

use async_graphql::parser::types::Field;
use async_graphql::{ContextBase, Value, Variables};

use super::operation_context::OperationContext;
use super::prewritten::WriteError;
use crate::api::error::Result;
use crate::api::input::within;
use crate::article::excerpt::{Excerpt, Highlights, LENGTHS};

/// The default maximum number of characters in an excerpt.
pub(in crate::api) const EXCERPT_LENGTH: i32 = 200;

/// Checks the maximum number of characters in an excerpt.
pub(in crate::api) fn excerpt_length(length: i32) -> Result<usize> {
    let (least, most) = LENGTHS.into_inner();
    let length = within("length", length, least, most)?;
    Ok(usize::try_from(length).unwrap_or_default())
}

/// What is needed to resolve the arguments of fields.
pub(in crate::api) struct Arguments<'c> {
    variables: &'c Variables,
    /// Counts the texts that are searched; `None` after the execution has ended.
    operation_context: Option<&'c OperationContext>,
    /// Parsed searches: all articles of a list have the same one.
    highlights: Vec<(String, Highlights)>,
}

impl<'c> Arguments<'c> {
    pub(super) fn of<T>(
        ctx: &'c ContextBase<'_, T>,
        operation_context: &'c OperationContext,
    ) -> Self {
        Self {
            operation_context: Some(operation_context),
            ..Self::with(&ctx.query_env.variables)
        }
    }

    pub(super) fn with(variables: &'c Variables) -> Self {
        Self {
            variables,
            operation_context: None,
            highlights: Vec::new(),
        }
    }

    /// The value of a field's argument, where it is given.
    fn value(&self, field: &Field, name: &str) -> Option<Value> {
        let mut given = field.arguments.iter();
        let (_, value) = given.find(|(given, _)| given.node == name)?;
        let value = value.node.clone().into_const_with(|variable| {
            let value = self.variables.get(&variable);
            value.cloned().ok_or(())
        });
        value.ok().filter(|value| *value != Value::Null)
    }

    /// The excerpt of a text, according to the field's arguments.
    pub(super) fn excerpt(&mut self, text: &str, field: &Field) -> Result<Excerpt, WriteError> {
        let length = match self.value(field, "length") {
            Some(Value::Number(length)) => {
                let length = length.as_i64().and_then(|length| length.try_into().ok());
                length.unwrap_or(i32::MAX)
            }
            _ => EXCERPT_LENGTH,
        };
        let length = excerpt_length(length).map_err(|error| WriteError::Argument(error.into()))?;
        let search = match self.value(field, "search") {
            Some(Value::String(search)) => search,
            _ => String::new(),
        };
        if let Some(operation_context) = self.operation_context
            && !search.trim().is_empty()
        {
            // The whole text is searched, however short the excerpt is.
            operation_context.count_read(text.len())?;
        }
        let highlights = self.highlights(search);
        Ok(Excerpt::of(text, highlights, length))
    }

    fn highlights(&mut self, search: String) -> &Highlights {
        let known = self.highlights.iter();
        let known = known.clone().position(|(known, _)| *known == search);
        let place = known.unwrap_or_else(|| {
            let highlights = Highlights::of(&search);
            self.highlights.push((search, highlights));
            self.highlights.len() - 1
        });
        &self.highlights[place].1
    }
}
