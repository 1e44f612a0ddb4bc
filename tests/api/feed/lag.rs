//! How far the slowest subscriber is behind the feed.

use std::time::Duration;

use rstest_reuse::apply;
use tokio::time::{Instant, sleep};

use super::{Node, TIMEOUT, next, start};
use crate::support::{Database, article, on_both_databases};

#[apply(on_both_databases)]
async fn the_backlog_of_the_slowest_subscriber_is_counted_with_its_age(database: Database) {
    let (_own, node) = start!(database);
    let mut slow = node.subscribe(None).await;
    let mut quick = node.subscribe(None).await;
    for number in 0..10 {
        let created = node
            .store
            .create_article(article(&number.to_string(), None, None));
        created.await.unwrap();
    }
    next(&mut quick, 10).await;
    next(&mut slow, 3).await;
    sleep(Duration::from_millis(50)).await;
    let lag = node.feed.lag().await.unwrap();
    // The third was returned, and counts as received when the next one is requested.
    assert_eq!((lag.unnumbered, lag.unsent), (0, 8));
    assert!(lag.unsent_for >= Duration::from_millis(50), "{lag:?}");
    assert!(lag.unsent_for < TIMEOUT, "{lag:?}");
    // Dropped subscribers do not count, and those with all changes are not behind.
    drop(slow);
    let began = Instant::now();
    loop {
        let more = tokio::time::timeout(Duration::from_millis(100), next(&mut quick, 1)).await;
        assert!(more.is_err());
        let lag = node.feed.lag().await.unwrap();
        if lag == broadsheet::store::FeedLag::default() {
            break;
        }
        assert!(began.elapsed() < TIMEOUT, "{lag:?}");
    }
}

#[apply(on_both_databases)]
async fn the_backlog_is_exact_while_a_subscriber_catches_up(database: Database) {
    let (own, node) = start!(database);
    let begin = node.head().await;
    for number in 0..10 {
        let created = node
            .store
            .create_article(article(&number.to_string(), None, None));
        created.await.unwrap();
    }
    assert_eq!(node.head().await.position, begin.position + 10);
    // It does not keep the changes from before it started.
    let later = Node::start(&own, &[]).await;
    let mut slow = later.subscribe(Some(begin)).await;
    for (received, unsent) in [(3, 8), (6, 2), (1, 1)] {
        next(&mut slow, received).await;
        let lag = later.feed.lag().await.unwrap();
        assert_eq!((lag.unnumbered, lag.unsent), (0, unsent));
    }
}
