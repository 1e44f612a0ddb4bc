//! What a subscriber receives: all matching changes after its cursor, however slowly it reads; and when it must start
//! again from the list.

use std::time::{Duration, Instant};

use broadsheet::article::ArticleId;
use broadsheet::article::change::ChangeKind::{Created, Deleted};
use broadsheet::article::change::{ArticleChange, ChangeFilter, FeedCursor};
use broadsheet::error::Error;
use broadsheet::store::ChangesAfter;
use futures_util::StreamExt as _;
use rstest_reuse::apply;

use super::{Node, TIMEOUT, change_lines, next, start};
use crate::support::{Database, article, on_both_databases};

async fn create(node: &Node, title: &str) -> ArticleId {
    let created = node.store.create_article(article(title, None, None));
    created.await.unwrap().id
}

#[apply(on_both_databases)]
async fn a_subscription_without_a_cursor_begins_with_the_next_change(database: Database) {
    let (_own, node) = start!(database);
    create(&node, "before").await;
    let mut changes = node.subscribe(None).await;
    create(&node, "after").await;
    let changes_read = change_lines(&next(&mut changes, 1).await);
    assert_eq!(
        changes_read,
        [r#"Created "after" "after" "About after." version 1"#]
    );
}

#[apply(on_both_databases)]
async fn from_each_cursor_the_same_changes_follow(database: Database) {
    let (_own, node) = start!(database);
    let begin = node.head().await;
    for number in 0..20 {
        create(&node, &number.to_string()).await;
    }
    let all = next(&mut node.subscribe(Some(begin)).await, 20).await;
    for (index, change) in all.iter().enumerate().take(19) {
        let rest = next(&mut node.subscribe(Some(change.cursor)).await, 19 - index).await;
        assert_eq!(rest, all[index + 1..]);
    }
}

#[apply(on_both_databases)]
async fn another_server_receives_changes_within_moments(database: Database) {
    let (own, node) = start!(database);
    let other = Node::start(&own, &[]).await;
    let mut changes = other.subscribe(None).await;
    let mut medians: Vec<Duration> = Vec::new();
    // Without NOTIFY, or without watching the file, each takes half a second. On a busy machine some do anyway, but not
    // the median every time.
    while medians
        .last()
        .is_none_or(|median| *median >= Duration::from_millis(250))
    {
        assert!(medians.len() < 10, "{medians:?}");
        let mut latencies = Vec::new();
        for number in 0..9 {
            let began = Instant::now();
            create(&node, &format!("{} {number}", medians.len())).await;
            next(&mut changes, 1).await;
            latencies.push(began.elapsed());
        }
        latencies.sort_unstable();
        medians.push(latencies[4]);
    }
}

#[apply(on_both_databases)]
async fn filters_apply_in_memory_and_in_the_table(database: Database) {
    let (_own, node) = start!(database);
    let begin = node.head().await;
    let wanted = create(&node, "wanted").await;
    let deleted = ChangeFilter::new(Some(vec![Deleted]), None);
    let only = ChangeFilter::new(None, Some(vec![wanted]));
    let both = ChangeFilter::new(Some(vec![Deleted]), Some(vec![wanted]));
    let mut live = Vec::new();
    for filter in [&deleted, &only, &both] {
        let changes = node.feed.subscribe(Some(begin), filter.clone()).await;
        live.push(changes.unwrap().boxed());
    }
    let unwanted = create(&node, "unwanted").await;
    for id in [unwanted, wanted] {
        let columns = broadsheet::article::Columns::ID;
        node.store
            .delete_article(id, None, columns, None)
            .await
            .unwrap();
    }
    let kinds = |changes: &[std::sync::Arc<ArticleChange>]| {
        let kind = |change: &std::sync::Arc<ArticleChange>| (change.kind, change.article_id);
        changes.iter().map(kind).collect::<Vec<_>>()
    };
    let expected = [
        vec![(Deleted, unwanted), (Deleted, wanted)],
        vec![(Created, wanted), (Deleted, wanted)],
        vec![(Deleted, wanted)],
    ];
    for (changes, expected) in live.iter_mut().zip(&expected) {
        assert_eq!(&kinds(&next(changes, expected.len()).await), expected);
    }
    for (filter, expected) in [deleted, only, both].into_iter().zip(&expected) {
        let page = node
            .feed
            .page(begin, 500, filter, Some(usize::MAX))
            .await
            .unwrap();
        let changes: Vec<_> = page.changes.into_iter().map(Into::into).collect();
        assert_eq!(&kinds(&changes), expected);
        assert_eq!((page.end, page.has_more), (node.head().await, false));
    }
}

#[apply(on_both_databases)]
async fn a_subscriber_that_paused_for_ten_thousand_changes_gets_them_all(database: Database) {
    let (own, node) = start!(database);
    let begin = node.head().await;
    let mut slow = node.subscribe(None).await;
    create(&node, "first").await;
    assert_eq!(next(&mut slow, 1).await.len(), 1);
    own.fill(10_000, 1_000).await;
    // The window has been replaced when a reading subscriber has received all.
    let mut fast = node.subscribe(Some(begin)).await;
    let all = next(&mut fast, 10_001).await;
    assert_eq!(next(&mut slow, 10_000).await, all[1..]);
    create(&node, "last").await;
    assert_eq!(next(&mut slow, 1).await, next(&mut fast, 1).await);
}

#[apply(on_both_databases)]
async fn pages_end_where_their_texts_grow_too_large(database: Database) {
    let (own, node) = start!(database);
    let after = node.head().await;
    own.fill(40, 1_000).await;
    let head = node.head().await;
    let page = |after, text_bytes| {
        node.store.changes(ChangesAfter {
            after,
            upto: head.position,
            filter: ChangeFilter::default(),
            first: 30,
            text_bytes,
            text: true,
        })
    };
    let first = page(after, 5_500).await.unwrap();
    assert_eq!((first.changes.len(), first.has_more), (5, true));
    assert_eq!(first.end, first.changes[4].cursor);
    let one = page(first.end, 10).await.unwrap();
    assert_eq!((one.changes.len(), one.has_more), (1, true));
    let many = page(one.end, 1_000_000).await.unwrap();
    assert_eq!((many.changes.len(), many.has_more), (30, true));
    let rest = page(many.end, 1_000_000).await.unwrap();
    assert_eq!(
        (rest.changes.len(), rest.has_more, rest.end),
        (4, false, head)
    );
}

#[apply(on_both_databases)]
async fn an_expired_cursor_is_rejected_with_the_oldest_valid_one(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let short = Node::keeping(&own, &[], Duration::from_millis(1)).await;
    let begin = short.head().await;
    let mut unread = short.subscribe(Some(begin)).await;
    own.fill(2_500, 10).await;
    let head = short.head().await;
    let deadline = Instant::now() + TIMEOUT;
    let oldest = loop {
        match short
            .feed
            .page(begin, 1, ChangeFilter::default(), Some(usize::MAX))
            .await
        {
            Err(Error::CursorExpired { oldest }) if oldest == head.to_string() => break oldest,
            Err(Error::CursorExpired { .. }) | Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "nothing was removed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // A new server, whose memory is empty.
    let node = Node::start(&own, &[]).await;
    for feed in [&short.feed, &node.feed] {
        let expired = feed.subscribe(Some(begin), ChangeFilter::default()).await;
        assert!(
            matches!(expired.err(), Some(Error::CursorExpired { oldest: returned }) if returned == oldest)
        );
    }
    // A subscriber that had begun in time and did not read fails too, unless everything was still in memory.
    let first = tokio::time::timeout(TIMEOUT, unread.next()).await;
    match first.unwrap().unwrap() {
        Ok(change) => assert_eq!(change.cursor.position, 1),
        Err(error) => assert!(matches!(error, Error::CursorExpired { .. }), "{error}"),
    }

    // With a retention of a millisecond, the next change would be removed before anyone has read it.
    short.store.close().await;
    // The head itself is still valid, and positions continue from it.
    let mut changes = node.subscribe(Some(head)).await;
    create(&node, "next").await;
    assert_eq!(next(&mut changes, 1).await[0].cursor.position, 2_501);
}

#[apply(on_both_databases)]
async fn a_new_epoch_ends_every_cursor_and_every_subscription(database: Database) {
    let (own, node) = start!(database);
    create(&node, "before").await;
    let mut changes = node.subscribe(None).await;
    let old = node.head().await;
    create(&node, "heard").await;
    next(&mut changes, 1).await;
    let operator = own.open(&[]).await.unwrap();
    let epoch = operator.begin_feed_epoch().await.unwrap();

    let ended = tokio::time::timeout(TIMEOUT, changes.next()).await.unwrap();
    let Some(Err(Error::CursorExpired { oldest })) = ended else {
        panic!("{ended:?}");
    };
    let oldest: FeedCursor = oldest.parse().unwrap();
    assert_eq!((oldest.epoch, oldest.position), (epoch, 0));
    let expired = node
        .feed
        .subscribe(Some(old), ChangeFilter::default())
        .await;
    assert!(matches!(expired.err(), Some(Error::CursorExpired { .. })));
    let changes_read = change_lines(&next(&mut node.subscribe(Some(oldest)).await, 2).await);
    assert_eq!(
        changes_read,
        [
            r#"Created "before" "before" "About before." version 1"#,
            r#"Created "heard" "heard" "About heard." version 1"#
        ]
    );
}

#[apply(on_both_databases)]
async fn a_cursor_beyond_the_head_is_rejected(database: Database) {
    let (_own, node) = start!(database);
    let beyond = node.head().await.at(1);
    let rejected = node
        .feed
        .subscribe(Some(beyond), ChangeFilter::default())
        .await;
    assert!(matches!(rejected.err(), Some(Error::CursorExpired { .. })));
}

#[apply(on_both_databases)]
async fn a_sandbox_has_its_own_feed(database: Database) {
    let Some(own) = database.migrated().await else {
        return;
    };
    let node = Node::start(&own, &["--db-force-roll-back"]).await;
    let mut changes = node.subscribe(None).await;
    create(&node, "a").await;
    create(&node, "b").await;
    assert_eq!(
        change_lines(&next(&mut changes, 2).await),
        [
            r#"Created "a" "a" "About a." version 1"#,
            r#"Created "b" "b" "About b." version 1"#
        ]
    );
    node.store.close().await;
    let node = Node::start(&own, &[]).await;
    assert_eq!(node.head().await.position, 0);
}
