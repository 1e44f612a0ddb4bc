//! Rows whose id or slug belongs to another article.

use rstest_reuse::apply;

use super::{Place, line};
use crate::support::{Database, assert_answer, on_both_databases};

/// Articles 1 to 3, with the slugs a, b and c.
async fn filled(database: Database) -> Option<Place> {
    let place = Place::new(database).await?;
    let lines: String = [(1, "a"), (2, "b"), (3, "c")]
        .into_iter()
        .map(|(id, slug)| line(id, "old", slug, ""))
        .collect();
    place.write("old", &lines);
    place.succeed(&["import", "old"]).await;
    Some(place)
}

/// A row with a free slug, one with the id of `a`, one with the slug of `b`, one that repeats an earlier row, one
/// without an id and with the slug of `c`, and one without a slug.
fn rows() -> String {
    let without_id = "{\"title\":\"by slug\",\"slug\":\"c\",\"text\":\"\"}\n";
    let derived = "{\"title\":\"free\",\"text\":\"\"}\n";
    [
        line(10, "free", "free", "").as_str(),
        &line(1, "by id", "new-a", ""),
        &line(11, "other id", "b", ""),
        &line(12, "twice", "free", ""),
        without_id,
        derived,
    ]
    .concat()
}

#[apply(on_both_databases)]
async fn a_conflict_ends_an_import_and_rolls_back_its_chunk(database: Database) {
    let Some(place) = filled(database).await else {
        return;
    };
    place.write("rows", &rows());
    let (code, out, error) = place.run(&["import", "rows"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert_answer!(error, @"broadsheet: row 2: id: there is an article with this id");
    assert_eq!(place.titles().await, ["a: old", "b: old", "c: old"]);
}

#[apply(on_both_databases)]
async fn conflicts_can_be_rejected_one_by_one(database: Database) {
    let Some(place) = filled(database).await else {
        return;
    };
    place.write("rows", &rows());
    let (code, out, error) = place
        .run(&["import", "rows", "--on-error=skip", "--rejects=bad"])
        .await;
    assert_eq!(code, 0);
    assert_answer!(out, @"rows: 2 articles created, 0 replaced, 0 rows skipped, 4 rejected");
    assert_answer!(error, @r#"
    row 2: id: there is an article with this id
    row 3: slug: the slug "b" belongs to another article
    row 4: slug: the slug "free" belongs to another article
    row 5: slug: the slug "c" belongs to another article
    "#);
    assert_eq!(
        place.titles().await,
        ["a: old", "b: old", "c: old", "free-2: free", "free: free"]
    );
    let first = place.read("bad").lines().next().unwrap().to_owned();
    assert_answer!(first, @r#"{"field":"id","reason":"there is an article with this id","record":{"createdAt":"2026-01-31T09:30:00.123456Z","id":"00000000-0000-0000-0000-000000000001","slug":"new-a","text":"","title":"by id","updatedAt":"2026-02-01T00:00:00.000001Z","version":3},"row":2}"#);
}

#[apply(on_both_databases)]
async fn conflicts_can_be_skipped(database: Database) {
    let Some(place) = filled(database).await else {
        return;
    };
    place.write("rows", &rows());
    let summary = place
        .succeed(&["import", "rows", "--on-conflict=skip"])
        .await;
    assert_answer!(summary, @"rows: 2 articles created, 0 replaced, 4 rows skipped, 0 rejected");
    assert_eq!(
        place.titles().await,
        ["a: old", "b: old", "c: old", "free-2: free", "free: free"]
    );
}

#[apply(on_both_databases)]
async fn rows_can_replace_conflicting_articles(database: Database) {
    let Some(place) = filled(database).await else {
        return;
    };
    place.write("rows", &rows());
    let summary = place
        .succeed(&["import", "rows", "--on-conflict=replace"])
        .await;
    assert_answer!(summary, @"rows: 2 articles created, 4 replaced, 0 rows skipped, 0 rejected");
    let articles = place.articles().await;
    let mut shown: Vec<String> = articles
        .iter()
        .map(|article| {
            let id = article["id"].as_str().unwrap();
            let id = id
                .strip_prefix("00000000-0000-0000-0000-00000000")
                .unwrap_or("new");
            format!(
                "{id} {} {} {}",
                article["slug"], article["title"], article["version"]
            )
        })
        .collect();
    shown.sort();
    assert_answer!(shown.join("\n"), @r#"
    0001 "new-a" "by id" 4
    0003 "c" "by slug" 4
    000b "b" "other id" 3
    000c "free" "twice" 3
    new "free-2" "free" 1
    "#);
}

#[apply(on_both_databases)]
async fn a_generated_slug_of_an_earlier_row_is_a_conflict_too(database: Database) {
    let Some(place) = Place::new(database).await else {
        return;
    };
    let rows = [
        "{\"title\":\"a\",\"text\":\"\"}\n",
        &line(5, "second", "a", ""),
        &line(6, "third", "b", ""),
    ]
    .concat();
    place.write("rows", &rows);
    let (code, _, error) = place.run(&["import", "rows"]).await;
    assert_eq!(code, 1);
    assert_answer!(error, @r#"broadsheet: row 2: slug: the slug "a" belongs to another article"#);
    let summary = place
        .succeed(&["import", "rows", "--on-conflict=replace"])
        .await;
    assert_answer!(summary, @"rows: 2 articles created, 1 replaced, 0 rows skipped, 0 rejected");
    assert_eq!(place.titles().await, ["a: second", "b: third"]);
}
