//! The errors of a response, typed until they are written as JSON.

mod code;
mod response;

pub use self::code::ErrorCode;
pub use self::response::{
    Detail, Extensions, Location, PathSegment, ResponseError, ResponseErrors,
};
