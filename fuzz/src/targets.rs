//! The fuzz targets, one file each.

mod cursor;
mod http_body;
mod jwt;
mod lexer;
mod normalizer;
mod search;
mod tokens;
mod websocket;

use std::error::Error;

use super::target::Target;

/// All targets.
///
/// # Errors
/// A target cannot be set up.
pub(crate) fn all() -> Result<Vec<Box<dyn Target>>, Box<dyn Error>> {
    Ok(vec![
        Box::new(lexer::Lexer),
        Box::new(normalizer::Normalizer::new()?),
        Box::new(cursor::Cursors),
        Box::new(search::Searches),
        Box::new(tokens::TokenFile::new()?),
        Box::new(jwt::Jwts::new()?),
        Box::new(http_body::HttpBody),
        Box::new(websocket::WebSocketMessage),
    ])
}
