//! Full-text search: its syntax, and what counts as a word, which is the same on both databases.

mod corpus;
mod estimates;
mod excerpt;
mod frequent;
pub(crate) mod index;
mod phrases;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases};

/// Slug, title and text.
const ARTICLES: [(&str, &str, &str); 8] = [
    ("a", "Fat rats", "The cat sat on the mat"),
    ("b", "Fat cats", "no rats here, or there"),
    ("c", "mail", "write to jane.doe@example.com about e-mail"),
    (
        "d",
        "file",
        "see /usr/share/doc/readme_first.txt and https://example.com/a?b=c",
    ),
    ("e", "numbers", "3.14, 1e5, 007, 12abc, -42 and v1.2.3"),
    ("f", "Ünïcode ÉTÉ ΟΔΟΣ 日本", "İstanbul naïve"),
    ("g", "ends here", "begins there"),
    ("h", "Running O'Neill", "the runner's AT&T <b>bold</b> x²"),
];

const ALL: &str = "a b c d e f g h";

#[apply(on_both_databases)]
async fn words_phrases_alternatives_and_exclusions(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    expect(
        &app,
        &[
            ("fat", "a b"),
            ("FAT rats", "a b"),
            ("\"fat rats\"", "a"),
            ("\"rats fat\"", ""),
            ("\"fat rats", "a"),
            ("fat -cat", ""),
            ("fat -mat", "b"),
            ("fat -\"fat rats\"", "b"),
            ("-fat", "c d e f g h"),
            ("-fat -file", "c e f g h"),
            ("-fat or fat", ALL),
            ("-\"fat cats\" or cats", ALL),
            ("-fat or -rats or mat", "a c d e f g h"),
            ("mat or file", "a d"),
            ("fat mat or file", "a d"),
            ("mat OR file or", "a"),
            ("or", "b"),
            ("\"or\"", "b"),
            // No word is ignored for being frequent, and words are found in other forms.
            ("the", "a h"),
            ("run", "h"),
            ("cat", "a b"),
        ],
    )
    .await;
}

#[apply(on_both_databases)]
async fn no_search_text_is_an_error(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    let long = "x".repeat(100_000);
    expect(
        &app,
        &[
            // A blank search counts as absent; one without a word matches nothing.
            ("", ALL),
            (" \u{2003}\n", ALL),
            ("!!!", ""),
            ("& | ! ( ) < > * : ^ ~ \\ ' \" {} []", ""),
            ("-", ""),
            ("\"\"", ""),
            ("-\"", ""),
            ("\u{1f600}", ""),
            ("fat & !rats", "a b"),
            ("fat:*", "a b"),
            ("title:fat", ""),
            ("NEAR(fat rats)", ""),
            // `and` is a word like any other.
            ("fat AND rats", ""),
            ("fat*", "a b"),
            ("^fat", "a b"),
            ("'fat' \\ --", "a b"),
            ("\"fat\"\"rats\"", "a b"),
            (&long, ""),
            ("NULL", ""),
        ],
    )
    .await;
}

#[apply(on_both_databases)]
async fn a_search_without_words_is_allowed_in_every_order(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    for (search, count) in [("", 8), (" ", 8), ("\u{1f389}", 0), ("???", 0), ("fat", 2)] {
        for order in ["RELEVANCE", "SLUG_ASC", "CREATED_AT_DESC"] {
            let query = "query($filter: ArticleFilter, $order: ArticleOrder!) {
                articles(filter: $filter, orderBy: $order, limit: 100) { slug }
                articlesConnection(filter: $filter, orderBy: $order) {
                    nodes { slug } totalCount pageInfo { hasNextPage hasPreviousPage }
                }
            }";
            let filter = json!({ "search": search, "slug": { "ne": "z" } });
            let variables = json!({ "filter": filter, "order": order });
            let data = app.data(query, variables).await;
            let listed = data["articles"].as_array().unwrap();
            let connection = &data["articlesConnection"];
            assert_eq!(listed.len(), count, "{search:?} {order}");
            assert_eq!(
                &connection["nodes"], &data["articles"],
                "{search:?} {order}"
            );
            assert_eq!(connection["totalCount"], count, "{search:?} {order}");
        }
    }
}

#[apply(on_both_databases)]
async fn words_over_two_hundred_characters_are_distinguished_by_their_beginnings(
    database: Database,
) {
    let app = in_process!(database);
    fill(&app).await;
    let long = "x".repeat(3_000);
    let inputs = json!([
        { "title": "i", "slug": "i", "text": format!("fat {long}") },
        { "title": "j", "slug": "j", "text": format!("fat {}", "x".repeat(199)) },
    ]);
    let create =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    app.data(create, json!({ "inputs": inputs })).await;
    expect(
        &app,
        &[
            (&long, "i"),
            (&format!("\"fat {long}y\""), "i"),
            (&"x".repeat(201), "i"),
            (&"x".repeat(199), "j"),
            (&format!("fat -{long}"), "a b j"),
        ],
    )
    .await;
}

#[apply(on_both_databases)]
async fn addresses_file_names_and_numbers_are_their_words(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    expect(
        &app,
        &[
            ("e-mail", "c"),
            ("\"e mail\"", "c"),
            ("mail", "c"),
            ("jane.doe@example.com", "c"),
            ("jane", "c"),
            ("example.com", "c d"),
            ("example", "c d"),
            ("readme_first.txt", "d"),
            ("readme", "d"),
            ("/usr/share", "d"),
            ("https://example.com/a?b=c", "d"),
            ("3.14", "e"),
            ("14", "e"),
            ("1e5", "e"),
            ("007", "e"),
            ("7", ""),
            ("12abc", "e"),
            ("12", ""),
            ("42", "e"),
            ("v1.2.3", "e"),
            ("1.2", ""),
            ("2.3", "e"),
            ("O'Neill", "h"),
            ("neill", "h"),
            ("AT&T", "h"),
            ("bold", "h"),
            ("<b>", "d h"),
        ],
    )
    .await;
}

#[apply(on_both_databases)]
async fn words_ignore_case_and_accents_that_the_search_lacks(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    expect(
        &app,
        &[
            ("été", "f"),
            ("ete", "f"),
            ("ÜNÏCODE", "f"),
            ("οδος", "f"),
            ("ΟΔΟΣ", "f"),
            ("日本", "f"),
            ("NAÏVE", "f"),
            // The full lower case of İ has a combining dot.
            ("İstanbul", "f"),
        ],
    )
    .await;
}

#[apply(on_both_databases)]
async fn a_phrase_ends_where_the_title_ends(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    expect(
        &app,
        &[
            ("\"ends here\"", "g"),
            ("\"begins there\"", "g"),
            ("\"here begins\"", ""),
            ("here begins", "g"),
        ],
    )
    .await;
}

#[apply(on_both_databases)]
async fn changed_articles_are_found_by_new_words_and_deleted_ones_are_not(database: Database) {
    let app = in_process!(database);
    fill(&app).await;
    let by_slug = "{ article(by: { slug: \"a\" }) { id } }";
    let id = app.data(by_slug, json!({})).await["article"]["id"].take();
    let update = "mutation($id: ID!) { updateArticle(id: $id, input: { text: \"a dog\" }) { id } }";
    app.data(update, json!({ "id": id })).await;
    expect(&app, &[("mat", ""), ("dog", "a"), ("fat", "a b")]).await;
    let delete = "mutation($id: ID!) { deleteArticle(id: $id) { id } }";
    app.data(delete, json!({ "id": id })).await;
    expect(&app, &[("dog", ""), ("fat", "b")]).await;
}

#[apply(on_both_databases)]
async fn a_text_is_searched_in_its_first_hundred_thousand_characters(database: Database) {
    let app = in_process!(database);
    let text = "é ".repeat(49_998) + "last beyond";
    let create =
        "mutation($text: String!) { createArticle(input: { title: \"a\", text: $text }) { id } }";
    app.data(create, json!({ "text": text })).await;
    expect(&app, &[("last", "a"), ("beyond", "")]).await;
}

#[apply(on_both_databases)]
async fn the_best_match_comes_first(database: Database) {
    let app = in_process!(database);
    let inputs = json!([
        { "title": "once", "text": "zorb and many other words that are not looked for at all" },
        { "title": "zorb zorb", "text": "zorb zorb zorb" },
        { "title": "none", "text": "nothing" },
    ]);
    let create =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    app.data(create, json!({ "inputs": inputs })).await;
    let query = "{ articles(filter: { search: \"zorb\" }, orderBy: RELEVANCE) { slug } }";
    let found = app.data(query, json!({})).await;
    assert_eq!(
        found,
        json!({ "articles": [{ "slug": "zorb-zorb" }, { "slug": "once" }] })
    );
}

async fn expect(app: &InProcess, searches: &[(&str, &str)]) {
    for (search, expected) in searches {
        let query = "query($search: String) \
            { articles(filter: { search: $search }, orderBy: SLUG_ASC) { slug } }";
        let found = app.data(query, json!({ "search": search })).await;
        let found = found["articles"].as_array().unwrap().iter();
        let slugs: Vec<&str> = found
            .map(|article| article["slug"].as_str().unwrap())
            .collect();
        let shown: String = search.chars().take(100).collect();
        assert_eq!(slugs.join(" "), *expected, "{shown}");
    }
}

async fn fill(app: &InProcess) {
    let inputs: Vec<Value> = ARTICLES
        .iter()
        .map(|(slug, title, text)| json!({ "slug": slug, "title": title, "text": text }))
        .collect();
    let create =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    app.data(create, json!({ "inputs": inputs })).await;
}
