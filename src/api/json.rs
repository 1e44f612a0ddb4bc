//! JSON as it is sent: objects that write themselves, and the response around them.

pub(super) mod arguments;
mod escape;
pub(super) mod kept;
pub(super) mod prewritten;
pub(super) mod response;
pub(super) mod under_way;
