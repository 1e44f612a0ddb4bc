//! The path of a value within the variables, for errors.

/// The maximum characters of unknown names, which may have any length; longer ones are truncated.
const MAX_NAME_CHARS: usize = 64;

/// A segment of a path. It stays on the stack, and becomes text only for an error.
pub(super) struct Path<'a> {
    pub(super) parent: Option<&'a Path<'a>>,
    pub(super) key: Key<'a>,
}

pub(super) enum Key<'a> {
    /// A field, with its index in the definition of the type.
    Field(usize, &'a str),
    Index(usize),
}

/// The index of a field that the definition does not have.
pub(super) const UNKNOWN: usize = usize::MAX;

impl Path<'_> {
    pub(super) fn then<'a>(&'a self, key: Key<'a>) -> Path<'a> {
        Path {
            parent: Some(self),
            key,
        }
    }

    pub(super) fn indices(&self) -> Vec<usize> {
        let mut indices = self.parent.map(Path::indices).unwrap_or_default();
        let (Key::Field(index, _) | Key::Index(index)) = self.key;
        indices.push(index);
        indices
    }

    pub(super) fn dotted(&self) -> String {
        let key = match self.key {
            Key::Field(_, name) => name.to_owned(),
            Key::Index(index) => index.to_string(),
        };
        self.parent
            .map_or(key.clone(), |parent| format!("{}.{key}", parent.dotted()))
    }
}

pub(super) fn cut(name: &str) -> &str {
    let end = name.char_indices().nth(MAX_NAME_CHARS);
    end.map_or(name, |(end, _)| &name[..end])
}

pub(super) fn first(path: &str) -> &str {
    path.split_once('.').map_or(path, |(name, _)| name)
}
