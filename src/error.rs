//! What can go wrong, and what clients read of it. `api/error.rs` turns the first into the second.

mod code;
mod response;

pub use broadsheet_articles::error::*;

pub use self::code::ErrorCode;
pub use self::response::{Detail, Location, PathSegment, ResponseError, ResponseErrors};
