//! `x-request-id`: the caller's if it is valid, otherwise a new one.

use rstest_reuse::apply;

use crate::support::{Answer, Database, on_both_databases, start};

#[apply(on_both_databases)]
async fn every_response_has_the_id_of_its_request(database: Database) {
    let app = start!(database);
    for path in [
        "/",
        "/graphql",
        "/schema.graphql",
        "/health/live",
        "/api/v1/articles/",
        "/nothing",
    ] {
        let answer = Answer::to(app.request(path).header("x-request-id", "a-1.b:c/d+e=_")).await;
        assert_eq!(answer.header("x-request-id"), "a-1.b:c/d+e=_", "{path}");
    }
}

#[apply(on_both_databases)]
async fn an_invalid_id_is_replaced_by_a_new_one(database: Database) {
    let app = start!(database);
    let mut seen = std::collections::HashSet::new();
    for id in ["", "a b", "<script>", &"a".repeat(129)] {
        let answer = Answer::to(app.request("/health/live").header("x-request-id", id)).await;
        let new = answer.header("x-request-id").to_owned();
        assert_eq!(new.len(), 36, "{id:?} became {new:?}");
        assert!(seen.insert(new), "an id came twice");
    }
}
