//! The cost of a page at the beginning of a large table and deep in it, and of other queries on it.
//!
//! `cargo bench --bench pages -- DATABASE_URL [ROWS]` fills the database, which must be empty or filled by an earlier
//! run, with 1,000,000 articles, and prints the median time of each query. A page after a cursor at nine tenths of the
//! list must cost at most 1.5 times the first page. `tests/api/plans.rs` asserts the plans.

use std::time::{Duration, Instant};

use broadsheet::article::filter::{Affix, Comparison, InstantColumn, Place, TextColumn, TextTest};
use broadsheet::article::page::{Cursor, End, PageRequest, Wanted};
use broadsheet::article::search::Search;
use broadsheet::article::{ArticleKey, ArticleOrder, Columns, Filter};
use broadsheet::budget::ResponseBudget;
use broadsheet::clock::{Clock, Timestamp};
use broadsheet::config::DatabaseSettings;
use broadsheet::store::Store;
use clap::Parser;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use tokio_postgres::NoTls;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How often each query is sent.
const TIMES: usize = 101;
/// The time of the first article; each of the others is a second older.
const BEGIN_MICROS: i64 = 1_000_000_000_000_000;

const ORDERS: [(&str, ArticleOrder); 8] = [
    ("CREATED_AT_ASC", ArticleOrder::CreatedAtAsc),
    ("CREATED_AT_DESC", ArticleOrder::CreatedAtDesc),
    ("UPDATED_AT_ASC", ArticleOrder::UpdatedAtAsc),
    ("UPDATED_AT_DESC", ArticleOrder::UpdatedAtDesc),
    ("TITLE_ASC", ArticleOrder::TitleAsc),
    ("TITLE_DESC", ArticleOrder::TitleDesc),
    ("SLUG_ASC", ArticleOrder::SlugAsc),
    ("SLUG_DESC", ArticleOrder::SlugDesc),
];

fn unlimited() -> ResponseBudget {
    ResponseBudget::new(usize::MAX)
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    database: DatabaseSettings,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    // `cargo test --benches` runs it without arguments: there is nothing to measure.
    let Some(url) = arguments.first() else {
        println!("usage: cargo bench --bench pages -- DATABASE_URL [ROWS]");
        return Ok(());
    };
    let rows: i64 = match arguments.get(1) {
        Some(rows) => rows.parse()?,
        None => 1_000_000,
    };
    let settings = Settings::parse_from(["pages", &format!("--database-url={url}")]).database;
    let store = Store::open(&settings, Clock::system(), true).await?;
    if store
        .articles(
            Filter::ALL,
            ArticleOrder::SlugAsc,
            1,
            0,
            Columns::ID,
            &unlimited(),
        )
        .await?
        .is_empty()
    {
        let began = Instant::now();
        fill(url, rows).await?;
        store.reindex(|_| {}).await?;
        println!("filled with {rows} articles in {:.0?}", began.elapsed());
    }
    pages(&store, rows).await?;
    questions(&store, rows).await
}

async fn pages(store: &Store, rows: i64) -> Outcome<()> {
    println!(
        "{:16} {:>10} {:>10} {:>6}",
        "order", "first", "at 90 %", "ratio"
    );
    for (name, order) in ORDERS {
        let deep = store
            .articles(
                Filter::ALL,
                order,
                1,
                rows / 10 * 9,
                Columns::ALL,
                &unlimited(),
            )
            .await?;
        let deep = deep.first().map(|article| Cursor::of(article, order, 0));
        let request = |after| PageRequest {
            filter: Filter::ALL,
            order,
            size: 20,
            end: End::Front,
            after,
            before: None,
            wanted: Wanted {
                columns: Columns::ALL,
                next: true,
                previous: false,
                total: false,
            },
        };
        // Alternately, so that other load on the machine affects both.
        let (mut first, mut after) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            first.push(
                time(async || store.page(request(None), &unlimited()).await.map(drop)).await?,
            );
            after.push(
                time(async || {
                    store
                        .page(request(deep.clone()), &unlimited())
                        .await
                        .map(drop)
                })
                .await?,
            );
        }
        let (first, after) = (median(first), median(after));
        let ratio = after.as_secs_f64() / first.as_secs_f64();
        println!("{name:16} {first:>10.1?} {after:>10.1?} {ratio:>6.2}");
    }
    Ok(())
}

async fn questions(store: &Store, rows: i64) -> Outcome<()> {
    let middle = rows / 2;
    let by_slug = ArticleKey::Slug(format!("slug {middle}"));
    ask("article(by: slug)", async || {
        let article = store.article(by_slug.clone(), Columns::ALL);
        article.await.map(|article| article.into_iter().count())
    })
    .await?;
    let instant =
        Timestamp::from_micros(BEGIN_MICROS + middle * 1_000_000).ok_or("no such time")?;
    let at = |comparison| Filter::Instant(InstantColumn::CreatedAt, comparison, instant);
    let search = |text: &str| Search::parse(text).unwrap_or(Filter::ALL);
    let part = |part: &str| {
        Filter::Text(
            TextColumn::Title,
            TextTest::Affix(Affix {
                place: Place::Anywhere,
                part: part.to_owned(),
            }),
        )
    };
    for (name, filter, order) in [
        (
            "createdAt eq",
            at(Comparison::Equal),
            ArticleOrder::CreatedAtDesc,
        ),
        (
            "createdAt lt",
            at(Comparison::Less),
            ArticleOrder::CreatedAtDesc,
        ),
        (
            "createdAt eq, by title",
            at(Comparison::Equal),
            ArticleOrder::TitleAsc,
        ),
        (
            "search: 1 article",
            search(&format!("rare{middle}")),
            ArticleOrder::CreatedAtDesc,
        ),
        (
            "search: 1 in 2,000",
            search("u7"),
            ArticleOrder::CreatedAtDesc,
        ),
        ("search: 1 in 50", search("w7"), ArticleOrder::CreatedAtDesc),
        ("search: all", search("all"), ArticleOrder::CreatedAtDesc),
        (
            "search: 1 in 2,000, by relevance",
            search("u7"),
            ArticleOrder::Relevance,
        ),
        (
            "title contains: 1 article",
            part(&format!("ITLE {middle}")),
            ArticleOrder::CreatedAtDesc,
        ),
    ] {
        let filter = Filter::And(vec![filter]);
        ask(name, async || {
            let budget = unlimited();
            let articles = store.articles(filter.clone(), order, 20, 0, Columns::ALL, &budget);
            articles.await.map(|articles| articles.len())
        })
        .await?;
    }
    Ok(())
}

/// Prints the number of articles on the page and its cost.
async fn ask(
    name: &str,
    question: impl AsyncFn() -> broadsheet::error::Result<usize>,
) -> Outcome<()> {
    let found = question().await?;
    let began = Instant::now();
    let mut times = Vec::new();
    // Slow queries are repeated less often.
    while times.len() < TIMES && (times.is_empty() || began.elapsed() < Duration::from_secs(5)) {
        times.push(time(async || question().await.map(drop)).await?);
    }
    println!("{name:34} {:>10.1?}  {found:>2} articles", median(times));
    Ok(())
}

async fn time(question: impl AsyncFn() -> broadsheet::error::Result<()>) -> Outcome<Duration> {
    let began = Instant::now();
    question().await?;
    Ok(began.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Creates articles with ascending titles, slugs and times, and with words of several frequencies.
async fn fill(url: &str, rows: i64) -> Outcome<()> {
    const TEXT: &str =
        "'all w' || (n % 50) || ' v' || (n % 500) || ' u' || (n % 2000) || ' rare' || n";
    const COLUMNS: &str = "id, title, slug, text, created_at, updated_at, version";
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows}) \
             INSERT INTO article ({COLUMNS}) \
             SELECT unhex(printf('%032x', n)), 'title ' || n, 'slug ' || n, {TEXT}, \
             {BEGIN_MICROS} + n * 1000000, {BEGIN_MICROS} + n * 1000000, 1 FROM n; ANALYZE"
        ))?;
        return Ok(());
    }
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let instant = format!("to_timestamp({BEGIN_MICROS} / 1000000 + n)");
    client
        .batch_execute(&format!(
            "INSERT INTO article ({COLUMNS}) \
             SELECT lpad(to_hex(n), 32, '0')::uuid, 'title ' || n, 'slug ' || n, {TEXT}, \
             {instant}, {instant}, 1 FROM generate_series(1, {rows}) n"
        ))
        .await?;
    client.batch_execute("VACUUM ANALYZE article").await?;
    drop(client);
    connection.await??;
    Ok(())
}
