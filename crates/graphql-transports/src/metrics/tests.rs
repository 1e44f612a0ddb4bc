use axum::http::StatusCode;

use super::*;
use crate::rejection::Rejection;

#[test]
fn the_number_of_operation_names_as_labels_is_limited() {
    let metrics = OperationMetrics::default();
    assert_eq!(metrics.label("First"), "First");
    for number in 1..NAMES {
        assert_ne!(metrics.label(&format!("Name{number}")), OTHER);
    }
    assert_eq!(metrics.label("OneMore"), OTHER);
    assert_eq!(metrics.label("First"), "First");
    let metrics = OperationMetrics::default();
    assert_eq!(metrics.label(&"N".repeat(NAME_BYTES + 1)), OTHER);
    assert_ne!(metrics.label(&"N".repeat(NAME_BYTES)), OTHER);
}

/// The series of a registry, without their values.
fn series(registry: &Registry) -> Vec<String> {
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, registry).unwrap();
    let series = page.lines().map(|line| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') => series.to_owned(),
        _ => line.to_owned(),
    });
    series.collect()
}

#[test]
fn many_names_of_trusted_documents_do_not_grow_the_page() {
    let (metrics, mut registry) = (OperationMetrics::default(), Registry::default());
    metrics.register(&mut registry);
    let operations = |from: usize, to: usize| {
        for number in from..to {
            let mut under_way = metrics.begin();
            under_way.is_prepared(OperationKind::Query, Some(&format!("Name{number}")));
            let rejection = Rejection::bad_request(StatusCode::BAD_REQUEST, "wrong");
            under_way.ends_with(&Outcome::Rejected(rejection), Duration::ZERO);
        }
        series(&registry).len()
    };
    let few = operations(0, NAMES + 1);
    assert_eq!(operations(NAMES + 1, 100_000), few);
}
