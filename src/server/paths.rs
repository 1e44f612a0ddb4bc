//! The paths that are served, for both the router and the metrics.

pub(super) const FRONT_PAGE: &str = "/";
pub(super) const GRAPHQL: &str = "/graphql";
pub(super) const ARTICLES: &str = "/api/v1/articles/";
/// [`ARTICLES`] as many clients write it.
pub(super) const ARTICLES_WITHOUT_SLASH: &str = "/api/v1/articles";
pub(super) const SCHEMA: &str = "/schema.graphql";
pub(super) const ALIVE: &str = "/health/live";
pub(super) const READY: &str = "/health/ready";
pub(super) const METRICS: &str = "/metrics";

/// All of them, without the alternative spelling.
pub(super) const ALL: [&str; 7] = [GRAPHQL, FRONT_PAGE, ARTICLES, SCHEMA, ALIVE, READY, METRICS];

/// Whether the path is for monitoring, which is exempt from the limits.
pub(super) fn is_watched(path: &str) -> bool {
    [ALIVE, READY, METRICS].contains(&path)
}
