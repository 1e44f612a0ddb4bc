//! The feed through GraphQL.

use broadsheet::api::{Api, ApiSettings};
use broadsheet::feed::Feed;
use broadsheet::graphql::websocket::SUBPROTOCOL;
use futures_util::{SinkExt as _, StreamExt as _};
use graphql_guard::json::ObjectText;
use reqwest::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::{RETENTION, TIMEOUT};
use crate::support::{Answer, Database, TestApp, assert_answer, client, on_both_databases, start};
use crate::transports::Transport;

async fn cursor(app: &TestApp) -> String {
    let answer = app.query("{ articleChangesCursor }").await.json();
    answer["data"]["articleChangesCursor"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn create(app: &TestApp, title: &str) {
    let answer = app
        .create(json!({ "title": title, "text": format!("About {title}.") }))
        .await;
    assert_eq!(answer.code(), "", "{answer}");
}

/// The answer to `articleChanges` with these variables, without the cursors, which no two databases share.
async fn page(app: &TestApp, variables: Value) -> (Value, String) {
    let query =
        "query($after: String!, $first: Int! = 100, $kinds: [ArticleChangeKind!], $ids: [ID!]) {
        articleChanges(after: $after, first: $first, kinds: $kinds, articleIds: $ids) {
            changes { kind articleId article { title text version } } endCursor hasMore
        }
    }";
    let answer = app
        .graphql(&json!({ "query": query, "variables": variables }))
        .await
        .json();
    let mut page = answer["data"]["articleChanges"].clone();
    // Indexing null by a field would make it an object.
    if page.is_null() {
        return (answer, String::new());
    }
    let end = page["endCursor"].take();
    (page, end.as_str().unwrap_or_default().to_owned())
}

#[apply(on_both_databases)]
async fn polling_returns_every_change_page_by_page(database: Database) {
    let app = start!(database);
    let begin = cursor(&app).await;
    for title in ["a", "b", "c"] {
        create(&app, title).await;
    }
    let (page_one, end) = page(&app, json!({ "after": begin, "first": 2 })).await;
    let id = |page: &Value, index: usize| page["changes"][index]["articleId"].clone();
    let change = |title: &str, id: Value| {
        let article = json!({ "title": title, "text": format!("About {title}."), "version": 1 });
        json!({ "kind": "CREATED", "articleId": id, "article": article })
    };
    let changes = [change("a", id(&page_one, 0)), change("b", id(&page_one, 1))];
    assert_eq!(
        page_one,
        json!({ "changes": changes, "endCursor": null, "hasMore": true })
    );
    let (page_two, end) = page(&app, json!({ "after": end })).await;
    let changes = [change("c", id(&page_two, 0))];
    assert_eq!(
        page_two,
        json!({ "changes": changes, "endCursor": null, "hasMore": false })
    );
    assert_eq!(end, cursor(&app).await);
    let (page_three, again) = page(&app, json!({ "after": end })).await;
    assert_eq!(
        page_three,
        json!({ "changes": [], "endCursor": null, "hasMore": false })
    );
    assert_eq!(again, end);
}

#[apply(on_both_databases)]
async fn the_cursor_advances_even_without_matches(database: Database) {
    let app = start!(database);
    let begin = cursor(&app).await;
    create(&app, "a").await;
    let head = cursor(&app).await;
    for nothing in [
        json!({ "after": begin, "kinds": ["DELETED"] }),
        json!({ "after": begin, "kinds": [] }),
        json!({ "after": begin, "ids": [] }),
        json!({ "after": begin, "ids": ["no uuid"] }),
    ] {
        let (page, end) = page(&app, nothing).await;
        assert_eq!(
            page,
            json!({ "changes": [], "endCursor": null, "hasMore": false })
        );
        assert_eq!(end, head);
    }
}

#[apply(on_both_databases)]
async fn arguments_out_of_bounds_are_rejected_by_name(database: Database) {
    let app = start!(database);
    let after = cursor(&app).await;
    for (variables, field, message) in [
        (
            json!({ "after": "damaged" }),
            "after",
            "expected a cursor of the change feed, exactly as the server returned it",
        ),
        (
            json!({ "after": after, "first": 0 }),
            "first",
            "first must be 1 to 500, but it is 0",
        ),
        (
            json!({ "after": after, "first": 501 }),
            "first",
            "first must be 1 to 500, but it is 501",
        ),
        (
            json!({ "after": after, "ids": vec!["x"; 1_001] }),
            "articleIds",
            "articleIds must have at most 1000 ids, but it has 1001",
        ),
    ] {
        let error = page(&app, variables).await.0["errors"][0].clone();
        assert_eq!(error["message"], message);
        assert_eq!(
            error["extensions"],
            json!({ "code": "BAD_USER_INPUT", "field": field })
        );
    }
}

#[apply(on_both_databases)]
async fn an_expired_cursor_is_rejected_with_a_valid_one(database: Database) {
    let app = start!(database);
    create(&app, "a").await;
    let after = cursor(&app).await;
    app.store.begin_feed_epoch().await.unwrap();
    let error = page(&app, json!({ "after": after })).await.0["errors"][0].clone();
    assert_answer!(error["message"], @r#""the changes after this cursor are no longer kept; read the list again and continue from a new cursor""#);
    assert_eq!(error["extensions"]["code"], "CURSOR_EXPIRED");
    let oldest = &error["extensions"]["oldestCursor"];
    let (page, _) = page(&app, json!({ "after": oldest })).await;
    assert_eq!(page["changes"].as_array().unwrap().len(), 1);
}

#[apply(on_both_databases)]
async fn a_subscription_sends_each_change_with_its_cursor(database: Database) {
    let app = start!(database);
    let feed = Feed::start(app.store.clone(), RETENTION);
    let api = Api::new(app.store.clone(), feed, ApiSettings::default()).unwrap();
    let after = cursor(&app).await;
    create(&app, "a").await;
    let document = format!(
        r#"subscription {{ articleChanges(after: "{after}", kinds: [CREATED]) {{ cursor kind article {{ title }} }} }}"#
    );
    let operation = api
        .prepare(&document, None, &ObjectText::default())
        .unwrap();
    let id = "request".to_owned();
    let mut events = api
        .subscribe(&operation, None, id, RETENTION)
        .await
        .unwrap();
    for title in ["a", "b"] {
        let event = tokio::time::timeout(TIMEOUT, events.next())
            .await
            .unwrap()
            .unwrap();
        let cursor = event.cursor.unwrap().to_string();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&event.body).unwrap(),
            json!({ "data": { "articleChanges": { "cursor": cursor, "kind": "CREATED", "article": { "title": title } } } })
        );
        create(&app, "b").await;
    }
    app.store.begin_feed_epoch().await.unwrap();
    let codes = events.filter_map(async |event| {
        let answer: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
        let error = answer.get("errors")?.get(0)?.clone();
        Some((error["extensions"]["code"].to_string(), event.cursor))
    });
    let codes: Vec<_> = tokio::time::timeout(TIMEOUT, codes.collect())
        .await
        .unwrap();
    assert_eq!(codes, [("\"CURSOR_EXPIRED\"".to_owned(), None)]);
}

/// An empty cursor counts as absent. The query requires a cursor, so there an empty one is invalid.
#[apply(on_both_databases)]
async fn an_empty_cursor_begins_a_subscription_with_the_next_change(database: Database) {
    let app = start!(database);
    create(&app, "before").await;
    let query = "subscription { articleChanges(after: \"\") { article { title } } }";
    for transport in Transport::FOR_SUBSCRIPTIONS {
        let (url, request) = (app.url("/graphql"), json!({ "query": query }));
        let received = tokio::spawn(async move { transport.ask(&url, &request).await });
        // Creates articles until the subscription has begun and received one.
        while !received.is_finished() {
            create(&app, "next").await;
        }
        let expected = json!({ "data": { "articleChanges": { "article": { "title": "next" } } } });
        assert_eq!(received.await.unwrap(), expected, "{transport:?}");
    }
    let polled = app
        .query("{ articleChanges(after: \"\") { hasMore } }")
        .await;
    assert_eq!(polled.code(), "BAD_USER_INPUT", "{polled}");
}

#[apply(on_both_databases)]
async fn the_cursor_is_read_before_the_list_in_the_same_query(database: Database) {
    let app = start!(database);
    let writer = {
        let store = app.store.clone();
        tokio::spawn(async move {
            for number in 0..200 {
                let new = crate::support::article(&number.to_string(), None, None);
                store.create_article(new).await.unwrap();
            }
        })
    };
    while !writer.is_finished() {
        let query = "{ articles(limit: 100, orderBy: CREATED_AT_DESC) { id } articleChangesCursor
            connection: articlesConnection { totalCount } }";
        let answer = app.query(query).await.json();
        let listed = answer["data"]["connection"]["totalCount"].as_i64().unwrap();
        let cursor = answer["data"]["articleChangesCursor"].as_str().unwrap();
        let cursor: broadsheet::article::change::FeedCursor = cursor.parse().unwrap();
        assert!(cursor.position <= listed, "{} {listed}", cursor.position);
    }
    writer.await.unwrap();
}

/// A subscription that is rejected before its first change gets a request error (GraphQL specification, section
/// 6.2.3.1): nothing was executed, so there is no `data`. As a single result it ends the operation, as in graphql-ws and
/// graphql-sse.
#[apply(on_both_databases)]
async fn a_rejected_subscription_has_no_data_and_ends(database: Database) {
    let app = start!(database);
    let expired = cursor(&app).await;
    app.store.begin_feed_epoch().await.unwrap();
    let oldest = cursor(&app).await;
    for (variables, extensions, message) in [
        (
            json!({ "after": "damaged" }),
            json!({ "code": "BAD_USER_INPUT", "field": "after" }),
            "expected a cursor of the change feed, exactly as the server returned it",
        ),
        (
            json!({ "after": expired }),
            json!({ "code": "CURSOR_EXPIRED", "oldestCursor": oldest }),
            "the changes after this cursor are no longer kept; read the list again and continue from a new cursor",
        ),
        (
            json!({ "ids": vec!["x"; 1_001] }),
            json!({ "code": "BAD_USER_INPUT", "field": "articleIds" }),
            "articleIds must have at most 1000 ids, but it has 1001",
        ),
    ] {
        let query = "subscription($after: String, $ids: [ID!]) {
            articleChanges(after: $after, articleIds: $ids) { kind }
        }";
        let request = json!({ "query": query, "variables": variables });
        let rejection = json!({ "errors": [{
            "message": message,
            "locations": [{ "line": 2, "column": 13 }],
            "path": ["articleChanges"],
            "extensions": extensions,
        }] });

        let events = client()
            .post(app.url("/graphql"))
            .header("accept", "text/event-stream")
            .json(&request);
        let events = tokio::time::timeout(TIMEOUT, Answer::to(events))
            .await
            .unwrap();
        assert_eq!(events.status, 200);
        let body = events.body.replace(": \n\n", "");
        let (next, complete) = body.split_once("\n\n").unwrap();
        assert_eq!(complete, "event: complete\ndata:\n\n");
        let payload_text = next.strip_prefix("event: next\ndata: ").unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(payload_text).unwrap(),
            rejection
        );

        let mut handshake = format!("ws://{}/graphql", app.address)
            .into_client_request()
            .unwrap();
        let protocol = HeaderValue::from_static(SUBPROTOCOL);
        handshake
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let (mut socket, _) = connect_async(handshake).await.unwrap();
        for message in [
            json!({ "type": "connection_init" }),
            json!({ "id": "1", "type": "subscribe", "payload": request }),
        ] {
            let message = Message::from(message.to_string());
            socket.send(message).await.unwrap();
        }
        for expected in [
            json!({ "type": "connection_ack" }),
            json!({ "id": "1", "type": "next", "payload": rejection }),
            json!({ "id": "1", "type": "complete" }),
        ] {
            let message = tokio::time::timeout(TIMEOUT, socket.next()).await.unwrap();
            let text = message.unwrap().unwrap().into_text().unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        }
    }
}
