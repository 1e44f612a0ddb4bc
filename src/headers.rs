//! Headers of HTTP that are lists.

use axum::http::{HeaderMap, header};

/// The items of a header that is a list, over all its lines.
pub(crate) fn list(request: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = request
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}
