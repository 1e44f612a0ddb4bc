//! The filter input type, and its conversion to the domain's filter, with limits.

use async_graphql::{ID, InputObject};

use super::error::{FieldError, Result};
use super::scalar::DateTime;
use crate::article::filter::{
    Affix, Comparison, Filter, InstantColumn, Place, TextColumn, TextTest,
};
use crate::article::search::Search;
use crate::article::{ArticleId, check_no_nul};
use crate::config::limits;

/// All the conditions that are given must hold. `and`, `or` and `not` nest.
#[derive(InputObject)]
pub(crate) struct ArticleFilter {
    and: Option<Vec<ArticleFilter>>,
    or: Option<Vec<ArticleFilter>>,
    not: Option<Box<ArticleFilter>>,
    id: Option<IdFilter>,
    title: Option<StringFilter>,
    slug: Option<StringFilter>,
    text: Option<StringFilter>,
    created_at: Option<DateTimeFilter>,
    updated_at: Option<DateTimeFilter>,
    /// Full-text search over title and text, in the web-search form: words, "a phrase", or, -without.
    search: Option<String>,
}

#[derive(InputObject)]
pub(crate) struct IdFilter {
    eq: Option<ID>,
    r#in: Option<Vec<ID>>,
}

impl ArticleFilter {
    /// Whether it has a `search` at the top level, even an empty one.
    pub(super) fn searches(&self) -> bool {
        self.search.is_some()
    }
}

/// `contains`, `startsWith` and `endsWith` ignore case; the others do not.
#[derive(InputObject)]
pub(crate) struct StringFilter {
    eq: Option<String>,
    ne: Option<String>,
    r#in: Option<Vec<String>>,
    not_in: Option<Vec<String>>,
    contains: Option<String>,
    starts_with: Option<String>,
    ends_with: Option<String>,
}

#[derive(InputObject)]
pub(crate) struct DateTimeFilter {
    eq: Option<DateTime>,
    lt: Option<DateTime>,
    lte: Option<DateTime>,
    gt: Option<DateTime>,
    gte: Option<DateTime>,
}

/// The maximum size of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterLimits {
    /// The total number of conditions.
    pub conditions: usize,
    /// The values of a list, and the words of all searches together.
    pub values: usize,
    /// The nesting depth of `and`, `or` and `not`.
    pub nesting: usize,
}

impl Default for FilterLimits {
    fn default() -> Self {
        Self {
            conditions: limits::FILTER_CONDITIONS,
            values: limits::FILTER_VALUES,
            nesting: limits::FILTER_NESTING,
        }
    }
}

/// The filter in the argument at `field`; without one, every article matches.
///
/// # Errors
/// A value is invalid, or the filter is larger than `limits`.
pub(super) fn filter(
    given: Option<ArticleFilter>,
    field: &str,
    limits: FilterLimits,
) -> Result<Filter> {
    let mut reader = Reader {
        limits,
        conditions: 0,
        words: 0,
    };
    match given {
        None => Ok(Filter::ALL),
        Some(given) => reader.article(given, field, 0),
    }
}

/// Converts a value to a test.
type MakeTest<'a> = &'a dyn Fn(String) -> TextTest;

/// Counts the conditions, and the words of searches, during the conversion.
struct Reader {
    limits: FilterLimits,
    conditions: usize,
    words: usize,
}

impl Reader {
    fn article(&mut self, given: ArticleFilter, field: &str, depth: usize) -> Result<Filter> {
        if depth > self.limits.nesting {
            let most = self.limits.nesting;
            return Err(FieldError::invalid(
                field,
                format!("a filter may nest at most {most} deep"),
            ));
        }
        let mut parts = Vec::new();
        // First, because relevance is measured by the first search.
        if let Some(text) = given.search {
            self.count(field)?;
            parts.extend(self.search(&text, &format!("{field}.search"))?);
        }
        if let Some(all) = given.and {
            parts.push(Filter::And(self.list(
                all,
                &format!("{field}.and"),
                depth,
            )?));
        }
        if let Some(any) = given.or {
            parts.push(Filter::Or(self.list(any, &format!("{field}.or"), depth)?));
        }
        if let Some(not) = given.not {
            let part = self.article(*not, &format!("{field}.not"), depth + 1)?;
            parts.push(Filter::Not(Box::new(part)));
        }
        if let Some(id) = given.id {
            self.id(id, &format!("{field}.id"), &mut parts)?;
        }
        let texts = [
            (TextColumn::Title, "title", given.title),
            (TextColumn::Slug, "slug", given.slug),
            (TextColumn::Text, "text", given.text),
        ];
        for (column, name, text) in texts {
            if let Some(text) = text {
                self.text(column, text, &format!("{field}.{name}"), &mut parts)?;
            }
        }
        let instants = [
            (InstantColumn::CreatedAt, "createdAt", given.created_at),
            (InstantColumn::UpdatedAt, "updatedAt", given.updated_at),
        ];
        for (column, name, instant) in instants {
            if let Some(instant) = instant {
                self.instant(column, instant, &format!("{field}.{name}"), &mut parts)?;
            }
        }
        Ok(Filter::And(parts))
    }

    fn search(&mut self, text: &str, field: &str) -> Result<Option<Filter>> {
        let filter = Search::parse(text);
        if let Some(Filter::Search(search)) = &filter {
            self.words += search.words();
        }
        let most = self.limits.values;
        if self.words > most {
            return Err(FieldError::invalid(
                field,
                format!("the searches of a filter may have at most {most} words"),
            ));
        }
        Ok(filter.map(|filter| match filter {
            Filter::Search(search) => Filter::Search(search.without_repetitions()),
            filter => filter,
        }))
    }

    fn list(
        &mut self,
        given: Vec<ArticleFilter>,
        field: &str,
        depth: usize,
    ) -> Result<Vec<Filter>> {
        given
            .into_iter()
            .enumerate()
            .map(|(index, part)| {
                self.count(field)?;
                self.article(part, &format!("{field}.{index}"), depth + 1)
            })
            .collect()
    }

    fn id(&mut self, given: IdFilter, field: &str, parts: &mut Vec<Filter>) -> Result<()> {
        // An id that is not a UUID matches no article.
        if let Some(id) = given.eq {
            self.count(field)?;
            parts.push(Filter::Id(ArticleId::parse(&id).into_iter().collect()));
        }
        if let Some(ids) = given.r#in {
            self.count(field)?;
            self.values(&ids, &format!("{field}.in"))?;
            let ids = ids.iter().filter_map(|id| ArticleId::parse(id)).collect();
            parts.push(Filter::Id(ids));
        }
        Ok(())
    }

    fn text(
        &mut self,
        column: TextColumn,
        given: StringFilter,
        field: &str,
        parts: &mut Vec<Filter>,
    ) -> Result<()> {
        let affix = |place| move |part: String| TextTest::Affix(Affix { place, part });
        let single: [(&str, Option<String>, MakeTest<'_>); 5] = [
            ("eq", given.eq, &TextTest::Equal),
            ("ne", given.ne, &TextTest::NotEqual),
            ("contains", given.contains, &affix(Place::Anywhere)),
            ("startsWith", given.starts_with, &affix(Place::Start)),
            ("endsWith", given.ends_with, &affix(Place::End)),
        ];
        for (name, value, test) in single {
            if let Some(value) = value {
                self.count(field)?;
                check_no_nul(name, &value)
                    .map_err(|violation| FieldError::at(format!("{field}.{name}"), violation))?;
                parts.push(Filter::Text(column, test(value)));
            }
        }
        let lists = [
            (
                "in",
                given.r#in,
                TextTest::In as fn(Vec<String>) -> TextTest,
            ),
            ("notIn", given.not_in, TextTest::NotIn),
        ];
        for (name, values, test) in lists {
            if let Some(values) = values {
                self.count(field)?;
                self.values(&values, &format!("{field}.{name}"))?;
                for (index, value) in values.iter().enumerate() {
                    check_no_nul(name, value).map_err(|violation| {
                        FieldError::at(format!("{field}.{name}.{index}"), violation)
                    })?;
                }
                parts.push(Filter::Text(column, test(values)));
            }
        }
        Ok(())
    }

    fn instant(
        &mut self,
        column: InstantColumn,
        given: DateTimeFilter,
        field: &str,
        parts: &mut Vec<Filter>,
    ) -> Result<()> {
        let comparisons = [
            ("eq", given.eq, Comparison::Equal),
            ("lt", given.lt, Comparison::Less),
            ("lte", given.lte, Comparison::LessOrEqual),
            ("gt", given.gt, Comparison::Greater),
            ("gte", given.gte, Comparison::GreaterOrEqual),
        ];
        for (name, instant, comparison) in comparisons {
            if let Some(instant) = instant {
                self.count(field)?;
                let instant = instant.at(format!("{field}.{name}"))?;
                parts.push(Filter::Instant(column, comparison, instant));
            }
        }
        Ok(())
    }

    fn count(&mut self, field: &str) -> Result<()> {
        self.conditions += 1;
        let most = self.limits.conditions;
        if self.conditions <= most {
            return Ok(());
        }
        Err(FieldError::invalid(
            field,
            format!("a filter may have at most {most} conditions"),
        ))
    }

    fn values<T>(&self, values: &[T], field: &str) -> Result<()> {
        super::input::at_most(field, values, self.limits.values)
    }
}
