//! Searches in many scripts, as people type them, and the articles that they find, which are the same on both
//! databases.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases};

const CORPUS: &str = include_str!("corpus.txt");

#[apply(on_both_databases)]
async fn searches_in_many_scripts_find_what_they_must_and_nothing_else(database: Database) {
    let app = in_process!(database);
    let articles: Vec<Value> = CORPUS
        .lines()
        .filter(|line| !line.starts_with(['?', '#', '=']))
        .filter_map(|line| {
            let mut columns = line.splitn(3, " | ");
            let (slug, title, text) = (columns.next()?, columns.next()?, columns.next()?);
            Some(json!({ "slug": slug, "title": title, "text": text }))
        })
        .collect();
    create(&app, articles).await;
    let searches: Vec<(&str, &str)> = CORPUS
        .lines()
        .filter_map(|line| line.strip_prefix("? ")?.split_once(" =>"))
        .collect();
    assert!(searches.len() >= 300, "{}", searches.len());
    let mut wrong = Vec::new();
    for searches in searches.chunks(20) {
        let found = found(&app, searches.iter().map(|(search, _)| *search)).await;
        for ((search, expected), found) in searches.iter().zip(found) {
            if found != expected.trim() {
                wrong.push(format!("{search} finds {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[apply(on_both_databases)]
async fn every_letter_mark_and_number_is_found_by_itself(database: Database) {
    let app = in_process!(database);
    let analyzer = search_words::Analyzer::new();
    let letters: Vec<String> = ('\u{1}'..=char::MAX)
        .map(String::from)
        .filter(|letter| analyzer.words(letter).next().is_some())
        .collect();
    assert!(letters.len() > 140_000, "{}", letters.len());
    // A title can hold thirty of them, and the search requires each of them.
    let batches: Vec<String> = letters.chunks(32).map(|batch| batch.join(" ")).collect();
    let number = |index: usize| format!("a{index}");
    let articles = batches.iter().enumerate();
    let articles =
        articles.map(|(index, batch)| json!({ "slug": number(index), "title": batch, "text": "" }));
    create(&app, articles.collect()).await;
    let mut lost = Vec::new();
    for (chunk, searches) in batches.chunks(50).enumerate() {
        let found = found(&app, searches.iter().map(String::as_str)).await;
        for (index, (search, found)) in searches.iter().zip(found).enumerate() {
            let expected = number(chunk * 50 + index);
            if !found.split(' ').any(|slug| slug == expected) {
                lost.push(search.clone());
            }
        }
    }
    assert_eq!(lost, [""; 0]);
}

#[apply(on_both_databases)]
async fn the_order_of_the_best_matches_is_the_same(database: Database) {
    let app = in_process!(database);
    let filler = "word after word ".repeat(30);
    let articles = [
        ("title", "A zebra", "of stripes".to_owned()),
        (
            "text",
            "Stripes",
            format!("{filler} zebra zebra zebra zebra"),
        ),
        (
            "near",
            "Animals one",
            format!("{filler} tall giraffe eats {filler}"),
        ),
        (
            "far",
            "Animals two",
            format!("tall {filler} giraffe {filler} giraffe {filler} tall"),
        ),
        ("both", "Tall giraffe", "stands".to_owned()),
        ("rare", "Birds one", format!("{filler} quetzal")),
        ("common1", "Birds two", format!("{filler} sparrow")),
        ("common2", "Birds three", format!("{filler} sparrow")),
        (
            "common3",
            "Birds four",
            format!("{filler} sparrow sparrow sparrow"),
        ),
        ("common4", "Birds five", format!("{filler} sparrow sparrow")),
    ];
    let articles =
        articles.map(|(slug, title, text)| json!({ "slug": slug, "title": title, "text": text }));
    create(&app, articles.to_vec()).await;
    let query = "query($search: String!) \
        { articles(filter: { search: $search }, orderBy: RELEVANCE) { slug } }";
    for (search, expected) in [
        ("zebra", "title text"),
        ("giraffe tall", "both near far"),
        ("\"tall giraffe\"", "both near"),
        ("zebra or nowhere", "title text"),
    ] {
        let found = app.data(query, json!({ "search": search })).await;
        assert_eq!(slugs(&found["articles"]), expected, "{search}");
    }
    for search in ["sparrow or quetzal", "quetzal or sparrow"] {
        let found = app.data(query, json!({ "search": search })).await;
        let found = slugs(&found["articles"]);
        assert!(found.starts_with("rare common"), "{search}: {found}");
    }
}

async fn create(app: &InProcess, articles: Vec<Value>) {
    let create =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    for inputs in articles.chunks(1_000) {
        app.data(create, json!({ "inputs": inputs })).await;
    }
}

/// The slugs that each search finds.
async fn found(app: &InProcess, searches: impl Iterator<Item = &str>) -> Vec<String> {
    let mut variables = serde_json::Map::new();
    let (mut definitions, mut fields) = (Vec::new(), Vec::new());
    for (index, search) in searches.enumerate() {
        definitions.push(format!("$s{index}: String!"));
        fields.push(format!(
            "a{index}: articles(filter: {{ search: $s{index} }}, orderBy: SLUG_ASC, limit: 100) {{ slug }}"
        ));
        variables.insert(format!("s{index}"), json!(search));
    }
    let count = variables.len();
    let (definitions, fields) = (definitions.join(" "), fields.join(" "));
    let query = format!("query({definitions}) {{ {fields} }}");
    let data = app.data(&query, Value::Object(variables)).await;
    (0..count)
        .map(|index| slugs(&data[format!("a{index}")]))
        .collect()
}

fn slugs(articles: &Value) -> String {
    let slugs = articles.as_array().unwrap().iter();
    let slugs: Vec<&str> = slugs.map(|it| it["slug"].as_str().unwrap()).collect();
    slugs.join(" ")
}
