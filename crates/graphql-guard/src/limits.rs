//! Limits on documents and the values of their variables, and estimates of the memory that these take.

use async_graphql::Value;

/// No document may nest deeper, whatever its limit, because apollo-compiler has its own limit with its own message.
pub(super) const MAX_NESTING: usize = 120;

/// How large a document may be. Each number is the highest that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Lexical tokens of the text.
    pub document_tokens: usize,
    /// Nesting of brackets in the text, and of selections with fragments expanded; at most 120.
    pub nesting: usize,
    /// Selections of all operations together, with fragments expanded.
    pub selections: usize,
    /// Nesting of fields in the normalized operation; fields below `__schema` and `__type` do not count.
    pub depth: usize,
    /// Aliases in the normalized operation.
    pub aliases: usize,
    /// Root fields in the normalized operation.
    pub root_fields: usize,
    /// Directives at one location of the document.
    pub directives: usize,
    /// 1 for each field; the fields of a list count as often as its page has items, see [`Pages`](super::Pages).
    pub complexity: u64,
    /// What the values of variables may hold.
    pub values: ValueLimits,
    /// Memory for parsed documents and normalized operations, in bytes, as estimated.
    pub cache_bytes: usize,
    /// Whether documents may select `__schema` and `__type`.
    pub introspection: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_tokens: 15_000,
            nesting: 64,
            selections: 5_000,
            depth: 16,
            aliases: 50,
            root_fields: 50,
            directives: 10,
            complexity: 20_000,
            values: ValueLimits::default(),
            cache_bytes: 32 * 1024 * 1024,
            introspection: true,
        }
    }
}

/// How much the values of a request's variables may hold.
///
/// These limits keep large values from being built that resolvers would reject. Values of up to twice a limit pass, so
/// that the resolver can reject them with a better message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueLimits {
    /// Values of one list; up to twice as many are read.
    pub list: usize,
    /// Values of one variable in the lists of a filter, which is an input type that contains itself; up to twice as many
    /// are read.
    pub conditions: usize,
    /// Memory of all values of a request besides their texts, and of the copies of variables that are used more than
    /// once, in bytes, as estimated.
    pub bytes: u64,
}

impl ValueLimits {
    /// Limits that every filter passes with this number of conditions and of values in each of them, and every other
    /// list with this number of values.
    pub fn new(conditions: usize, filter_values: usize, other_values: usize) -> Self {
        /// Enough for all other variables of a document within its limits.
        const OTHER: u64 = 16 * 1024 * 1024;
        let filter = (conditions as u64).saturating_mul(filter_values as u64);
        Self {
            list: filter_values.max(other_values),
            conditions,
            bytes: filter.saturating_mul(VALUE_BYTES).saturating_add(OTHER),
        }
    }
}

impl Default for ValueLimits {
    fn default() -> Self {
        Self::new(200, 1_000, 1_000)
    }
}

/// What a value takes in memory, in bytes.
pub(super) const VALUE_BYTES: u64 = size_of::<Value>() as u64;

/// What an object with fields takes besides: a hash table, which begins with room for several.
pub(super) const OBJECT_BYTES: u64 = 256;

/// What each field of an object takes besides its value: its name, and its slots in the table.
pub(super) const FIELD_BYTES: u64 = 128;

/// An upper estimate of the memory that a value takes with all that it contains, in bytes.
pub(super) fn value_bytes(value: &Value) -> u64 {
    let below = match value {
        Value::String(text) => text.len() as u64,
        Value::Binary(bytes) => bytes.len() as u64,
        Value::List(items) => items.iter().map(value_bytes).sum(),
        Value::Object(fields) if fields.is_empty() => 0,
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| FIELD_BYTES + name.len() as u64 + value_bytes(value))
            .sum::<u64>()
            .saturating_add(OBJECT_BYTES),
        _ => 0,
    };
    VALUE_BYTES + below
}
