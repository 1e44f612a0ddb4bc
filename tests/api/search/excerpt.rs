//! `excerpt`: the part of a text that fits a search best.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{Database, assert_answer, on_both_databases};

const TEXT: &str = "It began with rain. Nobody in the old town had expected it, and the markets stayed closed all \
    morning. Later the sun came out over the harbour, where a quiet café served crème brûlée to the sailors who had \
    waited for the ferry since dawn, and the ferry never came.";

async fn create(app: &InProcess) -> String {
    let create = "mutation($text: String!) { createArticle(input: { title: \"Rain\", text: $text }) { id } }";
    let data = app.data(create, json!({ "text": TEXT })).await;
    data["createArticle"]["id"].as_str().unwrap().to_owned()
}

/// The excerpt with each match between brackets.
fn marked(excerpt: &Value) -> String {
    let text: Vec<char> = excerpt["text"].as_str().unwrap().chars().collect();
    let mut marked = String::new();
    let mut end = 0;
    for found in excerpt["matches"].as_array().unwrap() {
        let place = |name: &str| usize::try_from(found[name].as_u64().unwrap()).unwrap();
        let (from, to) = (place("start"), place("end"));
        marked.extend(&text[end..from]);
        marked.push('[');
        marked.extend(&text[from..to]);
        marked.push(']');
        end = to;
    }
    marked.extend(&text[end..]);
    marked
}

#[apply(on_both_databases)]
async fn an_excerpt_is_the_best_matching_part(database: Database) {
    let app = in_process!(database);
    create(&app).await;
    let mut wrong = Vec::new();
    for (search, expected) in [
        (
            json!(null),
            "It began with rain. Nobody in the old town had expected it,",
        ),
        (
            json!(" "),
            "It began with rain. Nobody in the old town had expected it,",
        ),
        (
            json!("nowhere"),
            "It began with rain. Nobody in the old town had expected it,",
        ),
        (
            json!("!!!"),
            "It began with rain. Nobody in the old town had expected it,",
        ),
        (
            json!("rains"),
            "It began with [rain]. Nobody in the old town had expected it,",
        ),
        (
            json!("cafe creme"),
            "where a quiet [café] served [crème] brûlée to the sailors who",
        ),
        (
            json!("café"),
            "where a quiet [café] served crème brûlée to the sailors who",
        ),
        (
            json!("cafè"),
            "It began with rain. Nobody in the old town had expected it,",
        ),
        (
            json!("\"the ferry\" -dawn"),
            "waited for [the ferry] since dawn, and [the ferry] never came.",
        ),
        (
            json!("\"ferry the\""),
            "It began with rain. Nobody in the old town had expected it,",
        ),
        (
            json!("harbour or markets"),
            "it, and the [markets] stayed closed all morning. Later the",
        ),
    ] {
        let query = "query($search: String) { articles { excerpt(search: $search, length: 60) \
            { text matches { start end } } } }";
        let data = app.data(query, json!({ "search": search })).await;
        let excerpt = &data["articles"][0]["excerpt"];
        assert!(excerpt["text"].as_str().unwrap().chars().count() <= 60);
        if marked(excerpt) != expected {
            wrong.push(format!("{search}: {}", marked(excerpt)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[apply(on_both_databases)]
async fn excerpts_are_shown_wherever_an_article_is(database: Database) {
    let app = in_process!(database);
    let id = create(&app).await;
    let excerpt = "excerpt(search: \"ferry\", length: 50) { text matches { start end } }";
    let expected = json!({
        "text": "the ferry since dawn, and the ferry never came.",
        "matches": [{ "start": 4, "end": 9 }, { "start": 30, "end": 35 }],
    });
    let cursor = app.data("{ articleChangesCursor }", json!({})).await;
    let cursor = cursor["articleChangesCursor"].as_str().unwrap();
    let query = format!(
        "query($id: ID!) {{
            one: article(by: {{ id: $id }}) {{ {excerpt} }}
            node(id: $id) {{ ... on Article {{ {excerpt} }} }}
            nodes(ids: [$id]) {{ ... on Article {{ {excerpt} }} }}
            connection: articlesConnection {{ nodes {{ {excerpt} }} edges {{ node {{ {excerpt} }} }} }}
        }}"
    );
    let data = app.data(&query, json!({ "id": id })).await;
    for place in [
        &data["one"],
        &data["node"],
        &data["nodes"][0],
        &data["connection"]["nodes"][0],
        &data["connection"]["edges"][0]["node"],
    ] {
        assert_eq!(place["excerpt"], expected, "{data}");
    }
    let mutation = format!(
        "mutation($id: ID!) {{
            updateArticle(id: $id, input: {{ title: \"Other\" }}) {{ {excerpt} }}
            created: createArticle(input: {{ title: \"New\", text: \"A ferry\" }}) {{ {excerpt} }}
            deleteArticle(id: $id) {{ {excerpt} }}
        }}"
    );
    let data = app.data(&mutation, json!({ "id": id })).await;
    assert_eq!(data["updateArticle"]["excerpt"], expected);
    assert_eq!(
        data["created"]["excerpt"],
        json!({ "text": "A ferry", "matches": [{ "start": 2, "end": 7 }] })
    );
    assert_eq!(data["deleteArticle"]["excerpt"], expected);
    let changes = format!(
        "query($after: String!) {{ articleChanges(after: $after) {{ changes {{ article {{ {excerpt} }} }} }} }}"
    );
    let data = app.data(&changes, json!({ "after": cursor })).await;
    assert_eq!(
        data["articleChanges"]["changes"][0]["article"]["excerpt"], expected,
        "{data}"
    );
}

#[apply(on_both_databases)]
async fn an_excerpt_has_at_most_two_hundred_characters_by_default(database: Database) {
    let app = in_process!(database);
    create(&app).await;
    let query = "query($length: Int! = 50) { articles {
        __typename
        default: excerpt { t: text __typename }
        short: excerpt(length: $length) { text matches { start } }
        long: excerpt(length: 1000) { text }
    } }";
    assert_answer!(app.ask_with(query, json!({})).await, @r#"{"data":{"articles":[{"__typename":"Article","default":{"__typename":"Excerpt","t":"It began with rain. Nobody in the old town had expected it, and the markets stayed closed all morning. Later the sun came out over the harbour, where a quiet café served crème brûlée to the sailors"},"long":{"text":"It began with rain. Nobody in the old town had expected it, and the markets stayed closed all morning. Later the sun came out over the harbour, where a quiet café served crème brûlée to the sailors who had waited for the ferry since dawn, and the ferry never came."},"short":{"matches":[],"text":"It began with rain. Nobody in the old town had"}}]}}"#);
}

#[apply(on_both_databases)]
async fn an_invalid_length_is_rejected_and_nothing_is_written(database: Database) {
    let app = in_process!(database);
    let id = create(&app).await;
    for length in [49, 1_001, -1, 0, i32::MIN, i32::MAX] {
        for query in [
            "query($id: ID!, $length: Int!) { article(by: { id: $id }) { excerpt(length: $length) { text } } }",
            "query($id: ID!, $length: Int!) { node(id: $id) { ... on Article { excerpt(length: $length) { text } } } }",
            "mutation($id: ID!, $length: Int!) { deleteArticle(id: $id) { excerpt(length: $length) { text } } }",
            "mutation($id: ID!, $length: Int!) { updateArticle(id: $id, input: { text: \"\" }) { excerpt(length: $length) { text } } }",
        ] {
            let answer = app
                .ask_with(query, json!({ "id": id, "length": length }))
                .await;
            let error = &answer["errors"][0];
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
            assert_eq!(error["extensions"]["field"], "length", "{answer}");
            assert_eq!(
                error["message"],
                format!("length must be 50 to 1000, but it is {length}")
            );
        }
    }
    let data = app.data("{ articles { version text } }", json!({})).await;
    assert_eq!(data["articles"][0]["version"], 1);
    assert_eq!(data["articles"][0]["text"], TEXT);
}

#[apply(on_both_databases)]
async fn excerpts_of_long_texts_are_bounded(database: Database) {
    let app = in_process!(database);
    let text = "ferry ".repeat(16_000);
    let create =
        "mutation($text: String!) { createArticle(input: { title: \"a\", text: $text }) { id } }";
    for _ in 0..10 {
        app.data(create, json!({ "text": text })).await;
    }
    let aliases: Vec<String> = (0..45)
        .map(|number| format!("e{number}: excerpt(search: \"ferry {number}\") {{ text }}"))
        .collect();
    let query = format!("{{ articles {{ {} }} }}", aliases.join(" "));
    let answer = app.ask_with(&query, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "TOO_COMPLEX",
        "{answer:.200}"
    );
    // A search of any length is allowed.
    let search = "ferry sails or ".repeat(50_000);
    let query =
        "query($search: String!) { articles { excerpt(search: $search) { matches { start } } } }";
    let data = app.data(query, json!({ "search": search })).await;
    let matches = data["articles"][0]["excerpt"]["matches"].as_array();
    assert!(matches.unwrap().len() > 20);
}
