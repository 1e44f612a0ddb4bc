//! Articles with the same title, whose slugs differ by a number: always the smallest free one, found equally fast
//! however many there are.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases, start};

const CREATE: &str =
    "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id slug } }";
const UPDATE: &str = "mutation($id: ID!, $slug: String!) { updateArticle(id: $id, input: { slug: $slug }) { slug } }";
const DELETE: &str = "mutation($id: ID!) { deleteArticle(id: $id) { id } }";

#[apply(on_both_databases)]
async fn a_thousand_equal_titles_are_as_fast_among_ten_thousand_as_among_none(database: Database) {
    let app = in_process!(database);
    let thousand = vec![json!({ "title": "Equal", "text": "" }); 1_000];
    let create = async |expected: &[&str]| {
        let began = Instant::now();
        let slugs = slugs(&app, &thousand).await;
        let took = began.elapsed();
        assert_eq!([slugs[0].as_str(), slugs[999].as_str()], expected);
        took
    };
    let among_none = create(&["equal", "equal-1000"]).await;
    fill(&app, database, "equal-", 1_001, 11_000).await;
    let among_many = create(&["equal-11001", "equal-12000"]).await;
    assert!(
        among_many < among_none * 2 + Duration::from_secs(1),
        "{among_many:?}, and {among_none:?} among none"
    );
    // A single create is equally fast.
    let began = Instant::now();
    for number in 12_001..12_021 {
        let slug = &slugs(&app, &thousand[..1]).await[0];
        assert_eq!(*slug, format!("equal-{number}"));
    }
    let twenty = began.elapsed();
    assert!(twenty < Duration::from_secs(1), "{twenty:?}");
}

#[apply(on_both_databases)]
async fn the_smallest_free_number_is_found_anywhere(database: Database) {
    let app = in_process!(database);
    let equal = |count| vec![json!({ "title": "Equal", "text": "" }); count];
    fill(&app, database, "equal-", 2, 60).await;
    assert_eq!(slugs(&app, &equal(1)).await, ["equal"]);
    assert_eq!(slugs(&app, &equal(1)).await, ["equal-61"]);
    // Other programs leave gaps between the numbers.
    for slug in ["equal-3", "equal-40", "equal-41", "equal-60"] {
        let delete = format!("DELETE FROM article WHERE slug = '{slug}'");
        app.direct.run(&delete).await;
    }
    app.direct
        .run("UPDATE article SET slug = 'elsewhere' WHERE slug = 'equal-10'")
        .await;
    fill(&app, database, "equal-", 70, 71).await;
    // These only look like numbers.
    for slug in ["equal-062", "equal-63a", "equal-0", "equal-9999999999"] {
        let given = json!({ "title": "a", "text": "", "slug": slug });
        assert_eq!(slugs(&app, &[given]).await, [slug]);
    }
    let numbers = [3, 10, 40, 41, 60, 62, 63, 64, 65, 66, 67, 68, 69, 72, 73];
    let expected = numbers.map(|number| format!("equal-{number}"));
    let found = slugs(&app, &equal(14)).await;
    assert_eq!(found, expected[..14]);
    // The inputs apply in their order: one with a given slug affects only those after it.
    let mut inputs = equal(3);
    inputs[1]["slug"] = json!("equal-74");
    assert_eq!(
        slugs(&app, &inputs).await,
        ["equal-73", "equal-74", "equal-75"]
    );
}

#[apply(on_both_databases)]
async fn a_long_slug_is_shortened_for_its_number_and_numbers_continue(database: Database) {
    let app = in_process!(database);
    let input = json!({ "title": "x".repeat(65), "text": "" });
    let found = slugs(&app, &vec![input.clone(); 101]).await;
    assert_eq!(found[0], "x".repeat(65));
    assert_eq!(found[8], format!("{}-9", "x".repeat(63)));
    assert_eq!(found[9], format!("{}-10", "x".repeat(62)));
    assert_eq!(found[100], format!("{}-101", "x".repeat(61)));
    let freed = format!("{}-12", "x".repeat(62));
    let delete = format!("DELETE FROM article WHERE slug = '{freed}'");
    app.direct.run(&delete).await;
    assert_eq!(slugs(&app, &[input]).await, [freed]);
}

/// A thousand operations on slugs, by the server and by an external writer.
#[apply(on_both_databases)]
async fn the_number_is_always_the_smallest_free_one(database: Database) {
    let app = in_process!(database);
    let mut random = Random(7);
    // Enough articles for the next create to record their numbers as a run.
    let many = vec![json!({ "title": "a", "text": "" }); 50];
    let mut articles = created(&app, &many).await;
    for round in 0..1_000 {
        let taken: BTreeSet<String> = articles.iter().map(|(_, slug)| slug.clone()).collect();
        let given = format!("a-{}", 2 + random.below(80));
        let chosen = random.below(articles.len().max(1));
        match (random.below(8), articles.get(chosen).cloned()) {
            (0, _) if !taken.contains(&given) => {
                let input = json!({ "title": "b", "text": "", "slug": given });
                articles.extend(created(&app, &[input]).await);
            }
            (1, Some((id, _))) => {
                app.data(DELETE, json!({ "id": id })).await;
                articles.remove(chosen);
            }
            (2, Some((id, _))) if !taken.contains(&given) => {
                app.data(UPDATE, json!({ "id": id, "slug": given })).await;
                articles[chosen].1 = given;
            }
            (3, Some((_, slug))) => {
                let sql = format!("DELETE FROM article WHERE slug = '{slug}'");
                app.direct.run(&sql).await;
                articles.remove(chosen);
            }
            (4, Some((_, slug))) if database == Database::Sqlite && !taken.contains(&given) => {
                // Its id and number stay, its slug is freed, and no trigger fires for the old row.
                let sql = format!(
                    "INSERT OR REPLACE INTO article (number, id, title, slug, text)
                    SELECT number, id, title, '{given}', text FROM article WHERE slug = '{slug}'"
                );
                app.direct.run(&sql).await;
                articles[chosen].1 = given;
            }
            (5, Some((_, slug))) if !taken.contains(&given) => {
                let sql = format!("UPDATE article SET slug = '{given}' WHERE slug = '{slug}'");
                app.direct.run(&sql).await;
                articles[chosen].1 = given;
            }
            _ => {
                let input = json!({ "title": "a", "text": "" });
                let created = created(&app, &[input]).await;
                let expected = match taken.contains("a") {
                    false => "a".to_owned(),
                    true => (2..=i32::MAX)
                        .map(|number| format!("a-{number}"))
                        .find(|slug| !taken.contains(slug))
                        .unwrap(),
                };
                assert_eq!(created[0].1, expected, "round {round}, among {taken:?}");
                articles.extend(created);
            }
        }
        if articles.len() > 90 {
            app.direct.run("DELETE FROM article").await;
            articles = created(&app, &many).await;
        }
    }
}

#[apply(on_both_databases)]
async fn eight_clients_that_create_ten_equal_titles_at_a_time_succeed(database: Database) {
    let app = start!(database);
    let input = json!({ "title": "a", "text": "" });
    let request = json!({ "query": CREATE, "variables": { "inputs": vec![input; 10] } });
    let clients = (0..8).map(async |_| {
        for _ in 0..10 {
            let answer = app.graphql(&request).await;
            assert_eq!(answer.code(), "", "{answer}");
        }
    });
    join_all(clients).await;
    let list = app.get("/api/v1/articles/").await.json();
    let found: BTreeSet<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|article| article["slug"].as_str().unwrap())
        .collect();
    let numbers = (2..=800).map(|number| format!("a-{number}"));
    let expected: BTreeSet<String> = numbers.chain(["a".to_owned()]).collect();
    assert_eq!(found, expected.iter().map(String::as_str).collect());
}

/// Single creates do not starve bulk creates.
#[apply(on_both_databases)]
async fn a_bulk_create_of_equal_titles_succeeds_among_single_creates(database: Database) {
    let app = start!(database);
    let one = json!({ "title": "a", "text": "" });
    let creates = (0..7).map(async |_| {
        for _ in 0..40 {
            let answer = app.create(one.clone()).await;
            assert_eq!(answer.code(), "", "{answer}");
        }
    });
    let many = json!({ "query": CREATE, "variables": { "inputs": vec![one.clone(); 100] } });
    let many = async {
        for _ in 0..10 {
            let answer = app.graphql(&many).await;
            assert_eq!(answer.code(), "", "{answer}");
        }
    };
    tokio::join!(join_all(creates), many);
}

/// A search for a free number waits for a transaction that frees one, and sees it.
#[apply(on_both_databases)]
async fn a_freed_number_is_used_next(database: Database) {
    let app = in_process!(database);
    let equal = |count| vec![json!({ "title": "a", "text": "" }); count];
    fill(&app, database, "a-", 2, 100).await;
    // From now on it is recorded that 2 to 100 are taken.
    assert_eq!(slugs(&app, &equal(2)).await, ["a", "a-101"]);
    if database == Database::Sqlite {
        app.direct
            .run("DELETE FROM article WHERE slug = 'a-5'")
            .await;
        assert_eq!(slugs(&app, &equal(2)).await, ["a-5", "a-102"]);
        return;
    }
    let other = connect(&app).await;
    other
        .batch_execute("BEGIN; DELETE FROM article WHERE slug = 'a-5'")
        .await
        .unwrap();
    let equal = equal(2);
    let created = slugs(&app, &equal);
    let commit = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (created, ()) = tokio::join!(created, commit);
    assert_eq!(created, ["a-5", "a-102"]);
}

/// Recorded numbers are skipped, and numbers that external writers free are used.
#[apply(on_both_databases)]
async fn many_numbers_of_external_writers_are_skipped(database: Database) {
    let app = in_process!(database);
    let equal = |count| vec![json!({ "title": "a", "text": "" }); count];
    fill(&app, database, "a-", 2, 25_000).await;
    assert_eq!(slugs(&app, &equal(2)).await, ["a", "a-25001"]);
    let began = Instant::now();
    for number in 25_002..25_022 {
        assert_eq!(slugs(&app, &equal(1)).await, [format!("a-{number}")]);
    }
    let twenty = began.elapsed();
    assert!(twenty < Duration::from_secs(1), "{twenty:?}");
    app.direct
        .run("DELETE FROM article WHERE slug IN ('a-2', 'a-9', 'a-10', 'a-25000')")
        .await;
    let expected = [2, 9, 10, 25_000, 25_022].map(|number| format!("a-{number}"));
    assert_eq!(slugs(&app, &equal(5)).await, expected);
}

async fn connect(app: &InProcess) -> tokio_postgres::Client {
    let url = app.database.url.clone();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// Inserts articles without the server, with these numbers after the prefix.
async fn fill(app: &InProcess, database: Database, prefix: &str, first: u32, last: u32) {
    let sql = match database {
        Database::Sqlite => format!(
            "WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})
            INSERT INTO article (id, title, slug, text)
            SELECT randomblob(16), 'filled', '{prefix}' || n, '' FROM numbers"
        ),
        Database::Postgres => format!(
            "INSERT INTO article (id, title, slug, text)
            SELECT gen_random_uuid(), 'filled', '{prefix}' || n, '' FROM generate_series({first}, {last}) n"
        ),
    };
    app.direct.run(&sql).await;
}

async fn slugs(app: &InProcess, inputs: &[Value]) -> Vec<String> {
    let created = created(app, inputs).await;
    created.into_iter().map(|(_, slug)| slug).collect()
}

/// Creates articles; returns their ids and slugs.
async fn created(app: &InProcess, inputs: &[Value]) -> Vec<(String, String)> {
    let data = app.data(CREATE, json!({ "inputs": inputs })).await;
    let articles = data["createArticles"].as_array().unwrap();
    let text = |article: &Value, name: &str| article[name].as_str().unwrap().to_owned();
    articles
        .iter()
        .map(|article| (text(article, "id"), text(article, "slug")))
        .collect()
}

/// The same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
