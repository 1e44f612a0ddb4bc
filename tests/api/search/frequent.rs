//! Frequent words: a search finds the same articles in the same order whichever plan the server chooses.

use std::fmt::Write as _;

use rstest_reuse::apply;
use serde_json::{Value, json};

use super::index::indexed;
use crate::in_process::{InProcess, in_process};
use crate::support::{Database, on_both_databases};

/// More articles than the server samples to estimate how frequent a word is.
const ARTICLES: i64 = 3_000;

/// An article of the test. Articles are stored in the order of their numbers and were created in a different order.
pub(super) struct Article {
    slug: String,
    /// Three articles have the same minute.
    created_minute: i64,
    updated_minute: i64,
    words: Vec<&'static str>,
    id: u128,
}

pub(super) fn articles() -> Vec<Article> {
    let article = |number: i64| {
        let created_minute = number * 7_919 % (ARTICLES / 3);
        let mut words = vec![
            "every",
            if number % 2 == 0 { "even" } else { "odd" },
            if number % 4 == 0 {
                "wind north"
            } else {
                "north wind"
            },
            // A word that is frequent only among articles that were created long ago, or stored long ago.
            if created_minute < ARTICLES / 6 {
                "past"
            } else {
                "present"
            },
            if number < ARTICLES / 2 {
                "first"
            } else {
                "second"
            },
        ];
        words.extend((number % 40 == 7).then_some("seldom"));
        words.extend((number == 1_234).then_some("once"));
        Article {
            slug: format!("s{:04}", number * 17 % ARTICLES),
            created_minute,
            updated_minute: number * 31 % 500,
            words,
            id: u128::try_from(number * 1_237 % ARTICLES + 1).unwrap(),
        }
    };
    (0..ARTICLES).map(article).collect()
}

/// An instant, in minutes after a fixed start, in the format of the database.
fn instant(database: Database, minute: i64) -> String {
    match database {
        Database::Sqlite => (1_768_003_200_000_000 + minute * 60_000_000).to_string(),
        Database::Postgres => format!("'{}'", api_instant(minute)),
    }
}

fn api_instant(minute: i64) -> String {
    let (day, hour) = (minute / 1_440, minute / 60 % 24);
    format!("2026-01-{:02}T{hour:02}:{:02}:00Z", 10 + day, minute % 60)
}

pub(super) async fn fill(app: &InProcess, database: Database, articles: &[Article]) {
    let mut sql = String::new();
    for article in articles {
        let start = match sql.is_empty() {
            true => "INSERT INTO article (id, title, slug, text, created_at, updated_at) VALUES",
            false => ",",
        };
        let id = match database {
            Database::Sqlite => format!("x'{:032x}'", article.id),
            Database::Postgres => format!("'{:032x}'", article.id),
        };
        write!(
            sql,
            "{start} ({id}, 't {slug}', '{slug}', '{text}', {created}, {updated})",
            slug = article.slug,
            text = article.words.join(" and "),
            created = instant(database, article.created_minute),
            updated = instant(database, article.updated_minute),
        )
        .unwrap();
    }
    app.direct.run(&sql).await;
    indexed(&app.store).await;
    if database == Database::Postgres {
        app.direct.run("VACUUM ANALYZE article").await;
    }
}

/// A search, and whether an article matches it.
type Case = (&'static str, fn(&Article) -> bool);

fn has(article: &Article, word: &str) -> bool {
    article.words.contains(&word)
}

const SEARCHES: [Case; 14] = [
    ("every", |_| true),
    ("even", |it| has(it, "even")),
    ("every odd", |it| has(it, "odd")),
    ("odd even", |_| false),
    ("past", |it| has(it, "past")),
    ("present", |it| has(it, "present")),
    ("first", |it| has(it, "first")),
    ("second past", |it| has(it, "second") && has(it, "past")),
    ("\"north wind\"", |it| has(it, "north wind")),
    ("\"north wind\" even", |it| {
        has(it, "north wind") && has(it, "even")
    }),
    ("seldom", |it| has(it, "seldom")),
    ("once or seldom odd", |it| {
        has(it, "once") || has(it, "seldom")
    }),
    ("every -even", |it| has(it, "odd")),
    ("-\"north wind\" or once", |it| {
        !has(it, "north wind") || has(it, "once")
    }),
];

const ORDERS: [&str; 6] = [
    "CREATED_AT_DESC",
    "CREATED_AT_ASC",
    "UPDATED_AT_DESC",
    "UPDATED_AT_ASC",
    "TITLE_DESC",
    "SLUG_ASC",
];

/// The slugs of the articles that match, in an order.
fn expected(articles: &[Article], order: &str, matches: impl Fn(&Article) -> bool) -> Vec<String> {
    let mut found: Vec<&Article> = articles.iter().filter(|it| matches(it)).collect();
    found.sort_by(|a, b| {
        let key = |it: &Article| match order.rsplit_once('_').unwrap().0 {
            "CREATED_AT" => (it.created_minute, String::new(), it.id),
            "UPDATED_AT" => (it.updated_minute, String::new(), it.id),
            _ => (0, it.slug.clone(), it.id),
        };
        key(a).cmp(&key(b))
    });
    if order.ends_with("DESC") {
        found.reverse();
    }
    found.into_iter().map(|it| it.slug.clone()).collect()
}

async fn list(app: &InProcess, filter: &Value, order: &str, limit: usize, offset: usize) -> String {
    let query = "query($filter: ArticleFilter!, $order: ArticleOrder!, $limit: Int!, $offset: Int!) \
        { articles(filter: $filter, orderBy: $order, limit: $limit, offset: $offset) { slug } }";
    let variables = json!({ "filter": filter, "order": order, "limit": limit, "offset": offset });
    let data = app.data(query, variables).await;
    let slugs = data["articles"].as_array().unwrap().iter();
    let slugs: Vec<&str> = slugs.map(|it| it["slug"].as_str().unwrap()).collect();
    slugs.join(" ")
}

#[apply(on_both_databases)]
async fn frequent_and_rare_words_are_found_in_each_order(database: Database) {
    let app = in_process!(database);
    let articles = articles();
    fill(&app, database, &articles).await;
    for (search, matches) in SEARCHES {
        for order in ORDERS {
            let all = expected(&articles, order, matches);
            let filter = json!({ "search": search });
            for (limit, offset) in [(2, 0), (20, 0), (100, 3), (20, 990), (5, 2_999)] {
                let found = list(&app, &filter, order, limit, offset).await;
                let page: Vec<String> = all.iter().skip(offset).take(limit).cloned().collect();
                assert_eq!(found, page.join(" "), "{search} {order} {limit} {offset}");
            }
        }
    }
}

#[apply(on_both_databases)]
async fn further_conditions_hold_besides_a_frequent_word(database: Database) {
    let app = in_process!(database);
    let articles = articles();
    fill(&app, database, &articles).await;
    let lt = |it: &Article, minute| it.created_minute < minute;
    for (filter, matches) in [
        (
            json!({ "search": "even", "slug": { "startsWith": "s00" } }),
            &(|it: &Article| has(it, "even") && it.slug.starts_with("s00"))
                as &dyn Fn(&Article) -> bool,
        ),
        (
            json!({ "search": "even", "slug": { "startsWith": "nowhere" } }),
            &|_: &Article| false,
        ),
        (
            json!({ "search": "every", "slug": { "eq": "s0017" } }),
            &|it: &Article| it.slug == "s0017",
        ),
        (
            json!({ "search": "odd", "createdAt": { "lt": api_instant(100) } }),
            &|it: &Article| has(it, "odd") && lt(it, 100),
        ),
        (
            json!({ "search": "present", "createdAt": { "lt": api_instant(520) } }),
            &|it: &Article| has(it, "present") && lt(it, 520),
        ),
        (
            json!({ "and": [{ "search": "even" }, { "search": "first" }] }),
            &|it: &Article| has(it, "even") && has(it, "first"),
        ),
        (
            json!({ "search": "even", "not": { "search": "first" } }),
            &|it: &Article| has(it, "even") && has(it, "second"),
        ),
        (
            json!({ "or": [{ "search": "seldom" }, { "search": "once" }] }),
            &|it: &Article| has(it, "seldom") || has(it, "once"),
        ),
    ] {
        for order in ["CREATED_AT_DESC", "CREATED_AT_ASC", "UPDATED_AT_DESC"] {
            let all = expected(&articles, order, matches);
            for limit in [3, 20] {
                let page: Vec<String> = all.iter().take(limit).cloned().collect();
                let found = list(&app, &filter, order, limit, 0).await;
                assert_eq!(found, page.join(" "), "{filter} {order} {limit}");
            }
        }
    }
}

#[apply(on_both_databases)]
async fn pages_of_frequent_words_lead_forwards_and_backwards(database: Database) {
    let app = in_process!(database);
    let articles = articles();
    fill(&app, database, &articles).await;
    for (search, matches) in SEARCHES {
        for order in ["CREATED_AT_DESC", "UPDATED_AT_ASC"] {
            let all = expected(&articles, order, matches);
            let total = all.len();
            let first = page(&app, search, order, json!({ "first": 100 })).await;
            assert_eq!(first.slugs, all[..total.min(100)], "{search} {order}");
            assert_eq!((first.total, first.has_next), (total, total > 100));
            assert!(!first.has_previous);
            let last = page(&app, search, order, json!({ "last": 3 })).await;
            let from = total.saturating_sub(3);
            assert_eq!(last.slugs, all[from..], "{search} {order}");
            assert_eq!((last.has_previous, last.has_next), (total > 3, false));
            let (Some(after), Some(before)) = (first.cursors.get(60), first.cursors.get(70)) else {
                continue;
            };
            for (arguments, range) in [
                (json!({ "first": 3, "after": after }), 61..64),
                (json!({ "last": 3, "before": before }), 67..70),
                (
                    json!({ "first": 20, "after": after, "before": before }),
                    61..70,
                ),
                (
                    json!({ "last": 4, "after": after, "before": before }),
                    66..70,
                ),
                (json!({ "first": 20, "before": first.cursors[2] }), 0..2),
            ] {
                let found = page(&app, search, order, arguments.clone()).await;
                assert_eq!(
                    found.slugs,
                    all[range.clone()],
                    "{search} {order} {arguments}"
                );
                assert_eq!(found.has_previous, range.start > 0, "{search} {arguments}");
                assert_eq!(found.has_next, range.end < total, "{search} {arguments}");
            }
        }
    }
}

struct Page {
    slugs: Vec<String>,
    cursors: Vec<String>,
    has_next: bool,
    has_previous: bool,
    total: usize,
}

async fn page(app: &InProcess, search: &str, order: &str, arguments: Value) -> Page {
    let query = "query($search: String!, $order: ArticleOrder!, \
        $first: Int, $after: String, $last: Int, $before: String) \
        { articlesConnection(filter: { search: $search }, orderBy: $order, \
            first: $first, after: $after, last: $last, before: $before) \
        { edges { cursor node { slug } } pageInfo { hasNextPage hasPreviousPage } totalCount } }";
    let mut variables = arguments;
    variables["search"] = json!(search);
    variables["order"] = json!(order);
    let data = app.data(query, variables).await;
    let found = &data["articlesConnection"];
    let edges = found["edges"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Page {
        slugs: edges.iter().map(|it| text(&it["node"]["slug"])).collect(),
        cursors: edges.iter().map(|it| text(&it["cursor"])).collect(),
        has_next: found["pageInfo"]["hasNextPage"].as_bool().unwrap(),
        has_previous: found["pageInfo"]["hasPreviousPage"].as_bool().unwrap(),
        total: usize::try_from(found["totalCount"].as_u64().unwrap()).unwrap(),
    }
}
