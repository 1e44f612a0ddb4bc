//! Such rows in look-ups and lists.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{id, insert, rows, stored_before, with_rows};
use crate::program::Program;
use crate::support::{COLUMN_ORDERS, Database, TestApp, assert_answer, client, on_both_databases};

/// All articles, one per line.
async fn lines(app: &TestApp) -> String {
    let query = "{ articles(limit: 100, orderBy: CREATED_AT_ASC) \
        { title slug text createdAt updatedAt version } }";
    let answer = app.query(query).await.json();
    let articles = answer["data"]["articles"].as_array();
    let line = |article: &Value| {
        let values = article.as_object().unwrap().values();
        let values: Vec<String> = values.map(Value::to_string).collect();
        values.join(" ")
    };
    let lines: Vec<String> = articles
        .unwrap_or_else(|| panic!("{answer}"))
        .iter()
        .map(line)
        .collect();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn invalid_values_are_clamped_on_postgres() {
    let Some(own) = with_rows(Database::Postgres).await else {
        return;
    };
    let app = TestApp::start_on(&own, &[]).await;
    assert_answer!(lines(&app).await, @r#"
    "0001-01-01T00:00:00.000000Z" "always" "" "always" "2020-01-01T00:00:00.000000Z" 1
    "0001-01-01T00:00:00.000000Z" "first" "" "at first" "0001-01-01T00:00:00.000000Z" 1
    "0001-01-01T00:00:00.000000Z" "caesar" "" "Caesar" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "one" "" "one" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "high" "" "high" "2020-01-01T00:00:00.000000Z" 2147483647
    "2022-01-01T00:00:00.000000Z" "ten" "" "ten" "2022-01-01T00:00:00.000000Z" 1
    "9999-12-31T23:59:59.999999Z" "later" "" "later" "2020-01-01T00:00:00.000000Z" 1
    "9999-12-31T23:59:59.999999Z" "last" "" "last" "2020-01-01T00:00:00.000000Z" 1
    "9999-12-31T23:59:59.999999Z" "never" "" "never" "2020-01-01T00:00:00.000000Z" 1
    "9999-12-31T23:59:59.999999Z" "ever" "" "ever" "9999-12-31T23:59:59.999999Z" 1
    "#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_values_are_clamped_on_sqlite() {
    let own = with_rows(Database::Sqlite).await.unwrap();
    let app = TestApp::start_on(&own, &[]).await;
    assert_answer!(lines(&app).await, @r#"
    "0001-01-01T00:00:00.000000Z" "min" "" "min" "0001-01-01T00:00:00.000000Z" 1
    "0001-01-01T00:00:00.000000Z" "year-0" "" "year 0" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "one" "" "one" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "ff" "" "�" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "ff-too" "" "�" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "nul" "c\u0000" "a\u0000b" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "c�" "" "cut" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "latin" "caf� � la" "Latin-1" "2020-01-01T00:00:00.000000Z" 1
    "2020-01-01T00:00:00.000000Z" "high" "" "high" "2020-01-01T00:00:00.000000Z" 2147483647
    "2020-01-01T00:00:00.000000Z" "higher" "" "higher" "2020-01-01T00:00:00.000000Z" 2147483647
    "2022-01-01T00:00:00.000000Z" "ten" "" "ten" "2022-01-01T00:00:00.000000Z" 1
    "9999-12-31T23:59:59.999999Z" "nano" "" "nano" "9999-12-31T23:59:59.999999Z" 1
    "9999-12-31T23:59:59.999999Z" "max" "" "max" "2020-01-01T00:00:00.000000Z" 1
    "9999-12-31T23:59:59.999999Z" "max-too" "" "max too" "2020-01-01T00:00:00.000000Z" 1
    "#);
}

#[apply(on_both_databases)]
async fn a_list_with_such_rows_can_be_walked_in_every_order_from_both_ends(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    let app = TestApp::start_on(&own, &[]).await;
    for order in COLUMN_ORDERS {
        let list = format!("{{ articles(limit: 100, orderBy: {order}) {{ id }} }}");
        let listed = ids(&app.query(&list).await.json()["data"]["articles"]);
        assert_eq!(listed.len(), rows(database).len(), "{order}");
        for (size, cursor) in [("first", "after"), ("last", "before")] {
            let mut walked = walk(&app, order, size, cursor, listed.len()).await;
            if size == "last" {
                walked.reverse();
            }
            assert_eq!(walked, listed, "{order} {size}");
        }
    }
}

/// The ids of a list, read in pages of one; fails after more pages than there are articles.
async fn walk(app: &TestApp, order: &str, size: &str, cursor: &str, most: usize) -> Vec<String> {
    let query = format!(
        "query($at: String) {{ articlesConnection(orderBy: {order}, {size}: 1, {cursor}: $at) \
         {{ nodes {{ id }} pageInfo {{ startCursor hasNextPage hasPreviousPage }} }} }}"
    );
    let more = match size {
        "first" => "hasNextPage",
        _ => "hasPreviousPage",
    };
    let mut walked = Vec::new();
    let mut at = Value::Null;
    for _ in 0..most {
        let request = json!({ "query": query, "variables": { "at": at } });
        let answer = app.graphql(&request).await.json();
        let page = &answer["data"]["articlesConnection"];
        assert!(page.is_object(), "{order}: {answer}");
        walked.extend(ids(&page["nodes"]));
        at = page["pageInfo"]["startCursor"].clone();
        assert_eq!(
            page["pageInfo"][more],
            walked.len() < most,
            "{order} {size}"
        );
    }
    walked
}

fn ids(articles: &Value) -> Vec<String> {
    let articles = articles.as_array().unwrap_or_else(|| panic!("{articles}"));
    let id = |article: &Value| article["id"].as_str().unwrap().to_owned();
    articles.iter().map(id).collect()
}

#[apply(on_both_databases)]
async fn lookups_batched_with_such_rows_succeed(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    let app = TestApp::start_on(&own, &[]).await;
    let all = rows(database);
    let by_id = all.iter().map(|row| format!("{{ id: \"{}\" }}", id(row.0)));
    let by_slug = all
        .iter()
        .map(|row| row.2)
        .filter(|slug| slug.starts_with('\''));
    let by_slug = by_slug.map(|slug| format!("{{ slug: \"{}\" }}", slug.trim_matches('\'')));
    let keys: Vec<String> = by_id.chain(by_slug).collect();
    for _ in 0..5 {
        let answers = keys.iter().map(async |key| {
            let query =
                format!("{{ article(by: {key}) {{ id title createdAt updatedAt version }} }}");
            app.query(&query).await
        });
        for (answer, key) in join_all(answers).await.iter().zip(&keys) {
            assert!(
                answer.json()["data"]["article"].is_object(),
                "{key}: {answer}"
            );
        }
    }
    let ids: Vec<String> = all.iter().map(|row| id(row.0)).collect();
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let answer = app
        .graphql(&json!({ "query": nodes, "variables": { "ids": ids } }))
        .await;
    assert_eq!(self::ids(&answer.json()["data"]["nodes"]), ids);
}

#[apply(on_both_databases)]
async fn the_list_of_all_articles_has_such_rows_once(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    // More articles than are read in one batch.
    own.fill(1_200, 10).await;
    let app = TestApp::start_on(&own, &[]).await;
    let listed = app.get("/api/v1/articles/").await.json();
    let mut ids = ids(&listed);
    let (count, of_rows) = (ids.len(), rows(database).len());
    ids.sort();
    ids.dedup();
    assert_eq!((count, ids.len()), (1_200 + of_rows, 1_200 + of_rows));
}

#[apply(on_both_databases)]
async fn filters_and_searches_handle_such_rows(database: Database) {
    let Some(own) = with_rows(database).await else {
        return;
    };
    let app = TestApp::start_on(&own, &[]).await;
    app.indexed().await;
    for (filter, found) in [
        (
            r#"{ title: { contains: "TEN" } }"#,
            vec![rows(database).last().unwrap().0],
        ),
        (r#"{ text: { startsWith: "x" } }"#, vec![]),
        (
            r#"{ slug: { endsWith: "en" } }"#,
            vec![rows(database).last().unwrap().0],
        ),
        (
            r#"{ search: "ten" }"#,
            vec![rows(database).last().unwrap().0],
        ),
    ] {
        let query = format!("{{ articles(filter: {filter}, limit: 100) {{ id }} }}");
        let answer = app.query(&query).await.json();
        let answered = ids(&answer["data"]["articles"]);
        let found: Vec<String> = found.into_iter().map(id).collect();
        assert_eq!(answered, found, "{filter}");
    }
}

#[apply(on_both_databases)]
async fn such_rows_are_logged_once_each_up_to_a_hundred(database: Database) {
    let (instant, id) = match database {
        Database::Sqlite => ("1577836800000000000", "randomblob(16)"),
        Database::Postgres => ("'infinity'", "gen_random_uuid()"),
    };
    let numbers = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 150)";
    let many = format!(
        "{numbers} INSERT INTO article (id, title, slug, text, created_at) \
         SELECT {id}, 'odd', 'odd-' || n, '', {instant} FROM n"
    );
    let row = insert(database, &rows(database)[1]);
    for (sql, count) in [(row, 1), (many, 100)] {
        let Some(own) = stored_before(database, &sql).await else {
            return;
        };
        let program = Program::start(&own.url, &[]).await;
        for _ in 0..3 {
            let url = program.url("/api/v1/articles/");
            let answer = client().get(url).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap();
        }
        program.signal("TERM");
        let (_, log) = program.end().await;
        let warnings = log.matches("another program stored an article with invalid values");
        assert_eq!(warnings.count(), count, "{log}");
        let more = log.matches("more articles than these").count();
        assert_eq!(more, usize::from(count == 100), "{log}");
    }
}
