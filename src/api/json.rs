//! Writes JSON: prewritten objects, and the response that contains them.

pub(super) mod arguments;
mod escape;
pub(super) mod kept;
pub(super) mod prewritten;
pub(super) mod response;
pub(super) mod under_way;
