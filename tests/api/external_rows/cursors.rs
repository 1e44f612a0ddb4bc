//! Cursors with positions that no row of this database can have: forged, or from another database.

use broadsheet::article::page::Cursor;
use broadsheet::article::{Article, ArticleId, ArticleOrder, StoredKeys};
use broadsheet::clock::Timestamp;
use rstest_reuse::apply;
use serde_json::json;

use super::{id, rows, with_rows};
use crate::support::{Database, TestApp, on_both_databases};

#[apply(on_both_databases)]
async fn a_cursor_with_any_position_is_valid_in_the_list(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    let app = TestApp::start_on(&own, &[]).await;
    let texts: [&[u8]; 6] = [
        b"",
        b"\0",
        b"ten\0",
        b"\xff",
        b"ten\xe2\x82",
        b"\xf4\x90\x80\x80",
    ];
    let instants = [
        i128::MIN,
        i128::from(i64::MIN) - 1,
        i64::MIN.into(),
        -212_000_000_000_000_000,
        i64::MAX.into(),
        9_224_318_016_000_000_000,
        i128::MAX,
    ];
    for (text, micros) in texts.iter().cycle().zip(instants) {
        let key: Box<[u8]> = (*text).into();
        let article = Article {
            id: ArticleId::parse(&id(1)).unwrap(),
            title: String::new(),
            slug: String::new(),
            text: String::new(),
            created_at: Timestamp::stored(micros),
            updated_at: Timestamp::stored(micros),
            version: 1,
            stored_keys: Some(Box::new(StoredKeys {
                title: key.clone(),
                slug: key,
            })),
        };
        for (order, name) in [
            (ArticleOrder::TitleAsc, "TITLE_ASC"),
            (ArticleOrder::SlugDesc, "SLUG_DESC"),
            (ArticleOrder::CreatedAtDesc, "CREATED_AT_DESC"),
            (ArticleOrder::UpdatedAtAsc, "UPDATED_AT_ASC"),
        ] {
            let cursor = Cursor::of(&article, order, 0).encode();
            let query = format!(
                "query($at: String) {{
                    after: articlesConnection(orderBy: {name}, after: $at) {{ nodes {{ id }} }}
                    before: articlesConnection(orderBy: {name}, before: $at) {{ nodes {{ id }} }}
                }}"
            );
            let request = json!({ "query": query, "variables": { "at": cursor } });
            let answer = app.graphql(&request).await.json();
            let count = |side: &str| answer["data"][side]["nodes"].as_array().unwrap().len();
            // Except the row at the position itself.
            let beside = count("after") + count("before");
            assert!(
                beside + 1 >= rows(database).len(),
                "{name} {text:?} {micros}: {answer}"
            );
        }
    }
}
