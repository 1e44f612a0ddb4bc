//! Writes JSON: prewritten objects, and the response that contains them.

pub(super) mod arguments;
mod escape;
pub(super) mod mutation_result;
pub(super) mod operation_context;
pub(super) mod prewritten;
pub(super) mod response;
