//! Checks that docs/observability.md lists exactly the metrics that exist.

use std::collections::BTreeSet;

use rstest_reuse::apply;
use serde_json::json;

use crate::support::{Database, on_both_databases, start};

/// The names on a page of metrics, with the suffixes of their lines.
fn served(metrics: &str) -> BTreeSet<String> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, "info") => format!("{name}_info"),
            (name, _) => name.to_owned(),
        })
        .collect()
}

/// The names in the first column of the tables.
fn documented() -> BTreeSet<String> {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/observability.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, metrics) = page.split_once("\n## Metrics\n").unwrap();
    let rows = metrics.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

#[apply(on_both_databases)]
async fn documented_metrics_equal_exported_ones(database: Database) {
    let app = start!(database);
    // Metrics with labels appear with their first count.
    app.create(json!({ "title": "a", "slug": "a", "text": "" }))
        .await;
    app.query("{ nothing }").await;
    let served = served(&app.get("/metrics").await.body);
    let documented = documented();
    let missing: Vec<_> = documented.difference(&served).collect();
    assert!(missing.is_empty(), "documented but not served: {missing:?}");
    let unknown: Vec<_> = served.difference(&documented).collect();
    assert!(unknown.is_empty(), "served but not documented: {unknown:?}");
}
