//! Case-insensitive conditions in every script: a text starts and ends with its own prefixes and suffixes, and both
//! databases agree.

use broadsheet::article::filter::fold_case;
use rstest_reuse::apply;
use serde_json::json;

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases};

/// Letters whose lower case depends on their neighbours, has two characters, or has another length; those of the
/// newest scripts, which PostgreSQL's ICU may not know; and characters between words.
const LETTERS: [&str; 14] = [
    "Σ",
    "σ",
    "ς",
    "Α",
    "İ",
    "I",
    "ı",
    "ẞ",
    "ǅ",
    "Ⱥ",
    "\u{a7dc}",
    "\u{10d50}",
    "\u{301}",
    ". ",
];

async fn create(app: &InProcess, inputs: Vec<serde_json::Value>) {
    let create =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    for inputs in inputs.chunks(1_000) {
        app.data(create, json!({ "inputs": inputs })).await;
    }
}

async fn count(app: &InProcess, filter: serde_json::Value) -> usize {
    let query =
        "query($filter: ArticleFilter) { articlesConnection(filter: $filter) { totalCount } }";
    let data = app.data(query, json!({ "filter": filter })).await;
    let count = data["articlesConnection"]["totalCount"].as_u64().unwrap();
    usize::try_from(count).unwrap()
}

#[apply(on_both_databases)]
async fn neighbouring_letters_do_not_affect_case_folding(database: Database) {
    let app = in_process!(database);
    let pairs: Vec<String> = LETTERS
        .iter()
        .flat_map(|one| LETTERS.map(|other| format!("{one}{other}")))
        .collect();
    let titles: Vec<String> = pairs
        .iter()
        .flat_map(|pair| LETTERS.map(|third| format!("{pair}{third}")))
        .collect();
    let inputs = (0..).zip(&titles);
    let inputs = inputs.map(|(number, title): (usize, _)| {
        json!({ "title": title, "slug": format!("slug {number}"), "text": "" })
    });
    create(&app, inputs.collect()).await;
    let folded: Vec<String> = titles.iter().map(|title| fold_case(title)).collect();
    let letters = LETTERS.map(str::to_owned);
    for part in pairs.iter().chain(&letters) {
        let fold = fold_case(part);
        let expect = |test: &dyn Fn(&str) -> bool| folded.iter().filter(|it| test(it)).count();
        for (name, expected) in [
            ("startsWith", expect(&|it| it.starts_with(&fold))),
            ("endsWith", expect(&|it| it.ends_with(&fold))),
            ("contains", expect(&|it| it.contains(&fold))),
        ] {
            let found = count(&app, json!({ "title": { name: part } })).await;
            assert_eq!(found, expected, "{name} {part:?}");
        }
    }
}

#[apply(on_both_databases)]
async fn a_text_has_its_own_beginning_and_end_in_every_script(database: Database) {
    let app = in_process!(database);
    let letters: Vec<char> = ('\u{1}'..=char::MAX)
        .filter(|c| c.is_alphanumeric() || !c.to_lowercase().eq([*c]))
        .collect();
    let texts: Vec<String> = letters
        .chunks(2_000)
        .map(|it| it.iter().collect())
        .collect();
    let inputs = texts
        .iter()
        .map(|text| json!({ "title": "a", "text": text }));
    create(&app, inputs.collect()).await;
    for text in &texts {
        let middle: Vec<char> = text.chars().collect();
        let (left, right) = middle.split_at(middle.len() / 2);
        let (left, right): (String, String) = (left.iter().collect(), right.iter().collect());
        for (name, part) in [
            ("startsWith", &left),
            ("endsWith", &right),
            ("contains", &left),
            ("contains", &right),
            ("contains", text),
        ] {
            let found = count(&app, json!({ "text": { name: part } })).await;
            let shown: String = part.chars().take(20).collect();
            assert_eq!(found, 1, "{name} {shown}");
        }
    }
}

#[apply(on_both_databases)]
async fn letters_that_both_databases_know_to_have_a_case_equal_their_other_case(
    database: Database,
) {
    let app = in_process!(database);
    // Characters after Unicode 13 are left out: PostgreSQL 15 with an old ICU does not know them.
    let known = [
        '\u{1}'..='\u{1c88}',
        '\u{1c90}'..='\u{2c2e}',
        '\u{2c60}'..='\u{a7bf}',
        '\u{ab70}'..='\u{ffff}',
        '\u{10400}'..='\u{104ff}',
        '\u{10c80}'..='\u{10cff}',
        '\u{118a0}'..='\u{118df}',
        '\u{16e40}'..='\u{16e7f}',
        '\u{1e900}'..='\u{1e943}',
    ];
    let upper: Vec<char> = known
        .into_iter()
        .flatten()
        .filter(|c| !c.to_lowercase().eq([*c]))
        .collect();
    assert!(upper.len() > 1_000);
    for letters in upper.chunks(500) {
        let upper: String = letters.iter().collect();
        create(&app, vec![json!({ "title": "a", "text": upper })]).await;
        let lower: String = letters.iter().flat_map(|c| c.to_lowercase()).collect();
        for part in [&upper, &lower] {
            assert_eq!(
                count(&app, json!({ "text": { "startsWith": part } })).await,
                1,
                "{part}"
            );
        }
    }
}
