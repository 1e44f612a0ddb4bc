//! How large documents and filters may be.

use clap::Args;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};

use graphql_guard::Limits;

use super::value::{at_least_one, number};

/// The default maximum of conditions in a filter.
pub(crate) const FILTER_CONDITIONS: usize = 200;

/// The default maximum of values in a list of a filter.
pub(crate) const FILTER_VALUES: usize = 1_000;

/// The default nesting depth of a filter.
pub(crate) const FILTER_NESTING: usize = 10;

/// The default number of hours that results are kept by idempotency key.
pub(crate) const IDEMPOTENCY_HOURS: u64 = 24;

/// The default maximum size of a response, in bytes.
pub(crate) const RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// The parsers of nested brackets and conditions are recursive, and must not overflow the stack even in a debug build.
const MAX_DEPTH: u64 = 100;

/// SQLite limits the depth of expressions to 1,000, and each condition of an `or` adds one level.
const MAX_CONDITIONS: u64 = 500;

fn nesting(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=MAX_DEPTH)
}

/// How large documents and filters may be; the same on every transport.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Tokens of a document
    #[arg(
        long,
        env = "MAX_TOKENS",
        default_value_t = Limits::default().document_tokens,
        value_parser = at_least_one::<usize>(),
        value_name = "COUNT"
    )]
    pub max_tokens: usize,

    /// Nesting of brackets in a document
    #[arg(long, env = "MAX_NESTING", default_value_t = Limits::default().nesting, value_parser = nesting(1), value_name = "COUNT")]
    pub max_nesting: usize,

    /// Selections of a document after its fragments are expanded
    #[arg(
        long,
        env = "MAX_SELECTIONS",
        default_value_t = Limits::default().selections,
        value_parser = at_least_one::<usize>(),
        value_name = "COUNT"
    )]
    pub max_selections: usize,

    /// Depth of the fields of an operation, except introspection
    #[arg(long, env = "MAX_DEPTH", default_value_t = Limits::default().depth, value_parser = at_least_one::<usize>(), value_name = "COUNT")]
    pub max_depth: usize,

    /// Aliases of an operation
    #[arg(long, env = "MAX_ALIASES", default_value_t = Limits::default().aliases, value_parser = number::<usize>(), value_name = "COUNT")]
    pub max_aliases: usize,

    /// Fields at the root of an operation
    #[arg(
        long,
        env = "MAX_ROOT_FIELDS",
        default_value_t = Limits::default().root_fields,
        value_parser = at_least_one::<usize>(),
        value_name = "COUNT"
    )]
    pub max_root_fields: usize,

    /// Directives at one location
    #[arg(
        long,
        env = "MAX_DIRECTIVES",
        default_value_t = Limits::default().directives,
        value_parser = number::<usize>(),
        value_name = "COUNT"
    )]
    pub max_directives: usize,

    /// Complexity of an operation: 1 per field, multiplied by the page size below a list
    #[arg(
        long,
        env = "MAX_COMPLEXITY",
        default_value_t = Limits::default().complexity,
        value_parser = at_least_one::<u64>(),
        value_name = "COUNT"
    )]
    pub max_complexity: u64,

    /// Conditions of a filter
    #[arg(
        long,
        env = "MAX_FILTER_CONDITIONS",
        default_value_t = FILTER_CONDITIONS,
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=MAX_CONDITIONS),
        value_name = "COUNT"
    )]
    pub max_filter_conditions: usize,

    /// Values of a list in a filter
    #[arg(
        long,
        env = "MAX_FILTER_VALUES",
        default_value_t = FILTER_VALUES,
        value_parser = number::<usize>(),
        value_name = "COUNT"
    )]
    pub max_filter_values: usize,

    /// Nesting of and, or and not in a filter
    #[arg(
        long,
        env = "MAX_FILTER_NESTING",
        default_value_t = FILTER_NESTING,
        value_parser = nesting(0),
        value_name = "COUNT"
    )]
    pub max_filter_nesting: usize,

    /// Maximum size of a response, or of an event of a subscription, in bytes
    #[arg(long, env = "MAX_RESPONSE_BYTES", default_value_t = RESPONSE_BYTES, value_parser = at_least_one::<usize>(), value_name = "BYTES")]
    pub max_response_bytes: usize,

    /// Memory for parsed documents, in bytes; an eighth of that, in addition, is for repeated requests
    #[arg(long, env = "DOCUMENT_CACHE_BYTES", default_value_t = Limits::default().cache_bytes, value_parser = number::<usize>(), value_name = "BYTES")]
    pub document_cache_bytes: usize,

    /// Whether clients may query the schema (introspection)
    #[arg(long, env = "INTROSPECTION", default_value_t = Limits::default().introspection, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub introspection: bool,
}
