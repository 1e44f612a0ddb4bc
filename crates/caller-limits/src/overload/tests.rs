use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::queue::{OVERFLOW_FOR_EACH, SHORT};
use super::*;

const IN_ORDER: usize = 3;

type Waiting<'a> = BoxFuture<'a, Result<Permit, Overloaded>>;

fn limit(most: usize) -> ConcurrencyLimit {
    ConcurrencyLimit::new(ConcurrencySettings {
        most,
        in_order: IN_ORDER,
        ..ConcurrencySettings::default()
    })
}

fn status(running: usize, waiting: usize, shed: u64) -> ConcurrencyStatus {
    ConcurrencyStatus {
        running,
        waiting,
        shed,
    }
}

/// As many that wait for a permit, the oldest first.
fn waiting(limit: &ConcurrencyLimit, count: usize) -> Vec<Waiting<'_>> {
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    for _ in 0..count {
        let mut one: Waiting<'_> = Box::pin(limit.acquire());
        assert!((&mut one).now_or_never().is_none());
        waiting.push(one);
    }
    waiting
}

/// The place of the one that has got a permit, which it gives back.
fn served(waiting: &mut Vec<Waiting<'_>>) -> usize {
    let found = waiting
        .iter_mut()
        .enumerate()
        .find_map(|(place, one)| Some((place, one.now_or_never()?)));
    let (place, permit) = found.unwrap();
    drop(waiting.remove(place));
    drop(permit.unwrap());
    place
}

#[tokio::test]
async fn operations_within_the_queue_are_served_in_order() {
    let limit = limit(2);
    let first = limit.acquire().await.unwrap();
    let _second = limit.acquire().await.unwrap();
    let mut queue = waiting(&limit, IN_ORDER);
    assert_eq!(limit.status(), status(2, IN_ORDER, 0));
    drop(first);
    for _ in 0..IN_ORDER {
        assert_eq!(served(&mut queue), 0);
    }
    assert_eq!(limit.status(), status(1, 0, 0));
}

#[tokio::test]
async fn the_newest_of_the_overflow_takes_a_free_place_if_it_arrived_after_the_one_served() {
    let limit = limit(1);
    let only = limit.acquire().await.unwrap();
    let mut queue = waiting(&limit, IN_ORDER + 2);
    drop(only);
    let next = queue.remove(0).now_or_never().unwrap().unwrap();
    // The place is taken: one that arrives now waits in the overflow.
    queue.extend(waiting(&limit, 1));
    assert_eq!(limit.status(), status(1, IN_ORDER + 2, 0));
    drop(next);
    // Two in the order of arrival, then the newest at the time, and with each that is served another of the overflow.
    let order = std::iter::from_fn(|| (!queue.is_empty()).then(|| served(&mut queue)));
    assert_eq!(order.collect::<Vec<_>>(), [0; IN_ORDER + 2]);
    assert_eq!(limit.status(), status(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_the_overflow_that_arrived_before_the_one_served_is_late() {
    let limit = limit(1);
    let only = limit.acquire().await.unwrap();
    let mut queue = waiting(&limit, IN_ORDER + 2);
    // Clients that disconnect make room for one that arrives after those in the overflow.
    drop(queue.drain(..IN_ORDER));
    queue.extend(waiting(&limit, 1));
    drop(only);
    assert_eq!(served(&mut queue), 2);
    assert_eq!(limit.status(), status(0, 2, 0));
    // When the overload is over, the overflow is served without any other event, the newest first.
    tokio::time::sleep(2 * CALM).await;
    assert_eq!(limit.status(), status(1, 1, 0));
    let order = std::iter::from_fn(|| (!queue.is_empty()).then(|| served(&mut queue)));
    assert_eq!(order.collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_over_when_no_operation_had_to_wait_for_a_while() {
    let limit = limit(2);
    let first = limit.acquire().await.unwrap();
    let second = limit.acquire().await.unwrap();
    let mut queue = waiting(&limit, IN_ORDER + 2);
    drop(queue.drain(..IN_ORDER));
    drop(first);
    assert_eq!(limit.status(), status(1, 2, 0));
    // One that arrives now gets a permit immediately.
    let third = limit.acquire().await.unwrap();
    tokio::time::advance(CALM).await;
    drop(third);
    assert_eq!(limit.status(), status(2, 1, 0));
    assert_eq!(served(&mut queue), 1);
    assert_eq!(served(&mut queue), 0);
    drop(second);
    assert_eq!(limit.status(), status(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_others_may_join_waits_in_the_queue_or_not_at_all() {
    let limit = limit(1);
    let only = limit.acquire_in_order(false).await.unwrap();
    let mut queue: Vec<_> = (0..IN_ORDER)
        .map(|_| Box::pin(limit.acquire_in_order(false)))
        .collect();
    for one in &mut queue {
        assert!(one.now_or_never().is_none());
    }
    let one_more = limit.acquire_in_order(false).now_or_never().unwrap();
    assert!(matches!(one_more, Ok(None)));
    // One that others have joined has a place.
    queue.push(Box::pin(limit.acquire_in_order(true)));
    assert!(queue.last_mut().unwrap().now_or_never().is_none());
    assert_eq!(limit.status(), status(1, IN_ORDER + 1, 0));
    drop(only);
    for _ in 0..IN_ORDER {
        drop(queue.remove(0).await.unwrap().unwrap());
    }
    let joined = queue.remove(0).await.unwrap();
    assert!(joined.is_some());
    // It is rejected after its wait like others.
    let late = limit.acquire_in_order(true).await;
    assert!(matches!(late, Err(Overloaded)));
    drop(joined);
    assert_eq!(limit.status(), status(0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_rejected_after_its_wait() {
    let limit = limit(1);
    let _only = limit.acquire().await.unwrap();
    let began = tokio::time::Instant::now();
    assert!(limit.acquire().await.is_err());
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(limit.status(), status(1, 0, 1));
}

#[tokio::test]
async fn the_oldest_operation_of_the_overflow_is_rejected_when_there_are_too_many() {
    let limit = limit(1);
    let _only = limit.acquire().await.unwrap();
    let mut queue = waiting(&limit, IN_ORDER + OVERFLOW_FOR_EACH + 1);
    let oldest = queue.remove(IN_ORDER);
    assert!(matches!(oldest.now_or_never(), Some(Err(Overloaded))));
    for one in &mut queue {
        assert!(one.now_or_never().is_none());
    }
    assert_eq!(limit.status(), status(1, IN_ORDER + OVERFLOW_FOR_EACH, 1));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_shorter_while_operations_are_rejected() {
    for most in [1, 2 * SHORT] {
        let limit = limit(most);
        let mut running = Vec::new();
        for _ in 0..most {
            running.push(limit.acquire().await.unwrap());
        }
        assert!(limit.acquire().await.is_err());
        // There is always a place.
        let places = (most / SHORT).max(1);
        let queue = waiting(&limit, places);
        let one_more = limit.acquire_in_order(false).now_or_never().unwrap();
        assert!(matches!(one_more, Ok(None)));
        drop(queue);
        tokio::time::advance(2 * ConcurrencySettings::default().wait).await;
        let _queue = waiting(&limit, IN_ORDER - 1);
        let mut last = Box::pin(limit.acquire_in_order(false));
        assert!((&mut last).now_or_never().is_none());
        let one_more = limit.acquire_in_order(false).now_or_never().unwrap();
        assert!(matches!(one_more, Ok(None)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_deadline_continues_and_is_not_counted() {
    let limit = limit(1);
    let only = limit.acquire().await.unwrap();
    let late = tokio::spawn({
        let limit = limit.clone();
        async move { drop(limit.acquire_without_deadline().await) }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(limit.status(), status(1, 1, 0));
    drop(only);
    late.await.unwrap();
    assert_eq!(limit.status(), status(0, 0, 0));
}

#[tokio::test]
async fn a_disconnected_client_leaves_the_queue() {
    let limit = limit(1);
    let only = limit.acquire().await.unwrap();
    let mut older = Box::pin(limit.acquire());
    let mut newer = Box::pin(limit.acquire());
    assert!((&mut older).now_or_never().is_none());
    assert!((&mut newer).now_or_never().is_none());
    // The older has its permit, and does not know it yet.
    drop(only);
    drop(older);
    drop(newer.await.unwrap());
    let held = limit.acquire().await.unwrap();
    let mut gone = Box::pin(limit.acquire());
    assert!((&mut gone).now_or_never().is_none());
    drop(gone);
    assert_eq!(limit.status(), status(1, 0, 0));
    drop(held);
    assert_eq!(limit.status(), status(0, 0, 0));
}

#[tokio::test]
async fn measure_mode_counts_and_admits_all() {
    let limit = ConcurrencyLimit::new(ConcurrencySettings {
        is_enforced: false,
        ..limit(1).0.settings
    });
    let _held = [
        limit.acquire().await.unwrap(),
        limit.acquire().await.unwrap(),
    ];
    assert_eq!(limit.status(), status(2, 0, 1));
}
