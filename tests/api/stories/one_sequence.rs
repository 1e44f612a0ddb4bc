//! Every subscriber receives the same sequence without losses or duplicates, and the versions of each article in
//! order, whoever writes and whatever is killed.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::TIMEOUT;
use super::external_writer;
use super::random::Chance;
use super::received::{Change, List, Written, check_order};
use super::servers::{Remote, Servers};
use super::subscriber::receive_all;
use super::subscription::Transport;
use super::writer::{Known, Manner, Writer};
use crate::postgres;
use crate::support::Database;

/// All writers, including the external one.
const WRITERS: usize = 8;
const SUBSCRIBERS: usize = 20;
/// How long the writers write: on a busy machine, too, long enough for hundreds of changes.
const TIME: Duration = Duration::from_secs(20);
/// How long another program keeps a transaction open in the meantime.
const HELD_OPEN: Duration = Duration::from_secs(10);

/// A story from its first servers to its last check.
struct Story {
    chance: Chance,
    servers: Servers,
    begin: String,
    end: watch::Sender<Option<String>>,
    subscribers: Vec<JoinHandle<Vec<Change>>>,
    writers: Vec<JoinHandle<Written>>,
    until: Instant,
}

impl Story {
    /// Servers, subscribers, and writers through the API, besides the external writer.
    async fn begin(database_url: &str, servers: usize, pause: u64) -> Self {
        let mut chance = Chance::of_story();
        let servers = Servers::start(database_url, servers).await;
        let begin = Remote::new(servers.first().address()).head().await;
        let (end, ended) = watch::channel(None);
        let subscribers = (0..SUBSCRIBERS).map(|number| {
            let transport = [Transport::WebSocket, Transport::Events][number % 2];
            let (addresses, begin, ended) = (servers.addresses(), begin.clone(), ended.clone());
            tokio::spawn(receive_all(
                transport,
                addresses,
                begin,
                ended,
                chance.another(),
            ))
        });
        let subscribers = subscribers.collect();
        let known = Known::default();
        let manner = Manner {
            pause,
            bulk: 30,
            articles: 2_000,
            until: Instant::now() + TIME,
        };
        let writers = (1..WRITERS).map(|number| {
            let (addresses, known) = (servers.addresses(), known.clone());
            let name = format!("writer {number}, text");
            let writer = Writer::new(name, addresses, known, chance.another());
            tokio::spawn(writer.write(manner.clone()))
        });
        Self {
            writers: writers.collect(),
            chance,
            servers,
            begin,
            end,
            subscribers,
            until: manner.until,
        }
    }

    /// Kills servers until the writers have ended.
    async fn kill_servers(&mut self, count: usize) {
        loop {
            sleep(Duration::from_secs(1) + self.chance.millis(3_000)).await;
            if Instant::now() > self.until {
                return;
            }
            self.servers
                .kill_and_restart(self.chance.index(count))
                .await;
        }
    }

    /// Waits for all actors, and compares what subscribers have received with each other, with what a new client
    /// receives, with what was written, and with the articles that exist.
    async fn end(self) {
        let mut written = Written::default();
        for writer in self.writers {
            let ended = timeout(TIMEOUT, writer).await;
            written.extend(ended.expect("a writer waits for ever").unwrap());
        }
        let server = Remote::new(self.servers.first().address());
        let end = server.head().await;
        self.end.send_replace(Some(end.clone()));
        let replay = server.replay(&self.begin).await;
        assert_eq!(replay.last().map(|change| &change.cursor), Some(&end));
        check_order(&replay);
        written.check(&replay);
        let sequences = timeout(TIMEOUT, join_all(self.subscribers))
            .await
            .expect("a subscriber waits for ever");
        for sequence in sequences {
            let sequence = sequence.unwrap();
            let differs = sequence
                .iter()
                .zip(&replay)
                .find(|(one, other)| one != other);
            assert!(differs.is_none(), "{differs:?}");
            assert_eq!(sequence.len(), replay.len());
        }
        let mut list = List::default();
        for change in &replay {
            list.apply(change);
        }
        assert!(
            list.newest_first() == server.articles().await,
            "the replay is not what is there"
        );
        assert!(replay.len() > 300, "only {} changes", replay.len());
        self.servers.check_logs();
        println!(
            "{} changes; acknowledged: {} texts, {} deletions; rejected: {} texts",
            replay.len(),
            written.texts.len(),
            written.deleted.len(),
            written.rejected.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn subscribers_of_three_servers_receive_one_sequence_despite_kills() {
    let Some(own) = Database::Postgres.migrated().await else {
        return;
    };
    let mut story = Story::begin(&own.url, 3, 60).await;
    let until = story.until;
    story
        .writers
        .push(tokio::spawn(external_writer::write_to_postgres(
            own.clone(),
            until,
            story.chance.another(),
        )));
    let held = own.clone();
    let held = tokio::spawn(async move { hold_open(&held.url).await });
    let mut chance = story.chance.another();
    let killer = tokio::spawn(async move {
        while Instant::now() < until {
            sleep(Duration::from_millis(100) + chance.millis(400)).await;
            kill_connection(&own.url).await;
        }
    });
    story.kill_servers(3).await;
    killer.await.unwrap();
    story.writers.push(held);
    story.end().await;
}

/// Writes an article in a transaction that stays open while the others write.
async fn hold_open(database_url: &str) -> Written {
    let (client, connection) = tokio_postgres::connect(database_url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let insert = "BEGIN; INSERT INTO article (id, title, slug, text) VALUES (gen_random_uuid(), 'H', 'held', 'held open')";
    client.batch_execute(insert).await.unwrap();
    sleep(HELD_OPEN).await;
    client.batch_execute("COMMIT").await.unwrap();
    Written {
        texts: vec!["held open".to_owned()],
        ..Written::default()
    }
}

/// Ends a connection of a server, whatever it is doing.
async fn kill_connection(database_url: &str) {
    let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'broadsheet' ORDER BY random() LIMIT 1";
    postgres::execute(database_url, statement).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_receive_one_sequence_while_another_process_writes_to_the_file() {
    const TEST: &str = "stories::one_sequence::subscribers_receive_one_sequence_while_another_process_writes_to_the_file";
    external_writer::write_to_file();
    let own = Database::Sqlite.migrated().await.unwrap();
    let mut story = Story::begin(&own.url, 1, 60).await;
    let until = story.until;
    let chance = story.chance.another();
    let other = external_writer::write_to_sqlite(TEST, own.clone(), until, chance);
    story.writers.push(tokio::spawn(other));
    story.kill_servers(1).await;
    story.end().await;
}
