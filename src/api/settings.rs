//! The settings of the API and of its guard.

use std::time::Duration;

use super::filter::FilterLimits;
use super::{changes, mutation, types};
use crate::config::{LimitSettings, limits};
use crate::overload::ConcurrencySettings;
use graphql_guard::{Limits, Pages, ScalarInput, Settings as GuardSettings, ValueLimits};

/// How large documents, filters and responses may be, and how long a query may take.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    pub document: Limits,
    pub filter: FilterLimits,
    pub query_timeout: Duration,
    /// The maximum bytes of a response, and of an event of a subscription.
    pub response_bytes: usize,
    /// How long the result of a mutation with an idempotency key is kept.
    pub idempotency_retention: Duration,
    /// The maximum number of concurrent queries, and of concurrent mutations.
    pub concurrency: ConcurrencySettings,
    /// Whether the statements of an execution are kept one by one, for traces.
    pub keep_statements: bool,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            document: Limits::default(),
            filter: FilterLimits::default(),
            query_timeout: Duration::from_secs(30),
            response_bytes: limits::RESPONSE_BYTES,
            idempotency_retention: Duration::from_hours(limits::IDEMPOTENCY_HOURS),
            concurrency: ConcurrencySettings::default(),
            keep_statements: false,
        }
    }
}

impl From<&LimitSettings> for ApiSettings {
    fn from(settings: &LimitSettings) -> Self {
        Self {
            document: Limits {
                document_tokens: settings.max_tokens,
                nesting: settings.max_nesting,
                selections: settings.max_selections,
                depth: settings.max_depth,
                aliases: settings.max_aliases,
                root_fields: settings.max_root_fields,
                directives: settings.max_directives,
                complexity: settings.max_complexity,
                values: ValueLimits::new(
                    settings.max_filter_conditions,
                    settings.max_filter_values,
                    changes::MAX_ARTICLE_IDS.max(mutation::MAX_ARTICLES),
                ),
                cache_bytes: settings.document_cache_bytes,
                introspection: settings.introspection,
            },
            filter: FilterLimits {
                conditions: settings.max_filter_conditions,
                values: settings.max_filter_values,
                nesting: settings.max_filter_nesting,
            },
            response_bytes: settings.max_response_bytes,
            ..Self::default()
        }
    }
}

/// The guard's settings for this schema.
pub(super) fn guard_settings(limits: Limits) -> GuardSettings {
    let page_arguments = ["limit", "first", "last", "ids", "inputs"];
    GuardSettings {
        limits,
        pages: Pages {
            arguments: page_arguments.map(str::to_owned).into(),
            ..Pages::default()
        },
        scalars: [("DateTime".to_owned(), ScalarInput::String)].into(),
        prewritten: types::PREWRITTEN.map(str::to_owned).into(),
    }
}
