//! The promise of the feed: every subscriber ends with the same sequence, nothing lost, nothing twice, the versions of
//! each article in order, whoever writes, whatever is killed.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broadsheet::article::change::{ArticleChange, ChangeFilter, ChangeKind, FeedCursor};
use broadsheet::article::{Article, ArticleEdit, ArticleId, Columns, Text};
use broadsheet::error::Error;
use futures_util::StreamExt as _;
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::{Node, PATIENCE, new_id};
use crate::postgres;
use crate::support::{Database, OwnDatabase, article};

const WRITERS: usize = 8;
const SUBSCRIBERS: usize = 20;
/// How long the writers write.
const TIME: Duration = Duration::from_secs(6);

/// Numbers that are different each time.
struct Chance(RandomState, u64);

impl Chance {
    fn new() -> Self {
        Self(RandomState::new(), 0)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.1 += 1;
        self.0.hash_one(self.1) % end
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }

    fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}

/// The articles that the writers fight over.
type Known = Arc<Mutex<Vec<ArticleId>>>;

async fn write(nodes: Arc<Vec<Node>>, known: Known, until: Instant) {
    let mut chance = Chance::new();
    while Instant::now() < until {
        // On SQLite another program gets the file's lock only in a gap.
        sleep(chance.millis(20)).await;
        let store = &chance.of(&nodes).store;
        let one = {
            let known = known.lock().unwrap();
            (!known.is_empty()).then(|| *chance.of(&known))
        };
        let done = match (chance.below(10), one) {
            (0..=2, _) => store
                .create_article(article("A", None, None), "input")
                .await
                .map(|created| {
                    known.lock().unwrap().push(created.id);
                }),
            (3, _) => {
                let many =
                    vec![article("B", None, None); usize::try_from(1 + chance.below(30)).unwrap()];
                store.create_articles(many, "inputs").await.map(drop)
            }
            // Rolled back, after some were inserted.
            (4, _) => {
                let slug = Some("claimed twice");
                let many = vec![
                    article("C", None, None),
                    article("C", slug, None),
                    article("C", slug, None),
                ];
                store.create_articles(many, "inputs").await.map(drop)
            }
            (5, Some(id)) => {
                known.lock().unwrap().retain(|other| *other != id);
                store.delete_article(id, None, Columns::ID).await.map(drop)
            }
            (_, Some(id)) => {
                let text = Text::new(format!("{}", chance.below(1_000))).unwrap();
                let edit = ArticleEdit {
                    text: Some(text),
                    ..ArticleEdit::default()
                };
                store
                    .update_article(id, edit, None, Columns::ID, "input")
                    .await
                    .map(drop)
            }
            (_, None) => Ok(()),
        };
        match done {
            Ok(())
            | Err(
                Error::NotFound
                | Error::SlugTaken { .. }
                | Error::Unavailable(_)
                | Error::Timeout(_),
            ) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Another program, which knows nothing of versions, and sometimes thinks better of it.
async fn write_from_outside(database: OwnDatabase, kind: Database, until: Instant) {
    let mut chance = Chance::new();
    let id = new_id(kind);
    let begin = match kind {
        // Else the search index makes its first statement read before it writes, and a transaction that has read may not
        // wait for its turn to write.
        Database::Sqlite => "BEGIN IMMEDIATE",
        Database::Postgres => "BEGIN",
    };
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        let insert = format!(
            "INSERT INTO article (id, title, slug, text) VALUES ({id}, 'D', 'outside-{number}', '')"
        );
        let statement = match chance.below(4) {
            0 => insert,
            1 => format!(
                "{begin}; {insert}; UPDATE article SET text = 'gone' WHERE slug = 'outside-{number}'; ROLLBACK"
            ),
            2 => format!(
                "UPDATE article SET text = text || 'x' WHERE slug = 'outside-{}'",
                number - 1
            ),
            _ => format!(
                "{begin}; {insert}; UPDATE article SET text = 'two' WHERE slug = 'outside-{number}'; COMMIT"
            ),
        };
        database.execute(&statement).await;
    }
}

/// Hears everything from `begin` on, in many subscriptions, until it has the change before `end`, once that is known.
async fn hear(
    nodes: Arc<Vec<Node>>,
    begin: FeedCursor,
    end: tokio::sync::watch::Receiver<Option<FeedCursor>>,
) -> Vec<Arc<ArticleChange>> {
    let mut chance = Chance::new();
    let mut heard: Vec<Arc<ArticleChange>> = Vec::new();
    loop {
        let after = heard.last().map_or(begin, |change| change.cursor);
        if end
            .borrow()
            .is_some_and(|end| after.position >= end.position)
        {
            return heard;
        }
        let feed = &chance.of(&nodes).feed;
        let changes = match feed.subscribe(Some(after), ChangeFilter::default()).await {
            Ok(changes) => changes,
            Err(Error::Unavailable(_) | Error::Timeout(_)) => {
                sleep(chance.millis(100)).await;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let mut changes =
            std::pin::pin!(changes.take(usize::try_from(1 + chance.below(500)).unwrap()));
        // A whole one, or one that is cut off somewhere.
        let patience = chance.millis(800);
        let _ = timeout(patience, async {
            while let Some(change) = changes.next().await {
                heard.push(change.unwrap());
                if chance.below(50) == 0 {
                    sleep(chance.millis(20)).await;
                }
            }
        })
        .await;
    }
}

/// What a client has that applies the changes to an empty list; checks that they can follow each other.
fn replay(changes: &[Arc<ArticleChange>]) -> BTreeMap<ArticleId, Article> {
    let mut articles = BTreeMap::new();
    let mut versions: HashMap<ArticleId, i32> = HashMap::new();
    for change in changes {
        let before = versions.get(&change.article_id).copied();
        match (&change.kind, &change.article) {
            (ChangeKind::Created, Some(article)) => {
                assert_eq!((before, article.version), (None, 1), "{change:?}");
            }
            (ChangeKind::Updated, Some(article)) => {
                assert_eq!(before, Some(article.version - 1), "{change:?}");
            }
            (ChangeKind::Deleted, None) => assert!(before.is_some(), "{change:?}"),
            _ => panic!("{change:?}"),
        }
        if let Some(article) = &change.article {
            versions.insert(change.article_id, article.version);
            articles.insert(change.article_id, article.clone());
        } else {
            versions.remove(&change.article_id);
            articles.remove(&change.article_id);
        }
    }
    articles
}

/// Checks the sequences against each other and against the articles that are there.
async fn check(node: &Node, sequences: Vec<Vec<Arc<ArticleChange>>>) {
    let first = &sequences[0];
    for (index, change) in first.iter().enumerate() {
        // Without gaps, so that none is lost, and none is there twice.
        assert_eq!(change.cursor.position, i64::try_from(index).unwrap() + 1);
    }
    for other in &sequences[1..] {
        assert!(
            first == other,
            "two subscribers have heard different things"
        );
    }
    let batches: Vec<Vec<Article>> = node.store.all_articles().try_collect().await.unwrap();
    let articles: BTreeMap<_, _> = batches
        .into_iter()
        .flatten()
        .map(|article| (article.id, article))
        .collect();
    assert!(replay(first) == articles, "the replay is not what is there");
    assert!(first.len() > 200, "only {} changes were made", first.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_subscribers_of_three_servers_hear_one_sequence_whatever_is_killed() {
    let Some(own) = Database::Postgres.migrated().await else {
        return;
    };
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Node::start(&own, &["--db-max-size=6"]).await);
    }
    let nodes = Arc::new(nodes);
    let begin = nodes[0].head().await;
    let (end, ended) = tokio::sync::watch::channel(None);
    let subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| tokio::spawn(hear(Arc::clone(&nodes), begin, ended.clone())))
        .collect();

    // Open while all the others write, and committed after them.
    let (held, connection) = tokio_postgres::connect(&own.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let held_open = "BEGIN; INSERT INTO article (id, title, slug, text) VALUES (gen_random_uuid(), 'H', 'held', '')";
    held.batch_execute(held_open).await.unwrap();

    let until = Instant::now() + TIME;
    let known = Known::default();
    let mut writers: Vec<_> = (1..WRITERS)
        .map(|_| tokio::spawn(write(Arc::clone(&nodes), Arc::clone(&known), until)))
        .collect();
    writers.push(tokio::spawn(write_from_outside(
        own.clone(),
        Database::Postgres,
        until,
    )));
    let over = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill(own.clone(), Arc::clone(&over)));
    for writer in writers {
        writer.await.unwrap();
    }
    held.batch_execute("COMMIT").await.unwrap();
    over.store(true, Ordering::Relaxed);
    killer.await.unwrap();
    let newest = head_patiently(&nodes[0]).await;
    end.send_replace(Some(newest));
    let sequences = timeout(PATIENCE, join_all(subscribers))
        .await
        .expect("a subscriber waits for ever");
    let sequences: Vec<_> = sequences.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        sequences[0].len(),
        usize::try_from(newest.position).unwrap()
    );
    check(&nodes[0], sequences).await;
}

/// Ends a connection of a server now and then, whatever it is doing.
async fn kill(database: OwnDatabase, over: Arc<AtomicBool>) {
    let mut chance = Chance::new();
    while !over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(50) + chance.millis(150)).await;
        let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name = 'broadsheet' ORDER BY random() LIMIT 1";
        postgres::execute(&database.url, statement).await;
    }
}

/// The pool may still find connections that were killed.
async fn head_patiently(node: &Node) -> FeedCursor {
    loop {
        match node.feed.head().await {
            Ok(head) => return head,
            Err(Error::Unavailable(_)) => sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_subscribers_hear_one_sequence_while_another_program_writes_to_the_file() {
    let own = Database::Sqlite.migrated().await.unwrap();
    let nodes = Arc::new(vec![Node::start(&own, &[]).await]);
    let begin = nodes[0].head().await;
    let (end, ended) = tokio::sync::watch::channel(None);
    let subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| tokio::spawn(hear(Arc::clone(&nodes), begin, ended.clone())))
        .collect();
    let until = Instant::now() + TIME;
    let known = Known::default();
    let mut writers: Vec<_> = (1..WRITERS)
        .map(|_| tokio::spawn(write(Arc::clone(&nodes), Arc::clone(&known), until)))
        .collect();
    writers.push(tokio::spawn(write_from_outside(
        own.clone(),
        Database::Sqlite,
        until,
    )));
    for writer in writers {
        writer.await.unwrap();
    }
    end.send_replace(Some(nodes[0].head().await));
    let sequences = timeout(PATIENCE, join_all(subscribers))
        .await
        .expect("a subscriber waits for ever");
    check(
        &nodes[0],
        sequences.into_iter().map(Result::unwrap).collect(),
    )
    .await;
}
