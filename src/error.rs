//! The errors of the domain, and their conversion for clients in `api/error.rs`.

pub use broadsheet_articles::error::*;
pub use graphql_transports::error::{
    Detail, ErrorCode, Location, PathSegment, ResponseError, ResponseErrors,
};
