//! Creating many articles at once takes another path than creating a few: on SQLite a transaction of its own, on
//! PostgreSQL entries of indexes that are moved after the commit.

use std::time::Duration;

use futures_util::future::{join, join_all};
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{Direct, InProcess, in_process};
use crate::support::{Database, TestApp, on_both_databases};

const CREATE: &str =
    "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { slug } }";

/// Articles with different words, some of them long enough that several threads compute these.
fn inputs(prefix: &str, count: usize, text_bytes: usize) -> Vec<Value> {
    let filler = "and so on ".repeat(text_bytes / 10);
    let inputs = (0..count).map(|number| {
        let slug = format!("{prefix}-{number:04}-x");
        json!({ "title": prefix, "slug": slug, "text": format!("{prefix}word{number} {filler}") })
    });
    inputs.collect()
}

async fn found(app: &InProcess, search: &str) -> Vec<Value> {
    let search = json!({ "search": search });
    let query = "query($search: String!) { articles(filter: { search: $search }) { slug } }";
    let data = app.data(query, search).await;
    data["articles"].as_array().unwrap().clone()
}

#[apply(on_both_databases)]
async fn each_of_a_thousand_articles_is_found_by_its_own_words(database: Database) {
    let app = in_process!(database);
    let inputs = inputs("a", 1_000, 1_000);
    let created = app.data(CREATE, json!({ "inputs": inputs })).await;
    let slugs: Vec<Value> = inputs
        .iter()
        .map(|input| json!({ "slug": input["slug"] }))
        .collect();
    assert_eq!(created["createArticles"], json!(slugs));
    for number in (0..1_000).step_by(37).chain([15, 16, 999]) {
        assert_eq!(
            found(&app, &format!("aword{number}")).await,
            [slugs[number].clone()]
        );
    }
}

#[apply(on_both_databases)]
async fn many_creations_and_single_ones_at_the_same_time_succeed(database: Database) {
    let app = in_process!(database);
    let many = ["a", "b", "c", "d"].map(|prefix| {
        let inputs = inputs(prefix, 100, 2_000);
        app.data(CREATE, json!({ "inputs": inputs }))
    });
    let single = (0..40).map(|number| {
        let inputs = inputs(&format!("single{number}"), 1, 10);
        app.data(CREATE, json!({ "inputs": inputs }))
    });
    let (many, single) = join(join_all(many), join_all(single)).await;
    for created in many.iter().chain(&single) {
        assert!(!created["createArticles"][0].is_null(), "{created}");
    }
    let count = app
        .data("{ articlesConnection { totalCount } }", json!({}))
        .await;
    assert_eq!(count["articlesConnection"]["totalCount"], 440);
    for prefix in ["a", "b", "c", "d"] {
        let slug = json!({ "slug": format!("{prefix}-0099-x") });
        assert_eq!(found(&app, &format!("{prefix}word99")).await, [slug]);
    }
    let slug = json!({ "slug": "single39-0000-x" });
    assert_eq!(found(&app, "single39word0").await, [slug]);
}

/// The pages of the list of entries that are not in the index yet.
async fn pending_pages(app: &InProcess, index: &str) -> i32 {
    let Direct::Postgres(client) = &app.direct else {
        panic!("it is PostgreSQL");
    };
    let pages = format!("SELECT pending_pages FROM pgstatginindex('{index}')");
    client.query_one(&pages, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn searches_soon_read_no_list_of_pending_entries() {
    let app = in_process!(Database::Postgres);
    let Direct::Postgres(client) = &app.direct else {
        panic!("it is PostgreSQL");
    };
    let available =
        "SELECT count(*) FROM pg_available_extensions WHERE name IN ('pgstattuple', 'pg_trgm')";
    if client
        .query_one(available, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        < 2
    {
        return;
    }
    app.direct.run("CREATE EXTENSION pgstattuple").await;
    // A few leave their entries there.
    let few = inputs("few", 20, 100);
    app.data(CREATE, json!({ "inputs": few })).await;
    assert_ne!(pending_pages(&app, "article_search").await, 0);
    let creations = ["a", "b", "c"].map(|prefix| {
        let inputs = inputs(prefix, 300, 100);
        app.data(CREATE, json!({ "inputs": inputs }))
    });
    join_all(creations).await;
    for index in [
        "article_search",
        "article_title_trigrams",
        "article_slug_trigrams",
    ] {
        while pending_pages(&app, index).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_role_that_does_not_own_the_indexes_creates_many_articles() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    let (address, name) = database.url.rsplit_once('/').unwrap();
    let role = format!("writes_{name}");
    let sql = format!(
        "CREATE ROLE {role} LOGIN;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    );
    database.execute(&sql).await;
    let mut writing = database.clone();
    let (_, host) = address.rsplit_once('@').unwrap();
    writing.url = format!("postgres://{role}@{host}/{name}");
    let app = TestApp::start_on(&writing, &[]).await;
    let request = json!({ "query": CREATE, "variables": { "inputs": inputs("a", 100, 100) } });
    let created = app.graphql(&request).await;
    assert_eq!(created.code(), "", "{created}");
    assert_eq!(database.count("article").await, 100);
    app.stop().await;
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[apply(on_both_databases)]
async fn a_phrase_at_the_end_of_a_long_text_among_many_is_found(database: Database) {
    let app = in_process!(database);
    let mut inputs = inputs("a", 40, 10);
    inputs[39]["text"] = json!("the x ".repeat(300) + "the unicorn");
    app.data(CREATE, json!({ "inputs": inputs })).await;
    let slug = json!({ "slug": "a-0039-x" });
    assert_eq!(found(&app, r#""the unicorn""#).await, [slug]);
    assert!(found(&app, r#""x unicorn""#).await.is_empty());
}

#[apply(on_both_databases)]
async fn many_long_articles_are_created_at_once(database: Database) {
    let app = in_process!(database);
    // More than one statement of PostgreSQL takes.
    let inputs = inputs("a", 40, 150_000);
    app.data(CREATE, json!({ "inputs": inputs })).await;
    for number in [0, 20, 39] {
        let slug = json!({ "slug": format!("a-{number:04}-x") });
        assert_eq!(found(&app, &format!("aword{number}")).await, [slug]);
    }
}

/// Creates articles while another transaction takes a slug: it commits once the creation waits for it.
async fn create_while_taking(app: &InProcess, inputs: &[Value], slug: &str) -> Value {
    let Direct::Postgres(client) = &app.direct else {
        panic!("it is PostgreSQL");
    };
    let insert = format!(
        "BEGIN; INSERT INTO article (id, title, slug, text) VALUES (gen_random_uuid(), 'taken', '{slug}', '')"
    );
    client.batch_execute(&insert).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY article %'";
    let commit = async {
        let mut is_waiting = false;
        while !is_waiting {
            tokio::time::sleep(Duration::from_millis(10)).await;
            // Within a transaction the activity stays as it was first seen.
            let clear = "SELECT pg_stat_clear_snapshot()";
            client.batch_execute(clear).await.unwrap();
            let row = client.query_one(waiting, &[]).await.unwrap();
            is_waiting = row.get::<_, i64>(0) > 0;
        }
        client.batch_execute("COMMIT").await.unwrap();
    };
    let created = app.ask_with(CREATE, json!({ "inputs": inputs }));
    let both = join(created, commit);
    let (created, ()) = tokio::time::timeout(Duration::from_mins(1), both)
        .await
        .unwrap();
    created
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_slug_that_another_transaction_takes_meanwhile_is_reported() {
    let app = in_process!(Database::Postgres);
    let inputs = inputs("a", 40, 10);
    let created = create_while_taking(&app, &inputs, "a-0031-x").await;
    assert_eq!(
        created["errors"][0]["extensions"],
        json!({ "code": "SLUG_TAKEN", "field": "inputs.31.slug" })
    );
    let count = app
        .data("{ articlesConnection { totalCount } }", json!({}))
        .await;
    assert_eq!(count["articlesConnection"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_generated_slug_that_another_transaction_takes_meanwhile_gets_the_next_number() {
    let app = in_process!(Database::Postgres);
    let inputs = (0..40).map(|number| json!({ "title": format!("title {number}"), "text": "" }));
    let created = create_while_taking(&app, &inputs.collect::<Vec<_>>(), "title-31").await;
    let slugs = created["data"]["createArticles"].as_array().unwrap();
    assert_eq!(slugs.len(), 40);
    assert_eq!(slugs[30], json!({ "slug": "title-30" }));
    assert_eq!(slugs[31], json!({ "slug": "title-31-2" }));
}
