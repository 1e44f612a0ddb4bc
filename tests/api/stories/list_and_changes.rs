//! A list, and a subscription from the cursor that was requested together with it: applying the changes to the list
//! gives the later list, however much is written in the meantime.

use std::time::Duration;

use broadsheet::article::change::FeedCursor;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::TIMEOUT;
use super::external_writer;
use super::random::Chance;
use super::received::{Article, List, Written};
use super::servers::{Addresses, Remote, Servers};
use super::subscriber::receive_all;
use super::subscription::Transport;
use super::writer::{Known, Manner, Writer};
use crate::support::{Database, on_both_databases};

const WRITERS: usize = 6;
const CLIENTS: usize = 16;
/// The number of lists that each client requests.
const LISTS: usize = 8;
/// How long the writers write.
const TIME: Duration = Duration::from_secs(6);

#[apply(on_both_databases)]
async fn applying_changes_to_a_list_gives_the_later_list(database: Database) {
    const TEST: &str =
        "stories::list_and_changes::applying_changes_to_a_list_gives_the_later_list::case_1_sqlite";
    external_writer::write_to_file();
    let Some(own) = database.migrated().await else {
        return;
    };
    let mut chance = Chance::of_story();
    // With two servers, the list may come from one and the changes from the other.
    let count = if database == Database::Sqlite { 1 } else { 2 };
    let servers = Servers::start(&own.url, count).await;
    let (end, ended) = watch::channel(None);
    let until = Instant::now() + TIME;
    let mut writers: Vec<_> = (1..WRITERS)
        .map(|number| {
            let (addresses, known) = (servers.addresses(), Known::default());
            let name = format!("writer {number}, text");
            let manner = Manner {
                pause: 60,
                bulk: 5,
                // Few enough that all articles, including those of the external writer, fit into one list.
                articles: 8,
                until,
            };
            let writer = Writer::new(name, addresses, known, chance.another());
            tokio::spawn(writer.write(manner))
        })
        .collect();
    writers.push(match database {
        Database::Sqlite => {
            let other =
                external_writer::write_to_sqlite(TEST, own.clone(), until, chance.another());
            tokio::spawn(other)
        }
        Database::Postgres => {
            let other = external_writer::write_to_postgres(own.clone(), until, chance.another());
            tokio::spawn(other)
        }
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let transport = [Transport::WebSocket, Transport::Events][number % 2];
            let (addresses, ended) = (servers.addresses(), ended.clone());
            tokio::spawn(keep_lists(transport, addresses, ended, chance.another()))
        })
        .collect();

    let mut written = Written::default();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    let server = Remote::new(servers.first().address());
    let (later, head) = list_and_cursor(&server).await;
    end.send_replace(Some(head));
    let lists = timeout(TIMEOUT, join_all(clients)).await;
    for lists in lists.expect("a client waits for ever") {
        let lists = lists.unwrap();
        assert!(lists[0].1 > 0, "nothing was written after the list");
        for (list, changes) in lists {
            let differs = list.iter().zip(&later).find(|(one, other)| one != other);
            assert!(differs.is_none(), "after {changes} changes: {differs:?}");
            assert_eq!(list.len(), later.len(), "after {changes} changes");
        }
    }
    servers.check_logs();
}

/// A client that starts while others write, and subscribes with the cursor of its first list. Returns this list and
/// later ones, each brought up to date with the changes after its cursor, and the number of those changes.
async fn keep_lists(
    transport: Transport,
    servers: Addresses,
    ended: watch::Receiver<Option<String>>,
    mut chance: Chance,
) -> Vec<(Vec<Article>, usize)> {
    sleep(TIME / 10 + chance.millis(2_000)).await;
    let server = Remote::new(&servers.any(&mut chance));
    let mut lists = vec![list_and_cursor(&server).await];
    let begin = lists[0].1.clone();
    let receiving = receive_all(transport, servers, begin, ended, chance.another());
    let listing = async {
        for _ in 1..LISTS {
            sleep(chance.millis(600)).await;
            lists.push(list_and_cursor(&server).await);
        }
    };
    let (changes, ()) = tokio::join!(receiving, listing);
    let later = lists.into_iter().map(|(list, cursor)| {
        let cursor: FeedCursor = cursor.parse().unwrap();
        let mut list = List::new(list);
        let following = changes
            .iter()
            .skip_while(|change| change.position() <= cursor.position);
        let count = following.inspect(|change| list.apply(change)).count();
        (list.newest_first(), count)
    });
    later.collect()
}

/// All articles, newest first, and the cursor of the feed before them.
async fn list_and_cursor(server: &Remote) -> (Vec<Article>, String) {
    let query = format!(
        "{{ articles(limit: 100) {{ {} }} articleChangesCursor }}",
        Article::FIELDS
    );
    let mut data = server.data(&query, json!({})).await;
    let articles: Vec<Article> = serde_json::from_value(data["articles"].take()).unwrap();
    assert!(articles.len() < 100, "the list is not whole");
    (
        articles,
        data["articleChangesCursor"].as_str().unwrap().to_owned(),
    )
}
