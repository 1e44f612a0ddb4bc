use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

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
async fn operations_aside_are_served_newest_first_when_the_queue_is_empty() {
    let turns = turns(1);
    let only = turns.take().await.unwrap();
    let mut line = waiting(&turns, IN_ORDER + 2);
    drop(only);
    let next = line.remove(0).now_or_never().unwrap().unwrap();
    // The place in the line is for the next that comes.
    line.extend(waiting(&turns, 1));
    drop(next);
    let order = std::iter::from_fn(|| (!line.is_empty()).then(|| served(&mut line)));
    // Two in the order of arrival, then the one that came last, then the two aside.
    assert_eq!(order.collect::<Vec<_>>(), [0, 0, 2, 1, 0]);
    assert_eq!(turns.status(), status(0, 0, 0));
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
