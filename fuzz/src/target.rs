//! The trait of fuzz targets.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::FixedState;

/// A parser of untrusted input.
pub(crate) trait Target {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// The initial inputs.
    fn seeds(&self) -> Vec<Vec<u8>>;

    /// Words to insert into inputs.
    fn dictionary(&self) -> &'static [&'static str];

    /// Reads an input, and returns the [kind](kind) of its outcome.
    ///
    /// # Errors
    /// A sentence about the invariant that does not hold.
    fn check(&self, input: &[u8]) -> Result<u64, String>;
}

/// A number for a kind of outcome. The corpus keeps inputs of each kind, so there should be some hundreds of kinds.
pub(crate) fn kind(of: impl Hash) -> u64 {
    FixedState::default().hash_one(of)
}

/// The magnitude of a number, so that not every number is a kind of its own.
pub(crate) fn magnitude(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}

/// An error if the condition does not hold.
pub(crate) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    match condition {
        true => Ok(()),
        false => Err(message()),
    }
}

/// The input as text, which it usually is.
pub(crate) fn text(input: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(input)
}

/// The two parts of an input, before and after its first zero byte.
pub(crate) fn parts(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}

/// Joins two parts to an input.
pub(crate) fn joined(first: &str, second: &str) -> Vec<u8> {
    [first.as_bytes(), &[0], second.as_bytes()].concat()
}
