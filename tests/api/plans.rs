//! Queries that must be fast on a large table use an index, according to their query plans.
//!
//! The statements are those that the server sends, reported by Diesel's instrumentation.

use std::cell::Cell;
use std::sync::{Mutex, Once};

use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use serde_json::{Value, json};

use crate::in_process::{Direct, InProcess};
use crate::search::index::indexed;
use crate::support::Database;

const ROWS: i64 = 20_000;

thread_local! {
    /// Whether this thread belongs to the runtime of this test; other tests are ignored.
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}
static STATEMENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A single test, because all connections report their statements to the same place.
#[test]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
fn large_tables_are_read_through_an_index() {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| set_default_instrumentation(|| Some(Box::new(listen))).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(|| LISTENING.set(true))
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.spawn(async {
        for database in [Database::Sqlite, Database::Postgres] {
            if let Some(app) = InProcess::start(database).await {
                fill(&app).await;
                check(&app, database).await;
            }
        }
    });
    runtime.block_on(done).unwrap();
}

#[expect(clippy::needless_pass_by_value, reason = "the trait of Diesel says so")]
fn listen(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event
        && LISTENING.get()
    {
        STATEMENTS.lock().unwrap().push(query.to_string());
    }
}

#[expect(clippy::too_many_lines, reason = "one question after the other")]
async fn check(app: &InProcess, database: Database) {
    let sqlite = database == Database::Sqlite;
    let plan = async |query: &str, variables: Value, values: &[&str]| {
        STATEMENTS.lock().unwrap().clear();
        let data = app.data(query, variables).await;
        assert!(data.to_string().contains(r#":""#), "found nothing: {query}");
        let statements = STATEMENTS.lock().unwrap().clone();
        // The last statement is the list; the estimates are before it.
        let mut articles = statements.iter().filter(|sql| sql.contains("FROM article"));
        let statement = articles.next_back().unwrap();
        app.direct.plan(&with_values(statement, values)).await
    };
    let expect = |what: &str, plan: &str, index: &str| {
        let is_whole = |line: &str| match sqlite {
            // Not a scan of `article_search`.
            true => line == "SCAN article" || line.starts_with("SCAN article "),
            false => line.contains("Seq Scan"),
        };
        // Scanning a whole index is no better than scanning the table.
        let by_index = plan.lines().any(|line| {
            line.contains(index) && (!sqlite || line.trim_start().starts_with("SEARCH"))
        });
        let reads_all = plan.lines().any(|line| is_whole(line.trim_start()));
        assert!(by_index && !reads_all, "{what}:\n{plan}");
    };
    let sorts = |plan: &str| {
        let step = if sqlite {
            "USE TEMP B-TREE FOR ORDER BY"
        } else {
            "Sort  ("
        };
        plan.lines().any(|line| line.trim_start().starts_with(step))
    };
    let instant = match database {
        Database::Sqlite => "1769851810000000",
        Database::Postgres => "'2026-01-31T09:30:10Z'",
    };
    let id = match database {
        Database::Sqlite => "x'00000000000000000000000000002710'",
        Database::Postgres => "'00000000-0000-0000-0000-000000002710'",
    };

    let by_slug = "{ article(by: { slug: \"slug 10000\" }) { title } }";
    let found = plan(by_slug, json!({}), &["'slug 10000'"]).await;
    let slug_index = if sqlite {
        "sqlite_autoindex_article_2"
    } else {
        "article_slug_key"
    };
    expect("by slug", &found, slug_index);

    let by_id = "{ node(id: \"00000000-0000-0000-0000-000000002710\") { id } }";
    let found = plan(by_id, json!({}), &[id]).await;
    let id_index = if sqlite {
        "sqlite_autoindex_article_1"
    } else {
        "article_pkey"
    };
    expect("by id", &found, id_index);

    let created = "{ articles(filter: { createdAt: { eq: \"2026-01-31T09:30:10Z\" } }) { title } }";
    let found = plan(created, json!({}), &[instant]).await;
    expect("by createdAt", &found, "article_created_at_id");

    let rare = "{ articles(filter: { search: \"rare9999\" }) { title } }";
    let rare_word = if sqlite {
        "'\"rare9999\"'"
    } else {
        "'rare9999'"
    };
    let found = plan(rare, json!({}), &[rare_word]).await;
    if sqlite {
        // Rows are looked up by the numbers that the search index returns.
        assert!(
            found.contains("SCAN article_search VIRTUAL TABLE INDEX"),
            "{found}"
        );
        assert!(
            found.contains("SEARCH article USING INTEGER PRIMARY KEY"),
            "{found}"
        );
    } else {
        expect("by a rare word", &found, "article_search");
    }

    // The word occurs in every article, so the newest ones are found without reading all of them.
    let frequent = "{ articles(filter: { search: \"all\" }) { title } }";
    let values = match sqlite {
        true => vec!["'\"all\"'", instant, id],
        false => vec!["80", "'all'"],
    };
    let found = plan(frequent, json!({}), &values).await;
    expect("by a frequent word", &found, "article_created_at_id");
    assert!(!sorts(&found), "{found}");

    let best = "{ articles(filter: { search: \"rare9999\" }, orderBy: RELEVANCE) { title } }";
    let grouped = if sqlite {
        "'(\"rare9999\")'"
    } else {
        rare_word
    };
    let in_title = if sqlite {
        "'title : ((\"rare9999\"))'"
    } else {
        "'rare9999:A'"
    };
    let values = match sqlite {
        true => [grouped, grouped, in_title],
        false => [rare_word, in_title, rare_word],
    };
    let found = plan(best, json!({}), &values).await;
    if sqlite {
        // The rank is computed once per match.
        assert!(found.contains("MATERIALIZE"), "{found}");
        assert!(
            found.contains("SEARCH article USING INTEGER PRIMARY KEY"),
            "{found}"
        );
    } else {
        expect("the best matches of a rare word", &found, "article_search");
    }

    if !sqlite {
        let part = "{ articles(filter: { title: { contains: \"LE 9999\" } }) { title } }";
        let found = plan(part, json!({}), &["'%le 9999%'"]).await;
        expect("by a part of the title", &found, "article_title_trigrams");
    }

    for (order, index, value) in [
        ("CREATED_AT", "article_created_at_id", instant),
        ("UPDATED_AT", "article_updated_at_id", instant),
        ("TITLE", "article_title_id", "'title 10000'"),
        ("SLUG", slug_index, "'slug 10000'"),
    ] {
        for direction in ["ASC", "DESC"] {
            let order = format!("{order}_{direction}");
            let page = "query($order: ArticleOrder!, $after: String) \
                { articlesConnection(orderBy: $order, first: 20, after: $after) { edges { cursor } } }";
            let first = app
                .data(page, json!({ "order": order, "after": null }))
                .await;
            let cursor = &first["articlesConnection"]["edges"][19]["cursor"];
            let variables = json!({ "order": order, "after": cursor });
            let found = plan(page, variables, &[value, id]).await;
            expect(&order, &found, index);
            assert!(!sorts(&found), "{order}:\n{found}");
        }
    }
}

/// The statement with its placeholders replaced, in their order.
fn with_values(statement: &str, values: &[&str]) -> String {
    let (sql, _) = statement.split_once("-- binds").unwrap();
    let mut filled = String::new();
    let mut values = values.iter();
    let mut characters = sql.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '?' | '$' => {
                while characters.next_if(char::is_ascii_digit).is_some() {}
                filled.push_str(values.next().unwrap_or_else(|| panic!("{statement}")));
            }
            c => filled.push(c),
        }
    }
    assert_eq!(values.next(), None, "{statement}");
    filled
}

async fn fill(app: &InProcess) {
    let statements = match app.direct {
        Direct::Sqlite(_) => format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS}) \
             INSERT INTO article (id, title, slug, text, created_at, updated_at, version) \
             SELECT unhex(printf('%032x', n)), 'title ' || n, 'slug ' || n, 'all w' || (n % 50) || ' v' || (n % 500) || ' u' || (n % 2000) || ' rare' || n, \
             1769851800000000 + n * 1000, 1769851800000000 + n * 1000, 1 FROM n; ANALYZE"
        ),
        Direct::Postgres(_) => format!(
            "INSERT INTO article (id, title, slug, text, created_at, updated_at, version) \
             SELECT lpad(to_hex(n), 32, '0')::uuid, 'title ' || n, 'slug ' || n, 'all w' || (n % 50) || ' v' || (n % 500) || ' u' || (n % 2000) || ' rare' || n, \
             '2026-01-31T09:30:00Z'::timestamptz + n * interval '1 ms', \
             '2026-01-31T09:30:00Z'::timestamptz + n * interval '1 ms', 1 FROM generate_series(1, {ROWS}) n"
        ),
    };
    app.direct.run(&statements).await;
    indexed(&app.store).await;
    if let Direct::Postgres(_) = app.direct {
        // What autovacuum does on a long-running server, also for the search index.
        app.direct.run("VACUUM ANALYZE article").await;
    }
}
