//! Such rows in the change feed.

use broadsheet::article::change::FeedCursor;
use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{id_in_sql, rows, with_rows};
use crate::feed::{Node, change_line, next};
use crate::support::{Database, TestApp, on_both_databases};

#[apply(on_both_databases)]
async fn the_feed_continues_past_such_rows_even_after_their_deletion(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    let count = rows(database).len();
    for round in 1..=2 {
        let node = Node::start(&own, &[]).await;
        let begin = node.store.feed_state().await.unwrap().oldest;
        let mut changes = node.subscribe(Some(begin)).await;
        let received = next(&mut changes, count * round).await;
        assert!(
            received
                .iter()
                .all(|change| !change_line(change).is_empty())
        );
        let all = polled(&TestApp::start_on(&own, &[]).await, begin).await;
        assert_eq!(all.len(), count * round, "{all:?}");
        assert_eq!(all[1]["kind"], "CREATED");
        let shown = &all[1]["article"]["createdAt"];
        assert_eq!(shown, "9999-12-31T23:59:59.999999Z");
        if round == 1 {
            for row in rows(database) {
                let id = id_in_sql(database, row.0);
                own.execute(&format!("DELETE FROM article WHERE id = {id}"))
                    .await;
            }
        }
    }
}

/// All changes after a cursor, as a client polls them.
async fn polled(app: &TestApp, after: FeedCursor) -> Vec<Value> {
    let query = "query($after: String!) { articleChanges(after: $after, first: 500) \
        { changes { kind article { title slug text createdAt updatedAt version } } hasMore } }";
    let variables = json!({ "after": after.to_string() });
    let answer = app
        .graphql(&json!({ "query": query, "variables": variables }))
        .await
        .json();
    let changes = answer["data"]["articleChanges"]["changes"].as_array();
    changes.unwrap_or_else(|| panic!("{answer}")).clone()
}

#[apply(on_both_databases)]
async fn an_incomplete_change_is_sent_without_its_article(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let node = Node::start(&own, &[]).await;
    let mut changes = node.subscribe(None).await;
    let id = id_in_sql(database, 1);
    let log = format!("INSERT INTO article_change (kind, article_id, title) VALUES (2, {id}, 'x')");
    own.execute(&match database {
        Database::Sqlite => log,
        Database::Postgres => format!(
            "WITH change AS ({log} RETURNING id) \
             INSERT INTO article_change_unnumbered SELECT id FROM change"
        ),
    })
    .await;
    own.execute(&format!(
        "INSERT INTO article (id, title, slug, text) VALUES ({id}, 'A', 'a', '')"
    ))
    .await;
    let received = next(&mut changes, 2).await;
    let received: Vec<String> = received.iter().map(|change| change_line(change)).collect();
    assert_eq!(received, ["Updated", r#"Created "A" "a" "" version 1"#]);
}
