//! JSON as it is sent: objects that write themselves, and the response around them.

mod escape;
pub(super) mod kept;
pub(super) mod prewritten;
pub(super) mod response;
