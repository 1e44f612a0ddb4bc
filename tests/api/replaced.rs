//! The search on SQLite after another program has replaced articles without firing triggers.

use broadsheet::store::{self, Migrate};
use serde_json::json;

use crate::support::{Database, OwnDatabase, Settings, TestApp};

/// The slugs that a search finds.
async fn found(app: &TestApp, search: &str) -> String {
    let query = "query($search: String!) \
        { articles(filter: { search: $search }, orderBy: SLUG_ASC) { slug } }";
    let request = json!({ "query": query, "variables": { "search": search } });
    let answer = app.graphql(&request).await.json();
    let articles = answer["data"]["articles"].as_array().unwrap().iter();
    let slugs: Vec<&str> = articles
        .map(|article| article["slug"].as_str().unwrap())
        .collect();
    slugs.join(" ")
}

fn insert(verb: &str, number: &str, slug: &str, title: &str) -> String {
    format!(
        "{verb} INTO article (number, id, title, slug, text) \
         VALUES ({number}, randomblob(16), '{title}', '{slug}', 'text of {title}');"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_articles_are_not_found_by_old_words() {
    for recursive in ["OFF", "ON"] {
        let own = Database::Sqlite.migrated().await.unwrap();
        let app = TestApp::start_on(&own, &[]).await;
        let run = async |sql: &str| {
            let pragma = format!("PRAGMA recursive_triggers = {recursive}; {sql}");
            own.execute(&pragma).await;
        };
        run(&insert("INSERT", "1", "a", "alpha")).await;
        run(&insert("INSERT", "2", "b", "beta")).await;
        run(&insert("INSERT", "3", "c", "gamma")).await;
        for (sql, word, finds, gone) in [
            (insert("INSERT OR IGNORE", "NULL", "a", "ignored"), "alpha", "a", "ignored"),
            (insert("INSERT OR REPLACE", "NULL", "a", "delta"), "delta", "a", "alpha"),
            // An article that replaces three: by its number, its slug and its id.
            (
                "INSERT OR REPLACE INTO article (number, id, title, slug, text) \
                 SELECT 2, id, 'epsilon', 'c', '' FROM article WHERE slug = 'a'"
                    .to_owned(),
                "epsilon",
                "c",
                "beta or gamma or delta",
            ),
            (insert("REPLACE", "2", "d", "zeta"), "zeta", "d", "epsilon"),
            (insert("INSERT", "7", "e", "eta"), "eta or zeta", "d e", "epsilon"),
            (
                "UPDATE OR REPLACE article SET slug = 'e' WHERE slug = 'd'".to_owned(),
                "zeta",
                "e",
                "eta",
            ),
            (insert("INSERT", "8", "f", "theta"), "theta or zeta", "e f", "eta"),
            (
                "UPDATE OR REPLACE article SET number = 8, title = 'iota', text = '' WHERE slug = 'e'"
                    .to_owned(),
                "iota",
                "e",
                "theta or zeta",
            ),
        ] {
            run(&sql).await;
            app.indexed().await;
            assert_eq!(found(&app, word).await, finds, "{sql}");
            assert_eq!(found(&app, gone).await, "", "{sql}");
        }
        run("DELETE FROM article").await;
        app.indexed().await;
        assert_eq!(found(&app, "text or iota").await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_with_words_of_replaced_articles_is_rebuilt() {
    let own = Database::Sqlite.empty().await.unwrap();
    migrate_to_before(&own).await;
    own.fill(300, 10).await;
    // The number is the same, so only the count of the index reveals it.
    own.execute(
        &(insert("INSERT", "1000", "a", "alpha") + &insert("REPLACE", "1000", "b", "beta")),
    )
    .await;
    let app = TestApp::start_on(&own, &[]).await;
    app.indexed().await;
    assert_eq!(found(&app, "alpha").await, "");
    assert_eq!(found(&app, "beta").await, "b");
    assert_eq!(found(&app, "\"article 300\"").await, "article-300");
}

async fn migrate_to_before(own: &OwnDatabase) {
    let settings = Settings::new(&own.url, &[]).database;
    let mut status = store::migrate(&settings, Migrate::Up).await.unwrap();
    while status.applied.iter().any(|version| version == "0004") {
        status = store::migrate(&settings, Migrate::Down).await.unwrap();
    }
}
