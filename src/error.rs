//! What can go wrong, and what clients read of it. `api/error.rs` turns the first into the second.

pub use broadsheet_articles::error::*;
pub use graphql_transports::error::{
    Detail, ErrorCode, Location, PathSegment, ResponseError, ResponseErrors,
};
