//! The limit on responses: beyond `MAX_RESPONSE_BYTES` a query is rejected, and a mutation is rejected before it is
//! executed.

mod mutations;

use broadsheet::article::{NewArticle, Slug, Text, Title};
use reqwest::header::ACCEPT;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Answer, Database, TestApp, assert_answer, client, on_both_databases, start};

/// The value of `--max-response-bytes` in most of these tests.
const LIMIT: &str = "--max-response-bytes=10000";

#[apply(on_both_databases)]
async fn a_query_with_a_large_response_is_rejected(database: Database) {
    let app = start!(database, LIMIT);
    fill(&app, &[4_000, 4_000, 4_000]).await;
    assert_answer!(app.query("{ articles { text } }").await, @r#"
    {
      "errors": [
        {
          "message": "The response is too large: it has 12000 bytes or more, and 10000 are allowed. Request fewer articles, or omit their texts.",
          "extensions": {
            "code": "TOO_COMPLEX",
            "limit": {
              "name": "responseBytes",
              "max": 10000,
              "value": 12000
            }
          }
        }
      ]
    }
    "#);
}

#[apply(on_both_databases)]
async fn it_is_rejected_whichever_fields_have_the_bytes(database: Database) {
    let app = start!(database, LIMIT);
    fill(&app, &[4_000, 4_000, 4_000]).await;
    let ids = ids(&app).await;
    let [a, b, c] = ids.as_slice() else { panic!() };
    let head = "a".repeat(3_000);
    for document in [
        "{ articlesConnection { nodes { text } } }".to_owned(),
        "{ articlesConnection(last: 3) { edges { node { text } } } }".to_owned(),
        "{ articlesConnection(first: 2) { nodes { text } edges { node { text } } } }".to_owned(),
        r#"{ articlesConnection(filter: { search: "xx" }, orderBy: RELEVANCE) { nodes { text } } }"#
            .to_owned(),
        format!(r#"{{ nodes(ids: ["{a}", "{b}", "{c}"]) {{ ... on Article {{ text }} }} }}"#),
        format!(r#"{{ nodes(ids: ["{a}", "{a}", "{a}"]) {{ ... on Article {{ text }} }} }}"#),
        format!(r#"{{ node(id: "{a}") {{ ... on Article {{ a: text b: text c: text }} }} }}"#),
        format!(r#"{{ article(by: {{ id: "{a}" }}) {{ a: text b: text c: text }} }}"#),
        format!(
            r#"{{ a: article(by: {{ id: "{a}" }}) {{ text }} b: article(by: {{ slug: "article-2" }}) {{ text }}
                  c: node(id: "{c}") {{ ... on Article {{ text }} }} }}"#
        ),
        "{ a: articles(limit: 1) { text } b: articles(limit: 1) { text } c: articles(limit: 1) { text } }"
            .to_owned(),
        "{ articles(limit: 1) { a: text b: text c: text } }".to_owned(),
        // Names that the client chose.
        format!("{{ articles {{ {head}: id {head}1: id }} }}"),
        format!("{{ {head}: __typename {head}1: __typename {head}2: __typename {head}3: __typename }}"),
        "{ __schema { types { name description fields { name a: description b: description } } } }"
            .to_owned(),
    ] {
        let answer = app.query(&document).await;
        assert_rejected(&answer, &document);
        assert!(answer.body.len() < 1_000, "{document}");
    }
}

#[apply(on_both_databases)]
async fn a_response_of_exactly_the_limit_is_sent(database: Database) {
    let own = database.migrated().await;
    let Some(own) = own else { return };
    let app = TestApp::start_on(&own, &[]).await;
    // Escapes count, but not columns that are read without being selected.
    let text = "\u{1}\"\n".repeat(300);
    create(&app, &text).await;
    for document in [
        "{ articles { text } }",
        "{ articles { title slug } }",
        "{ articlesConnection(first: 1) { nodes { text } edges { cursor } pageInfo { hasNextPage } } }",
        r#"{ a: articlesConnection { totalCount } b: article(by: { slug: "a" }) { text } c: __typename }"#,
        r#"{ article(by: { slug: "a" }) { x: text y: text } }"#,
        "{ articleChangesCursor }",
    ] {
        let whole = app.query(document).await;
        assert_eq!(whole.code(), "", "{document}");
        let bytes = whole.body.len();
        let just = format!("--max-response-bytes={bytes}");
        let less = format!("--max-response-bytes={}", bytes - 1);
        let just = TestApp::start_on(&own, &[&just]).await;
        assert_eq!(just.query(document).await.body, whole.body);
        let less = TestApp::start_on(&own, &[&less]).await;
        assert_rejected(&less.query(document).await, document);
    }
}

#[apply(on_both_databases)]
async fn the_article_behind_a_page_does_not_count(database: Database) {
    let app = start!(database, LIMIT);
    fill(&app, &[6_000, 6_000]).await;
    let document = "{ articlesConnection(first: 1) { nodes { text } pageInfo { hasNextPage } } }";
    let answer = app.query(document).await;
    let page = &answer.json()["data"]["articlesConnection"];
    assert_eq!(page["pageInfo"], json!({ "hasNextPage": true }));
    assert_eq!(page["nodes"][0]["text"].as_str().unwrap().len(), 6_000);
}

#[apply(on_both_databases)]
async fn it_is_rejected_on_every_transport_like_other_limits(database: Database) {
    let app = start!(database, LIMIT);
    fill(&app, &[4_000, 4_000, 4_000]).await;
    let request = json!({ "query": "{ articles { text } }" });
    let post = |accept| {
        let request = client().post(app.url("/graphql")).json(&request);
        Answer::to(request.header(ACCEPT, accept))
    };
    let rejected = post("application/json").await;
    assert_rejected(&rejected, "application/json");
    let strict = post("application/graphql-response+json").await;
    assert_eq!((strict.status, &strict.body), (400, &rejected.body));
    let get = app.get("/graphql?query=%7Barticles%7Btext%7D%7D").await;
    assert_eq!((get.status, &get.body), (200, &rejected.body));
    let events = post("text/event-stream").await;
    let expected = format!(
        ": \n\nevent: next\ndata: {}\n\nevent: complete\ndata:\n\n",
        rejected.body
    );
    assert_eq!((events.status, events.body), (200, expected));
}

#[apply(on_both_databases)]
async fn a_page_of_changes_ends_at_the_limit(database: Database) {
    let app = start!(database, LIMIT);
    let begin = cursor(&app).await;
    fill(&app, &[2_000; 6]).await;
    let mut after = begin.clone();
    let mut lengths = Vec::new();
    loop {
        let document = format!(
            r#"{{ articleChanges(after: "{after}") {{ changes {{ article {{ slug text }} }} endCursor hasMore }} }}"#
        );
        let answer = app.query(&document).await.json();
        let page = &answer["data"]["articleChanges"];
        assert!(page["changes"].is_array(), "{answer}");
        lengths.push(page["changes"].as_array().unwrap().len());
        page["endCursor"].as_str().unwrap().clone_into(&mut after);
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!(lengths, [2, 2, 2]);

    // Several in one document share the limit.
    let page = format!(
        r#"articleChanges(after: "{begin}") {{ changes {{ article {{ text }} }} hasMore }}"#
    );
    let answer = app
        .query(&format!("{{ a: {page} b: {page} }}"))
        .await
        .json();
    for (name, length) in [("a", 2), ("b", 1)] {
        let page = &answer["data"][name];
        assert!(page["changes"].is_array(), "{answer}");
        assert_eq!(
            page["changes"].as_array().unwrap().len(),
            length,
            "{answer}"
        );
        assert_eq!(page["hasMore"], true);
    }
    // A single change that is too large is left out.
    let document = page.replace("text", "a: text b: text c: text d: text e: text f: text");
    assert_rejected(&app.query(&format!("{{ {document} }}")).await, &document);
}

#[apply(on_both_databases)]
async fn a_large_event_has_an_error_and_the_subscription_continues(database: Database) {
    let app = start!(database, LIMIT);
    let begin = cursor(&app).await;
    fill(&app, &[4_000, 4_000, 12_000, 4_000]).await;
    let query = format!(
        r#"subscription {{ articleChanges(after: "{begin}") {{ kind article {{ slug a: text b: text }} }} }}"#
    );
    let events = client()
        .post(app.url("/graphql"))
        .header(ACCEPT, "text/event-stream")
        .json(&json!({ "query": query }));
    let mut events = events.send().await.unwrap();
    let mut text = String::new();
    while text.matches("event: next").count() < 4 || !text.ends_with("\n\n") {
        let chunk = events.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let events_received: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    for (index, event) in events_received.iter().enumerate() {
        let change = &event["data"]["articleChanges"];
        assert_eq!(change["kind"], "CREATED", "{event}");
        if index == 2 {
            assert_eq!(change["article"], Value::Null);
            let error = &event["errors"][0];
            assert_eq!(error["path"], json!(["articleChanges", "article"]));
            assert_eq!(error["extensions"]["code"], "TOO_COMPLEX");
            assert_eq!(error["extensions"]["limit"]["name"], "responseBytes");
        } else {
            assert_eq!(change["article"]["slug"], format!("article-{}", index + 1));
            assert_eq!(event.get("errors"), None, "{event}");
        }
    }
}

fn assert_rejected(answer: &Answer, what: &str) {
    let body = answer.json();
    let error = &body["errors"][0];
    assert_eq!(answer.status, 200, "{what}");
    assert_eq!(body.get("data"), None, "{what}");
    assert_eq!(error["extensions"]["code"], "TOO_COMPLEX", "{what}");
    let limit = &error["extensions"]["limit"];
    assert_eq!(limit["name"], "responseBytes", "{what}");
    let (max, value) = (limit["max"].as_u64(), limit["value"].as_u64());
    assert!(value > max, "{what}: {limit}");
}

/// Creates articles with texts of these lengths, one after another.
async fn fill(app: &TestApp, lengths: &[usize]) {
    for (index, length) in lengths.iter().enumerate() {
        let number = index + 1;
        let new = NewArticle {
            title: Title::new(format!("Article {number}")).unwrap(),
            slug: None,
            text: Text::new("xx ".repeat(length / 3) + &"x".repeat(length % 3)).unwrap(),
            created_at: None,
        };
        app.store.create_article(new).await.unwrap();
    }
}

async fn create(app: &TestApp, text: &str) {
    let new = NewArticle {
        title: Title::new("A".to_owned()).unwrap(),
        slug: Some(Slug::new("a".to_owned()).unwrap()),
        text: Text::new(text.to_owned()).unwrap(),
        created_at: None,
    };
    app.store.create_article(new).await.unwrap();
}

/// The ids of all articles, in the order in which they were created.
async fn ids(app: &TestApp) -> Vec<String> {
    let answer = app
        .query("{ articles(orderBy: CREATED_AT_ASC) { id } }")
        .await;
    let articles = answer.json()["data"]["articles"].take();
    let articles = articles.as_array().unwrap().iter();
    articles
        .map(|article| article["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn cursor(app: &TestApp) -> String {
    let answer = app.query("{ articleChangesCursor }").await.json();
    answer["data"]["articleChangesCursor"]
        .as_str()
        .unwrap()
        .to_owned()
}
