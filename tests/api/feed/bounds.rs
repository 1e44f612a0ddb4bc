//! Filters that hardly anything matches: what a call looks at.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Database, TestApp, on_both_databases};

/// One page of the deletions that follow `after`.
async fn deletions(app: &TestApp, after: &Value) -> Value {
    let query = "query($after: String!) {
        articleChanges(after: $after, kinds: [DELETED]) { changes { kind } endCursor hasMore }
    }";
    let request = json!({ "query": query, "variables": { "after": after } });
    app.graphql(&request).await.json()["data"]["articleChanges"].take()
}

#[apply(on_both_databases)]
async fn a_page_looks_at_a_bounded_part_of_the_feed_and_its_cursor_advances(database: Database) {
    let app = crate::support::start!(database);
    let begin = app.query("{ articleChangesCursor }").await.json();
    app.database.fill(25_000, 0).await;
    app.database
        .execute("DELETE FROM article WHERE slug = 'article-7'")
        .await;
    let mut after = begin["data"]["articleChangesCursor"].clone();
    for expected in [
        json!({ "changes": [], "hasMore": true }),
        json!({ "changes": [], "hasMore": true }),
        json!({ "changes": [{ "kind": "DELETED" }], "hasMore": false }),
        json!({ "changes": [], "hasMore": false }),
    ] {
        let mut page = deletions(&app, &after).await;
        after = page.as_object_mut().unwrap().remove("endCursor").unwrap();
        assert_eq!(page, expected);
    }
}
