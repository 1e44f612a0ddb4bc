//! The search index: it follows writes of other programs, and contains articles from before it existed.

use std::time::Duration;

use broadsheet::store::{self, Migrate};
use rstest_reuse::apply;
use serde_json::json;

use crate::program::run;
use crate::support::{
    Answer, Database, OwnDatabase, Settings, TestApp, assert_answer, client, on_both_databases,
    start,
};

/// SQL that inserts an article as an external writer does.
fn insert(database: Database, slug: &str, title: &str, text: &str) -> String {
    let id = match database {
        Database::Sqlite => "randomblob(16)",
        Database::Postgres => "gen_random_uuid()",
    };
    format!(
        "INSERT INTO article (id, slug, title, text) VALUES ({id}, '{slug}', '{title}', '{text}');"
    )
}

/// The slugs that a search finds.
pub(crate) async fn found(app: &TestApp, search: &str) -> String {
    let query = "query($search: String!) \
        { articles(filter: { search: $search }, orderBy: SLUG_ASC) { slug } }";
    let request = json!({ "query": query, "variables": { "search": search } });
    let answer = app.graphql(&request).await;
    let json = answer.json();
    let articles = json["data"]["articles"].as_array();
    let articles = articles.unwrap_or_else(|| panic!("{answer}")).iter();
    let slugs: Vec<&str> = articles.map(|it| it["slug"].as_str().unwrap()).collect();
    slugs.join(" ")
}

/// A database from a version in which the database itself decided what a word is.
async fn from_before(database: Database) -> Option<OwnDatabase> {
    let own = database.empty().await?;
    let settings = Settings::new(&own.url, &[]).database;
    let mut status = store::migrate(&settings, Migrate::Up).await.unwrap();
    while status.applied.iter().any(|version| version == "0006") {
        status = store::migrate(&settings, Migrate::Down).await.unwrap();
    }
    Some(own)
}

#[apply(on_both_databases)]
async fn rows_of_external_writers_are_indexed_by_the_servers_rules(database: Database) {
    let app = start!(database);
    let own = app.database.clone();
    own.execute(&insert(database, "a", "Le Café", "東京は日本の首都です"))
        .await;
    own.execute(&insert(database, "b", "Running", "shoes"))
        .await;
    if database == Database::Postgres {
        // Found immediately, by the words that the database has computed.
        for (search, expected) in [("café", "a"), ("\"le café\"", "a"), ("run -café", "b")] {
            assert_eq!(found(&app, search).await, expected, "{search}");
        }
    }
    app.indexed().await;
    for (search, expected) in [("cafe", "a"), ("café", "a"), ("東京", "a"), ("run", "b")] {
        assert_eq!(found(&app, search).await, expected, "{search}");
    }
    own.execute("UPDATE article SET text = 'किताब' WHERE slug = 'a'")
        .await;
    own.execute("UPDATE article SET slug = 'c' WHERE slug = 'b'")
        .await;
    app.indexed().await;
    for (search, expected) in [("東京", ""), ("किताब", "a"), ("कातिब", ""), ("shoes", "c")]
    {
        assert_eq!(found(&app, search).await, expected, "{search}");
    }
    own.execute("DELETE FROM article WHERE slug = 'a'").await;
    app.indexed().await;
    assert_eq!(found(&app, "café or shoes").await, "c");
    // Indexing is not a change of the article.
    let changes = app
        .query("{ article(by: { slug: \"c\" }) { version } }")
        .await;
    assert_answer!(changes, @r#"
    {
      "data": {
        "article": {
          "version": 2
        }
      }
    }
    "#);
    assert_eq!(own.count("article_change").await, 5);
}

#[apply(on_both_databases)]
async fn bulk_created_articles_are_found_immediately(database: Database) {
    let app = start!(database);
    for (first, key) in [(0, None), (100, Some("many"))] {
        let inputs: Vec<_> = (first..first + 100)
            .map(|number| json!({ "title": "Café", "text": format!("nummer{number} 東京の首都") }))
            .collect();
        let create = "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { slug } }";
        let body = json!({ "query": create, "variables": { "inputs": inputs } });
        let mut request = client().post(app.url("/graphql")).json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = Answer::to(request).await;
        assert_eq!(answer.code(), "", "{answer}");
        for search in ["nummer{} 東京", "\"café nummer{}\" or \"nummer{} 東京\""] {
            let slug = |number| match number {
                0 => "cafe".to_owned(),
                number => format!("cafe-{}", number + 1),
            };
            for number in [first, first + 50, first + 99] {
                let search = search.replace("{}", &number.to_string());
                assert_eq!(found(&app, &search).await, slug(number), "{search}");
            }
        }
    }
    assert_eq!(app.database.count("search_due").await, 0);
    let environment = [
        ("DATABASE_URL", app.database.url.as_str()),
        ("LOG", "error"),
    ];
    let (code, out, error) = run(&["check"], &environment).await;
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
}

#[apply(on_both_databases)]
async fn articles_from_before_are_indexed_in_the_background(database: Database) {
    let Some(own) = from_before(database).await else {
        return;
    };
    own.fill(450, 10).await;
    own.execute(&insert(database, "a", "Crème", "ภาษาไทยง่าย"))
        .await;
    let app = TestApp::start_on(&own, &[]).await;
    app.indexed().await;
    assert_eq!(found(&app, "creme").await, "a");
    assert_eq!(found(&app, "ภาษา").await, "a");
    assert_eq!(found(&app, "\"article 7\"").await, "article-7");
    assert_answer!(app.get("/health/ready").await, @"ready");
    assert_eq!(own.count("article_change").await, 451);
}

#[apply(on_both_databases)]
async fn readiness_reports_the_progress_of_indexing(database: Database) {
    let Some(own) = from_before(database).await else {
        return;
    };
    own.fill(5_000, 50).await;
    let app = TestApp::start_on(&own, &[]).await;
    let ready = app.get("/health/ready").await.to_string();
    let progress = ready.strip_prefix("ready\nthe search is being indexed: ");
    let done = progress.and_then(|progress| progress.strip_suffix(" of 5000 articles\n"));
    let done: u32 = done.and_then(|done| done.parse().ok()).expect(&ready);
    assert!(done < 5_000);
    app.indexed().await;
    assert_answer!(app.get("/health/ready").await, @"ready");
}

#[tokio::test]
async fn after_all_articles_are_indexed_sqlite_looks_in_one_segment() {
    let own = from_before(Database::Sqlite).await.unwrap();
    own.fill(1_000, 50).await;
    let app = TestApp::start_on(&own, &[]).await;
    app.indexed().await;
    for _ in 0..1_000 {
        let segments = "(SELECT DISTINCT segid FROM article_search_idx)";
        if own.count(segments).await == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the segments were not merged");
}

#[apply(on_both_databases)]
async fn check_finds_outdated_words_and_reindex_fixes_them(database: Database) {
    let app = start!(database);
    for number in 1..=30 {
        let title = format!("Café {number}");
        app.create(json!({ "title": title, "slug": format!("a{number}"), "text": "naïve text" }))
            .await;
    }
    let own = app.database.clone();
    let environment = [("DATABASE_URL", own.url.as_str())];
    let (code, out, error) = run(&["check"], &environment).await;
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(
        out.lines().last(),
        Some("search: 30 articles are found by their words, ok")
    );

    // A change that fires no trigger.
    let harm = match database {
        Database::Sqlite => {
            "CREATE TRIGGER no_more AFTER INSERT ON search_due BEGIN DELETE FROM search_due WHERE 1; END;
            UPDATE article SET text = 'other words' WHERE slug <= 'a2';
            DROP TRIGGER no_more;"
        }
        Database::Postgres => {
            "ALTER TABLE article DISABLE TRIGGER article_words;
            UPDATE article SET text = 'other words' WHERE slug <= 'a2';
            ALTER TABLE article ENABLE TRIGGER article_words;"
        }
    };
    own.execute(harm).await;
    assert_eq!(found(&app, "other").await, "");
    let (code, out, _) = run(&["check"], &environment).await;
    assert_eq!(code, 1);
    let last_line = out.lines().last().unwrap();
    let begin = "search: of 30 articles, 12 are not found by their current words: ";
    assert!(last_line.starts_with(begin), "{out}");

    let (code, out, error) = run(&["reindex"], &environment).await;
    assert_eq!(
        (code, out.as_str()),
        (0, "indexed 30 of 30 articles\n"),
        "{error}"
    );
    let (code, out, _) = run(&["check"], &environment).await;
    assert_eq!(code, 0, "{out}");
    assert_eq!(found(&app, "other").await.split(' ').count(), 12);
    assert_eq!(found(&app, "naive").await.split(' ').count(), 18);
}

#[tokio::test]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn an_article_that_cannot_be_indexed_does_not_block_others() {
    let database = Database::Postgres;
    let app = start!(database);
    let own = app.database.clone();
    let rejected = format!(
        "BEGIN; {} ALTER TABLE article ADD CHECK (title <> 'Café bad') NOT VALID; {} COMMIT",
        insert(database, "bad", "Café bad", "东京"),
        insert(database, "good", "Café good", "東京は日本の首都です"),
    );
    own.execute(&rejected).await;
    app.indexed().await;
    assert_eq!(found(&app, "東京").await, "good");
    // Found by the words that the database has computed.
    assert_eq!(found(&app, "bad").await, "bad");
}

#[apply(on_both_databases)]
async fn concurrent_writers_leave_current_words(database: Database) {
    let app = start!(database);
    let created = app
        .create(json!({ "title": "a", "slug": "a", "text": "first" }))
        .await;
    let id = created.json()["data"]["createArticle"]["id"].take();
    let update = async |input: serde_json::Value| {
        let query = "mutation($id: ID!, $input: UpdateArticleInput!) \
            { updateArticle(id: $id, input: $input) { version } }";
        let request = json!({ "query": query, "variables": { "id": id, "input": input } });
        let updated = app.graphql(&request).await;
        assert_eq!(updated.code(), "", "{updated}");
    };
    for round in 0..10 {
        tokio::join!(
            update(json!({ "title": format!("title{round}") })),
            update(json!({ "text": format!("text{round}") })),
            update(json!({ "slug": format!("slug{round}") })),
        );
        let search = format!("title{round} text{round}");
        assert_eq!(found(&app, &search).await, format!("slug{round}"));
    }
    let checked = app.store.check_words().await.unwrap();
    assert!(checked.stale == 0 && checked.orphans == 0, "{checked:?}");
}

impl TestApp {
    /// Waits until all articles are indexed by the rules of the server.
    pub(crate) async fn indexed(&self) {
        indexed(&self.store).await;
    }
}

/// As [`TestApp::indexed`].
pub(crate) async fn indexed(store: &store::Store) {
    for _ in 0..6_000 {
        if store.words_are_up_to_date().await.unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the words of the search were not brought up to date");
}
