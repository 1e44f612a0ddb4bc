//! The way to a value, for the errors about it.

/// Names that the schema does not know are cut off here, in characters: they are the client's own, of any length.
const LONGEST_NAME: usize = 64;

/// A step of the way to a value. Kept on the stack and written only when something is wrong.
pub(super) struct Path<'a> {
    pub(super) parent: Option<&'a Path<'a>>,
    pub(super) key: Key<'a>,
}

pub(super) enum Key<'a> {
    /// A field, and its place in the type's definition.
    Field(usize, &'a str),
    Index(usize),
}

/// The place of a field that the definition does not have.
pub(super) const NOWHERE: usize = usize::MAX;

impl Path<'_> {
    pub(super) fn then<'a>(&'a self, key: Key<'a>) -> Path<'a> {
        Path {
            parent: Some(self),
            key,
        }
    }

    pub(super) fn places(&self) -> Vec<usize> {
        let mut places = self.parent.map(Path::places).unwrap_or_default();
        let (Key::Field(place, _) | Key::Index(place)) = self.key;
        places.push(place);
        places
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
    let end = name.char_indices().nth(LONGEST_NAME);
    end.map_or(name, |(end, _)| &name[..end])
}

pub(super) fn first(path: &str) -> &str {
    path.split_once('.').map_or(path, |(name, _)| name)
}
