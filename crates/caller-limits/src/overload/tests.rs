use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::line::{ASIDE_FOR_EACH, SHORT};
use super::*;

const IN_ORDER: usize = 3;

type Waiting<'t> = BoxFuture<'t, Result<Turn, Overloaded>>;

fn turns(most: usize) -> Turns {
    Turns::new(TurnSettings {
        most,
        in_order: IN_ORDER,
        ..TurnSettings::default()
    })
}

fn status(running: usize, waiting: usize, shed: u64) -> TurnStatus {
    TurnStatus {
        running,
        waiting,
        shed,
    }
}

/// As many that wait for their turn, the oldest first.
fn waiting(turns: &Turns, count: usize) -> Vec<Waiting<'_>> {
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    for _ in 0..count {
        let mut one: Waiting<'_> = Box::pin(turns.take());
        assert!((&mut one).now_or_never().is_none());
        waiting.push(one);
    }
    waiting
}

/// The place of the one whose turn has come, which it takes and gives back.
fn served(waiting: &mut Vec<Waiting<'_>>) -> usize {
    let found = waiting
        .iter_mut()
        .enumerate()
        .find_map(|(place, one)| Some((place, one.now_or_never()?)));
    let (place, turn) = found.unwrap();
    drop(waiting.remove(place));
    drop(turn.unwrap());
    place
}

#[tokio::test]
async fn operations_within_the_queue_are_served_in_order() {
    let turns = turns(2);
    let first = turns.take().await.unwrap();
    let _second = turns.take().await.unwrap();
    let mut line = waiting(&turns, IN_ORDER);
    assert_eq!(turns.status(), status(2, IN_ORDER, 0));
    drop(first);
    for _ in 0..IN_ORDER {
        assert_eq!(served(&mut line), 0);
    }
    assert_eq!(turns.status(), status(1, 0, 0));
}

#[tokio::test]
async fn the_newest_operation_aside_takes_a_free_place_if_it_arrived_after_the_one_served() {
    let turns = turns(1);
    let only = turns.take().await.unwrap();
    let mut line = waiting(&turns, IN_ORDER + 2);
    drop(only);
    let next = line.remove(0).now_or_never().unwrap().unwrap();
    // The place is taken: one that arrives now waits aside.
    line.extend(waiting(&turns, 1));
    assert_eq!(turns.status(), status(1, IN_ORDER + 2, 0));
    drop(next);
    // Two in the order of arrival, then the newest at the time, and the others aside with each that is served.
    let order = std::iter::from_fn(|| (!line.is_empty()).then(|| served(&mut line)));
    assert_eq!(order.collect::<Vec<_>>(), [0; IN_ORDER + 2]);
    assert_eq!(turns.status(), status(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operation_aside_that_arrived_before_the_one_served_is_late() {
    let turns = turns(1);
    let only = turns.take().await.unwrap();
    let mut line = waiting(&turns, IN_ORDER + 2);
    // Clients that disconnect make room for one that arrives after those aside.
    drop(line.drain(..IN_ORDER));
    line.extend(waiting(&turns, 1));
    drop(only);
    assert_eq!(served(&mut line), 2);
    assert_eq!(turns.status(), status(0, 2, 0));
    // When the overload is over, those aside are served without any other event, the newest first.
    tokio::time::sleep(2 * CALM).await;
    assert_eq!(turns.status(), status(1, 1, 0));
    let order = std::iter::from_fn(|| (!line.is_empty()).then(|| served(&mut line)));
    assert_eq!(order.collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_over_when_no_operation_had_to_wait_for_a_while() {
    let turns = turns(2);
    let first = turns.take().await.unwrap();
    let second = turns.take().await.unwrap();
    let mut line = waiting(&turns, IN_ORDER + 2);
    drop(line.drain(..IN_ORDER));
    drop(first);
    assert_eq!(turns.status(), status(1, 2, 0));
    // One that arrives now has its turn immediately.
    let third = turns.take().await.unwrap();
    tokio::time::advance(CALM).await;
    drop(third);
    assert_eq!(turns.status(), status(2, 1, 0));
    assert_eq!(served(&mut line), 1);
    assert_eq!(served(&mut line), 0);
    drop(second);
    assert_eq!(turns.status(), status(0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_others_may_join_waits_in_the_queue_or_not_at_all() {
    let turns = turns(1);
    let only = turns.take_in_order(false).await.unwrap();
    let mut line: Vec<_> = (0..IN_ORDER)
        .map(|_| Box::pin(turns.take_in_order(false)))
        .collect();
    for one in &mut line {
        assert!(one.now_or_never().is_none());
    }
    let one_more = turns.take_in_order(false).now_or_never().unwrap();
    assert!(matches!(one_more, Ok(None)));
    // One that others have joined has a place.
    line.push(Box::pin(turns.take_in_order(true)));
    assert!(line.last_mut().unwrap().now_or_never().is_none());
    assert_eq!(turns.status(), status(1, IN_ORDER + 1, 0));
    drop(only);
    for _ in 0..IN_ORDER {
        drop(line.remove(0).await.unwrap().unwrap());
    }
    let joined = line.remove(0).await.unwrap();
    assert!(joined.is_some());
    // It is rejected after its wait like others.
    let late = turns.take_in_order(true).await;
    assert!(matches!(late, Err(Overloaded)));
    drop(joined);
    assert_eq!(turns.status(), status(0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_rejected_after_its_wait() {
    let turns = turns(1);
    let _only = turns.take().await.unwrap();
    let began = tokio::time::Instant::now();
    assert!(turns.take().await.is_err());
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(turns.status(), status(1, 0, 1));
}

#[tokio::test]
async fn the_oldest_operation_aside_is_rejected_when_there_are_too_many() {
    let turns = turns(1);
    let _only = turns.take().await.unwrap();
    let mut line = waiting(&turns, IN_ORDER + ASIDE_FOR_EACH + 1);
    let oldest = line.remove(IN_ORDER);
    assert!(matches!(oldest.now_or_never(), Some(Err(Overloaded))));
    for one in &mut line {
        assert!(one.now_or_never().is_none());
    }
    assert_eq!(turns.status(), status(1, IN_ORDER + ASIDE_FOR_EACH, 1));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_shorter_while_operations_are_rejected() {
    for most in [1, 2 * SHORT] {
        let turns = turns(most);
        let mut running = Vec::new();
        for _ in 0..most {
            running.push(turns.take().await.unwrap());
        }
        assert!(turns.take().await.is_err());
        // There is always a place.
        let places = (most / SHORT).max(1);
        let line = waiting(&turns, places);
        let one_more = turns.take_in_order(false).now_or_never().unwrap();
        assert!(matches!(one_more, Ok(None)));
        drop(line);
        tokio::time::advance(2 * TurnSettings::default().wait).await;
        let _line = waiting(&turns, IN_ORDER - 1);
        let mut last = Box::pin(turns.take_in_order(false));
        assert!((&mut last).now_or_never().is_none());
        let one_more = turns.take_in_order(false).now_or_never().unwrap();
        assert!(matches!(one_more, Ok(None)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_deadline_continues_and_is_not_counted() {
    let turns = turns(1);
    let only = turns.take().await.unwrap();
    let late = tokio::spawn({
        let turns = turns.clone();
        async move { drop(turns.take_without_deadline().await) }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(turns.status(), status(1, 1, 0));
    drop(only);
    late.await.unwrap();
    assert_eq!(turns.status(), status(0, 0, 0));
}

#[tokio::test]
async fn a_disconnected_client_leaves_the_queue() {
    let turns = turns(1);
    let only = turns.take().await.unwrap();
    let mut older = Box::pin(turns.take());
    let mut newer = Box::pin(turns.take());
    assert!((&mut older).now_or_never().is_none());
    assert!((&mut newer).now_or_never().is_none());
    // The older has its turn, and does not know it yet.
    drop(only);
    drop(older);
    drop(newer.await.unwrap());
    let held = turns.take().await.unwrap();
    let mut gone = Box::pin(turns.take());
    assert!((&mut gone).now_or_never().is_none());
    drop(gone);
    assert_eq!(turns.status(), status(1, 0, 0));
    drop(held);
    assert_eq!(turns.status(), status(0, 0, 0));
}

#[tokio::test]
async fn measure_mode_counts_and_admits_all() {
    let turns = Turns::new(TurnSettings {
        is_enforced: false,
        ..turns(1).0.settings
    });
    let _held = [turns.take().await.unwrap(), turns.take().await.unwrap()];
    assert_eq!(turns.status(), status(2, 0, 1));
}
