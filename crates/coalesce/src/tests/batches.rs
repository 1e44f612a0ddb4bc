//! Lookups that are gathered into loads, also when callers stop waiting or a load panics.

use super::*;

type Numbers = Batcher<u32, u32, BatchFailure>;

/// A batcher that doubles even keys, finds no odd ones, and panics at 13; each load takes ten milliseconds. The loads
/// are recorded in the list that is returned with it.
fn doubling(limits: BatchLimits) -> (Numbers, Arc<Mutex<Vec<Vec<u32>>>>) {
    let loads: Arc<Mutex<Vec<Vec<u32>>>> = Arc::default();
    let recorded = Arc::clone(&loads);
    let batcher = Batcher::new(limits, move |mut keys: Vec<u32>| {
        keys.sort_unstable();
        recorded.lock().unwrap().push(keys.clone());
        async move {
            pause(10).await;
            assert!(!keys.contains(&13), "thirteen");
            let even = keys.into_iter().filter(|key| key % 2 == 0);
            Ok(even.map(|key| (key, key * 2)).collect())
        }
        .boxed()
    });
    (batcher, loads)
}

fn recorded(loads: &Mutex<Vec<Vec<u32>>>) -> Vec<Vec<u32>> {
    loads.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn lookups_gather_while_the_maximum_number_of_loads_runs() {
    let (batcher, loads) = doubling(limits(2, 3));
    let lookups = [0, 1, 2, 3, 2, 4, 5, 6].map(|key| batcher.get(key));
    let answers = join_all(lookups).await;
    let expected = [
        Some(0),
        None,
        Some(4),
        None,
        Some(4),
        Some(8),
        None,
        Some(12),
    ];
    assert_eq!(answers, expected.map(Ok));
    let expected = vec![vec![0], vec![1], vec![2, 3, 4], vec![5, 6]];
    assert_eq!(recorded(&loads), expected);
    let counts = Counts {
        executions: 4,
        joins: 4,
    };
    assert_eq!(batcher.counts(), counts);
    assert_eq!(batcher.loads_under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_is_dropped_takes_its_key_out_of_the_batch() {
    let (batcher, loads) = doubling(limits(1, 10));
    let impatient = async {
        tokio::time::timeout(Duration::from_millis(5), batcher.get(4))
            .await
            .is_err()
    };
    let (first, second, given_up) = tokio::join!(batcher.get(0), batcher.get(2), impatient);
    assert_eq!((first, second, given_up), (Ok(Some(0)), Ok(Some(4)), true));
    assert_eq!(recorded(&loads), vec![vec![0], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_batch_is_not_loaded() {
    let (batcher, loads) = doubling(limits(1, 1));
    let impatient = tokio::time::timeout(Duration::from_millis(5), batcher.get(2));
    let (first, given_up, third) = tokio::join!(batcher.get(0), impatient, batcher.get(4));
    assert!(given_up.is_err());
    assert_eq!((first, third), (Ok(Some(0)), Ok(Some(8))));
    assert_eq!(recorded(&loads), vec![vec![0], vec![4]]);
    assert_eq!((batcher.waiting(), batcher.loads_under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_outlives_its_leader_in_the_middle_of_the_load() {
    let (batcher, loads) = doubling(limits(1, 10));
    let leader = tokio::time::timeout(Duration::from_millis(15), batcher.get(2));
    let (_, leader, joiner) = tokio::join!(batcher.get(0), leader, batcher.get(4));
    assert!(leader.is_err());
    assert_eq!(joiner, Ok(Some(8)));
    assert_eq!(recorded(&loads), vec![vec![0], vec![2, 4], vec![2, 4]]);
    assert_eq!((batcher.waiting(), batcher.loads_under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_load_frees_its_slot() {
    let (batcher, loads) = doubling(limits(1, 10));
    let leader = tokio::time::timeout(Duration::from_millis(15), batcher.get(2));
    let late = async {
        pause(12).await;
        batcher.get(4).await
    };
    let (_, leader, late) = tokio::join!(batcher.get(0), leader, late);
    assert!(leader.is_err());
    assert_eq!(late, Ok(Some(8)));
    assert_eq!(recorded(&loads), vec![vec![0], vec![2], vec![4]]);
    assert_eq!((batcher.waiting(), batcher.loads_under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_load_reaches_its_batch_and_no_other() {
    let (batcher, _) = doubling(limits(1, 2));
    let answers = join_all([0, 2, 13, 4].map(|key| batcher.get(key))).await;
    let panicked = Err(BatchFailure::Panicked);
    assert_eq!(answers, [Ok(Some(0)), panicked, panicked, Ok(Some(8))]);
    assert_eq!((batcher.waiting(), batcher.loads_under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_beyond_the_bound_is_rejected() {
    let bounds = BatchLimits {
        waiting: 2,
        ..limits(1, 10)
    };
    let (batcher, _) = doubling(bounds);
    let answers = join_all([0, 2, 4, 6].map(|key| batcher.get(key))).await;
    let expected = [
        Ok(Some(0)),
        Ok(Some(4)),
        Ok(Some(8)),
        Err(BatchFailure::Full),
    ];
    assert_eq!(answers, expected);
}
