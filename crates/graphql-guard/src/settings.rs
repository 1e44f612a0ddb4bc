//! The settings of a guard.

use std::collections::HashMap;

use super::Limits;

/// The settings of a [`Guard`](super::Guard). The defaults suit a schema without custom scalars, or one that accepts
/// any value for them.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Limits on documents and the values of variables.
    pub limits: Limits,
    /// The number of items in lists, for the complexity of their selections.
    pub pages: Pages,
    /// The values that scalars of the schema accept, by the scalars' names. One that is not listed accepts any value and
    /// leaves the rest to its resolver; the five of the specification are known.
    pub scalars: HashMap<String, ScalarInput>,
    /// Object types whose resolvers write the whole object themselves; see
    /// [`Operation::outline`](super::Operation::outline).
    pub prewritten: Vec<String>,
}

/// How many items a list field returns, as its arguments say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Arguments that give the size of a page: by their value, or by their length where they are lists.
    pub arguments: Vec<String>,
    /// The size where a field has such arguments, but none is given and none has a default.
    pub default_size: u64,
    /// No page counts as larger. A request for a larger one is rejected where its argument is read, with a better
    /// message than that it is too complex.
    pub max_size: u64,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            arguments: ["first", "last", "limit"].map(str::to_owned).into(),
            default_size: 20,
            max_size: 1_000,
        }
    }
}

/// Which values a scalar accepts besides null, in variables and in documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScalarInput {
    /// Any value, lists and objects too.
    #[default]
    Any,
    /// As `Boolean`.
    Boolean,
    /// As `Float`: any finite number.
    Float,
    /// As `ID`: a string, or an integer that becomes one.
    Id,
    /// As `Int`: an integer of 32 bits.
    Int,
    /// As `String`.
    String,
}

impl ScalarInput {
    /// That of a scalar of the specification (section 3.5).
    pub(super) fn built_in(name: &str) -> Option<Self> {
        Some(match name {
            "Boolean" => Self::Boolean,
            "Float" => Self::Float,
            "ID" => Self::Id,
            "Int" => Self::Int,
            "String" => Self::String,
            _ => return None,
        })
    }
}
