//! Pagination: what a page says about its neighbours, and that reading all pages misses and repeats nothing, whatever
//! others write in the meantime.

use std::sync::atomic::{AtomicBool, Ordering};

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::in_process::{InProcess, in_process};
use crate::support::{COLUMN_ORDERS, Database, on_both_databases};

const PAGE: &str = "query(\
        $filter: ArticleFilter, $orderBy: ArticleOrder!, $first: Int, $after: String, $last: Int, $before: String\
    ) { articlesConnection(\
        filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before\
    ) { edges { cursor node { slug } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

#[apply(on_both_databases)]
async fn a_walk_sees_each_article_that_stays_exactly_once(database: Database) {
    let app = in_process!(database);
    // Many equal sort keys: three titles, four instants, one time of change.
    let stay = (0..30).map(|n| input(&format!("{} stay", n * 37 % 100), n));
    create(&app, stay.collect()).await;
    for order in COLUMN_ORDERS {
        for forwards in [true, false] {
            let done = AtomicBool::new(false);
            let walk = async {
                let seen = walk(&app, order, forwards, 4).await;
                done.store(true, Ordering::SeqCst);
                seen
            };
            let (mut seen, writes) = tokio::join!(walk, write_until(&app, &done));
            seen.retain(|slug| slug.ends_with("stay"));
            let mut expected = list(&app, order).await;
            if !forwards {
                expected.reverse();
            }
            assert_eq!(seen, expected, "{order}");
            assert!(writes > 0);
        }
    }
}

/// The slugs of all pages, read from one end to the other.
async fn walk(app: &InProcess, order: &str, forwards: bool, size: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        // Lets the others write, even if a response is available immediately.
        tokio::task::yield_now().await;
        let mut variables = if forwards {
            json!({ "first": size, "after": cursor })
        } else {
            json!({ "last": size, "before": cursor })
        };
        variables["orderBy"] = json!(order);
        let page = page(app, variables).await;
        let mut slugs = slugs(&page);
        let (more, end) = if forwards {
            ("hasNextPage", "endCursor")
        } else {
            ("hasPreviousPage", "startCursor")
        };
        if !forwards {
            slugs.reverse();
        }
        seen.extend(slugs);
        if page["pageInfo"][more] == false {
            return seen;
        }
        cursor = page["pageInfo"][end].clone();
    }
}

/// Creates, changes and deletes other articles, at random positions in each order, until the walk is done.
async fn write_until(app: &InProcess, done: &AtomicBool) -> u64 {
    let mut writes = 0_u64;
    let mut there: Vec<Value> = Vec::new();
    while !done.load(Ordering::SeqCst) {
        writes += 1;
        app.at(i64::try_from(writes).unwrap() % 7);
        let random = writes.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let new = input(&format!("{} goes {writes}", random % 100), random);
        there.extend(create(app, vec![new]).await);
        if there.len() > 6 {
            let gone = there.swap_remove(usize::try_from(random).unwrap() % there.len());
            let changed = there[0].clone();
            let document = "mutation($gone: ID!, $changed: ID!, $title: String!) \
                { deleteArticle(id: $gone) { id } updateArticle(id: $changed, input: { title: $title }) { id } }";
            let title = titles(random / 100);
            let variables = json!({ "gone": gone, "changed": changed, "title": title });
            app.data(document, variables).await;
        }
    }
    for gone in there {
        let delete = "mutation($id: ID!) { deleteArticle(id: $id) { id } }";
        app.data(delete, json!({ "id": gone })).await;
    }
    writes
}

#[apply(on_both_databases)]
async fn a_page_knows_whether_there_are_articles_before_and_after_it(database: Database) {
    let app = in_process!(database);
    for order in ["CREATED_AT_DESC", "TITLE_ASC", "SLUG_DESC"] {
        for length in 0..=4 {
            // Every position, and one of a deleted article.
            let inputs = (0..=length).map(|n| input(&format!("{n}"), n / 2));
            let ids = create(&app, inputs.collect()).await;
            let all = page(&app, json!({ "orderBy": order })).await;
            let gone = usize::try_from(length).unwrap() / 2;
            let edges = all["edges"].as_array().unwrap().clone();
            let slug = edges[gone]["node"]["slug"].as_str().unwrap();
            let number: usize = slug.parse().unwrap();
            let delete = "mutation($id: ID!) { deleteArticle(id: $id) { id } }";
            app.data(delete, json!({ "id": ids[number] })).await;
            every_page(&app, order, &edges, gone).await;
            app.direct.run("DELETE FROM article").await;
        }
    }
}

/// Requests every page; the edge at `gone` no longer exists.
async fn every_page(app: &InProcess, order: &str, edges: &[Value], gone: usize) {
    let places = || (0..edges.len()).map(Some).chain([None]);
    let cursor = |place: Option<usize>| place.map(|at| edges[at]["cursor"].clone());
    for after in places() {
        for before in places() {
            for size in 0..=3 {
                for from_back in [false, true] {
                    let variables = json!({
                        "orderBy": order, "after": cursor(after), "before": cursor(before),
                        if from_back { "last" } else { "first" }: size,
                    });
                    let page = page(app, variables.clone()).await;
                    let expected = expected(edges, gone, after, before, size, from_back);
                    assert_eq!(page, expected, "{order} of {}: {variables}", edges.len());
                }
            }
        }
    }
}

fn expected(
    edges: &[Value],
    gone: usize,
    after: Option<usize>,
    before: Option<usize>,
    size: usize,
    from_back: bool,
) -> Value {
    let there = || (0..edges.len()).filter(|at| *at != gone);
    let between = |at: &usize| {
        after.is_none_or(|after| *at > after) && before.is_none_or(|before| *at < before)
    };
    let mut page: Vec<usize> = there().filter(between).collect();
    if from_back {
        drop(page.drain(..page.len().saturating_sub(size)));
    } else {
        page.truncate(size);
    }
    // The page covers the positions from `start` up to but not including `end`. An empty page is at the end of the
    // requested range.
    let (start, end) = match (page.first(), page.last()) {
        (Some(first), Some(last)) => (*first, last + 1),
        _ if from_back => {
            let at = before.unwrap_or(edges.len());
            (at, at)
        }
        _ => {
            let at = after.map_or(0, |after| after + 1);
            (at, at)
        }
    };
    let shown: Vec<&Value> = page.iter().map(|at| &edges[*at]).collect();
    json!({
        "pageInfo": {
            "hasPreviousPage": there().any(|at| at < start),
            "hasNextPage": there().any(|at| at >= end),
            "startCursor": shown.first().map(|edge| &edge["cursor"]),
            "endCursor": shown.last().map(|edge| &edge["cursor"]),
        },
        "edges": shown,
    })
}

#[apply(on_both_databases)]
async fn a_search_by_relevance_is_walked_in_both_directions(database: Database) {
    let app = in_process!(database);
    let inputs = (0..10).map(|n| {
        let text = "zorb ".repeat(n % 4);
        json!({ "title": format!("zorb {n}"), "text": format!("{text} wug") })
    });
    create(&app, inputs.collect()).await;
    let search = |variables: Value| {
        let mut variables = variables;
        variables["filter"] = json!({ "search": "zorb" });
        variables["orderBy"] = json!("RELEVANCE");
        page(&app, variables)
    };
    let all = slugs(&search(json!({})).await);
    assert_eq!(all.len(), 10);
    let (mut forwards, mut backwards) = (Vec::new(), Vec::new());
    let (mut after, mut before) = (Value::Null, Value::Null);
    for number in 1..=4 {
        let page = search(json!({ "first": 3, "after": after })).await;
        forwards.extend(slugs(&page));
        after = page["pageInfo"]["endCursor"].clone();
        assert_eq!(page["pageInfo"]["hasNextPage"], number < 4);
        assert_eq!(page["pageInfo"]["hasPreviousPage"], number > 1);
        let page = search(json!({ "last": 3, "before": before })).await;
        let mut slugs = slugs(&page);
        slugs.reverse();
        backwards.extend(slugs);
        before = page["pageInfo"]["startCursor"].clone();
        assert_eq!(page["pageInfo"]["hasPreviousPage"], number < 4);
        assert_eq!(page["pageInfo"]["hasNextPage"], number > 1);
    }
    backwards.reverse();
    assert_eq!((&forwards, &backwards), (&all, &all));
}

fn input(slug: &str, number: u64) -> Value {
    let second = number % 4;
    json!({
        "title": titles(number), "slug": slug, "text": "",
        "createdAt": format!("2026-01-01T00:00:00.00000{second}Z"),
    })
}

fn titles(number: u64) -> &'static str {
    ["a", "B", "é"][usize::try_from(number % 3).unwrap()]
}

/// The ids of new articles.
async fn create(app: &InProcess, inputs: Vec<Value>) -> Vec<Value> {
    let document =
        "mutation($inputs: [CreateArticleInput!]!) { createArticles(inputs: $inputs) { id } }";
    let created = app.data(document, json!({ "inputs": inputs })).await;
    let created = created["createArticles"].as_array().unwrap().iter();
    created.map(|article| article["id"].clone()).collect()
}

async fn list(app: &InProcess, order: &str) -> Vec<String> {
    slugs(&page(app, json!({ "orderBy": order, "first": 100 })).await)
}

async fn page(app: &InProcess, variables: Value) -> Value {
    app.data(PAGE, variables).await["articlesConnection"].take()
}

fn slugs(page: &Value) -> Vec<String> {
    let edges = page["edges"].as_array().unwrap().iter();
    edges
        .map(|edge| edge["node"]["slug"].as_str().unwrap().to_owned())
        .collect()
}
