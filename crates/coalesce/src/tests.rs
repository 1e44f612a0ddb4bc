//! What both must keep under load: freshness, an answer for whoever waits, and their bounds.
//!
//! Time is Tokio's paused clock, so that a thousand seeds of interleaving take a moment and repeat.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::*;

/// A small generator of our own, so that a seed names one course of events for ever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

async fn pause(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}

/// One value per key, as a database would keep it: each write is a number higher than all before.
#[derive(Default)]
struct Register(HashMap<u64, AtomicU64>);

impl Register {
    fn with_keys(keys: u64) -> Arc<Self> {
        Arc::new(Self(
            (0..keys).map(|key| (key, AtomicU64::new(0))).collect(),
        ))
    }

    fn read(&self, key: u64) -> u64 {
        self.0[&key].load(Ordering::SeqCst)
    }

    fn write(&self, key: u64) {
        self.0[&key].fetch_add(1, Ordering::SeqCst);
    }
}

const KEYS: u64 = 3;

/// Writers and readers at random; returns how many reads missed a write acknowledged before they
/// began. `read` goes through what is under test; some readers give up early.
async fn stale_reads<Read, Fut>(seed: u64, register: Arc<Register>, read: Read) -> u64
where
    Read: Fn(u64) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = u64> + Send,
{
    let stale = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for number in 0..40 {
        let (register, read, stale) = (Arc::clone(&register), read.clone(), Arc::clone(&stale));
        let mut dice = Dice(seed * 1_000 + number + 1);
        tasks.push(tokio::spawn(async move {
            for _ in 0..8 {
                pause(dice.roll(12)).await;
                let key = dice.roll(KEYS);
                if number < 8 {
                    register.write(key);
                    continue;
                }
                let acknowledged = register.read(key);
                let patience = if dice.roll(4) == 0 {
                    dice.roll(6)
                } else {
                    1_000
                };
                let answer = tokio::time::timeout(Duration::from_millis(patience), read(key)).await;
                if answer.is_ok_and(|seen| seen < acknowledged) {
                    stale.fetch_add(1, Ordering::SeqCst);
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    stale.load(Ordering::SeqCst)
}

/// A read that sees the state of some moment between its beginning and its end.
async fn slow_read(register: &Register, key: u64, seed: u64) -> u64 {
    let mut dice = Dice(seed + register.read(key) + 1);
    pause(dice.roll(5)).await;
    let value = register.read(key);
    pause(dice.roll(5)).await;
    value
}

#[tokio::test(start_paused = true)]
async fn a_read_sees_every_write_acknowledged_before_it_began() {
    for seed in 1..=200 {
        let register = Register::with_keys(KEYS);
        let coalescer = Arc::new(Coalescer::new(Limits::default()));
        let read = {
            let (register, coalescer) = (Arc::clone(&register), Arc::clone(&coalescer));
            move |key| {
                let (register, coalescer) = (Arc::clone(&register), Arc::clone(&coalescer));
                async move {
                    let run = || slow_read(&register, key, seed);
                    coalescer.get(key, run).await.unwrap()
                }
            }
        };
        assert_eq!(stale_reads(seed, register, read).await, 0, "seed {seed}");
        assert_eq!(coalescer.keys(), 0, "seed {seed}");
        assert!(coalescer.counts().joins > 20, "{:?}", coalescer.counts());
    }
}

#[tokio::test(start_paused = true)]
async fn a_batched_lookup_sees_every_write_acknowledged_before_it_began() {
    for seed in 1..=200 {
        let register = Register::with_keys(KEYS);
        let batcher = {
            let register = Arc::clone(&register);
            Batcher::<u64, u64, BatchFailure>::new(limits(2, 2), move |keys| {
                let register = Arc::clone(&register);
                async move {
                    let mut values = HashMap::new();
                    for key in keys {
                        values.insert(key, slow_read(&register, key, seed).await);
                    }
                    Ok(values)
                }
                .boxed()
            })
        };
        let batcher = Arc::new(batcher);
        let read = {
            let batcher = Arc::clone(&batcher);
            move |key| {
                let batcher = Arc::clone(&batcher);
                async move { batcher.get(key).await.unwrap().unwrap() }
            }
        };
        assert_eq!(stale_reads(seed, register, read).await, 0, "seed {seed}");
        assert_eq!(batcher.waiting(), 0, "seed {seed}");
        assert!(batcher.counts().joins > 20, "{:?}", batcher.counts());
        assert_eq!(batcher.loads_under_way(), 0, "seed {seed}");
    }
}

/// The usual single flight, which lets a call join what has begun, fails the test above: so the
/// test can fail.
#[tokio::test(start_paused = true)]
async fn joining_an_execution_that_has_begun_gives_stale_reads() {
    let register = Register::with_keys(KEYS);
    let flights: Arc<Mutex<HashMap<u64, Arc<OnceCell<u64>>>>> = Arc::default();
    let read = {
        let register = Arc::clone(&register);
        move |key| {
            let (register, flights) = (Arc::clone(&register), Arc::clone(&flights));
            async move {
                let flight = Arc::clone(flights.lock().unwrap().entry(key).or_default());
                let lead = || slow_read(&register, key, 1);
                let seen = *flight.get_or_init(lead).await;
                flights.lock().unwrap().remove(&key);
                seen
            }
        }
    };
    assert!(stale_reads(1, register, read).await > 0);
}

/// The same on several threads, where nothing repeats but the order of memory counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_stay_fresh_on_several_threads() {
    let register = Register::with_keys(1);
    let coalescer = Arc::new(Coalescer::new(Limits::default()));
    let readers = (0..32).map(|number| {
        let (register, coalescer) = (Arc::clone(&register), Arc::clone(&coalescer));
        tokio::spawn(async move {
            for round in 0..500 {
                if number % 4 == 0 {
                    register.write(0);
                }
                let acknowledged = register.read(0);
                let run = async || {
                    yield_now().await;
                    let seen = register.read(0);
                    yield_now().await;
                    seen
                };
                let read = coalescer.get((), run);
                if round % 7 == 0 {
                    // Given up after the first poll.
                    let _ = read.now_or_never();
                } else {
                    assert!(read.await.unwrap() >= acknowledged);
                }
            }
        })
    });
    for reader in join_all(readers).await {
        reader.unwrap();
    }
    assert_eq!(coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_equal_reads_need_two_executions() {
    let coalescer = Coalescer::new(Limits::default());
    let reads = (0..1_000).map(|_| {
        coalescer.get("newest", async || {
            pause(10).await;
            "answer"
        })
    });
    let answers = join_all(reads).await;
    assert!(answers.iter().all(|answer| *answer == Ok("answer")));
    let counts = Counts {
        executions: 2,
        joins: 998,
    };
    assert_eq!(coalescer.counts(), counts);
    assert_eq!(coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn different_keys_do_not_wait_for_each_other() {
    let coalescer = Coalescer::new(Limits::default());
    let begun = tokio::time::Instant::now();
    let reads = (0..100).map(|key| {
        coalescer.get(key, async move || {
            pause(10).await;
            key
        })
    });
    let answers: Vec<_> = join_all(reads).await;
    assert_eq!(answers, (0..100).map(Ok).collect::<Vec<_>>());
    assert_eq!(begun.elapsed(), Duration::from_millis(10));
}

/// Starts a read that runs until the semaphore is fed, as a task that can be aborted.
fn held(
    coalescer: &Arc<Coalescer<u8, usize>>,
    gate: &Arc<Semaphore>,
    executions: &Arc<AtomicUsize>,
) -> tokio::task::JoinHandle<Result<usize, Panicked>> {
    let (coalescer, gate) = (Arc::clone(coalescer), Arc::clone(gate));
    let executions = Arc::clone(executions);
    tokio::spawn(async move {
        let run = async || {
            let number = executions.fetch_add(1, Ordering::SeqCst) + 1;
            gate.acquire().await.unwrap().forget();
            number
        };
        coalescer.get(1, run).await
    })
}

struct Held {
    coalescer: Arc<Coalescer<u8, usize>>,
    gate: Arc<Semaphore>,
    executions: Arc<AtomicUsize>,
}

impl Held {
    fn new() -> Self {
        Self {
            coalescer: Arc::new(Coalescer::new(Limits::default())),
            gate: Arc::new(Semaphore::new(0)),
            executions: Arc::default(),
        }
    }

    /// Begins a read and lets it go as far as it can.
    async fn read(&self) -> tokio::task::JoinHandle<Result<usize, Panicked>> {
        let task = held(&self.coalescer, &self.gate, &self.executions);
        self.settle().await;
        task
    }

    async fn settle(&self) {
        pause(1).await;
    }

    fn executions(&self) -> usize {
        self.executions.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_outlives_its_leader_before_it_has_begun() {
    let held = Held::new();
    let first = held.read().await;
    let leader = held.read().await;
    let joiner = held.read().await;
    leader.abort();
    held.settle().await;
    held.gate.add_permits(2);
    assert_eq!(first.await.unwrap(), Ok(1));
    assert_eq!(joiner.await.unwrap(), Ok(2));
    assert_eq!(held.coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_group_outlives_its_leader_in_the_middle_of_the_execution() {
    let held = Held::new();
    let first = held.read().await;
    let leader = held.read().await;
    let joiner = held.read().await;
    held.gate.add_permits(1);
    held.settle().await;
    assert_eq!(held.executions(), 2);
    leader.abort();
    held.settle().await;
    assert_eq!(held.executions(), 3);
    held.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), Ok(1));
    assert_eq!(joiner.await.unwrap(), Ok(3));
    assert_eq!(held.coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_group_begins_when_the_execution_before_it_is_dropped() {
    let held = Held::new();
    let first = held.read().await;
    let joiner = held.read().await;
    first.abort();
    held.settle().await;
    held.gate.add_permits(1);
    assert_eq!(joiner.await.unwrap(), Ok(2));
    assert_eq!(held.coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_execution_nobody_waits_for_any_more_does_not_begin() {
    let held = Held::new();
    let first = held.read().await;
    for joiner in [held.read().await, held.read().await] {
        joiner.abort();
    }
    held.settle().await;
    held.gate.add_permits(5);
    assert_eq!(first.await.unwrap(), Ok(1));
    held.settle().await;
    assert_eq!(held.executions(), 1);
    assert_eq!(held.coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_next_group_begins_when_everyone_leaves_the_one_under_way() {
    let held = Held::new();
    let first = held.read().await;
    let leader = held.read().await;
    held.gate.add_permits(1);
    first.await.unwrap().unwrap();
    held.settle().await;
    let next = held.read().await;
    leader.abort();
    held.settle().await;
    held.gate.add_permits(1);
    assert_eq!(next.await.unwrap(), Ok(3));
    assert_eq!(held.coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_reaches_all_who_shared_it_and_nobody_else() {
    let coalescer = Coalescer::new(Limits::default());
    let reads = (0..5).map(|number| {
        coalescer.get((), async move || {
            pause(1).await;
            assert!(number != 1, "the second group's leader panics");
            number
        })
    });
    let answers = join_all(reads).await;
    let panicked = Err(Panicked);
    assert_eq!(answers, [Ok(0), panicked, panicked, panicked, panicked]);
    assert_eq!(coalescer.get((), async || 7).await, Ok(7));
    assert_eq!(coalescer.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_read_beyond_the_bounds_runs_alone() {
    let bounds = Limits {
        keys: 1,
        members: 2,
    };
    let coalescer = Coalescer::new(bounds);
    let begun = tokio::time::Instant::now();
    let read = async |key| {
        let run = async || pause(10).await;
        coalescer.get(key, run).await.unwrap();
        begun.elapsed().as_millis()
    };
    // Of four equal reads one runs, two gather, and one finds the group full; another key finds no room.
    let moments = tokio::join!(read(1), read(1), read(1), read(1), read(2));
    assert_eq!(moments, (10, 20, 20, 10, 10));
    let counts = Counts {
        executions: 4,
        joins: 1,
    };
    assert_eq!(coalescer.counts(), counts);
}

fn limits(loads: usize, keys: usize) -> BatchLimits {
    BatchLimits {
        loads,
        keys,
        waiting: 1_000,
    }
}

type Numbers = Batcher<u32, u32, BatchFailure>;

/// Doubles even keys, knows no odd ones, panics at 13; ten milliseconds a load. Notes its loads.
fn doubling(limits: BatchLimits) -> (Numbers, Arc<Mutex<Vec<Vec<u32>>>>) {
    let loads: Arc<Mutex<Vec<Vec<u32>>>> = Arc::default();
    let noted = Arc::clone(&loads);
    let batcher = Batcher::new(limits, move |mut keys: Vec<u32>| {
        keys.sort_unstable();
        noted.lock().unwrap().push(keys.clone());
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

fn noted(loads: &Mutex<Vec<Vec<u32>>>) -> Vec<Vec<u32>> {
    loads.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn lookups_gather_while_as_many_loads_run_as_may() {
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
    assert_eq!(noted(&loads), expected);
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
    assert_eq!(noted(&loads), vec![vec![0], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_nobody_waits_for_any_more_is_not_loaded() {
    let (batcher, loads) = doubling(limits(1, 1));
    let impatient = tokio::time::timeout(Duration::from_millis(5), batcher.get(2));
    let (first, given_up, third) = tokio::join!(batcher.get(0), impatient, batcher.get(4));
    assert!(given_up.is_err());
    assert_eq!((first, third), (Ok(Some(0)), Ok(Some(8))));
    assert_eq!(noted(&loads), vec![vec![0], vec![4]]);
    assert_eq!((batcher.waiting(), batcher.loads_under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_outlives_its_leader_in_the_middle_of_the_load() {
    let (batcher, loads) = doubling(limits(1, 10));
    let leader = tokio::time::timeout(Duration::from_millis(15), batcher.get(2));
    let (_, leader, joiner) = tokio::join!(batcher.get(0), leader, batcher.get(4));
    assert!(leader.is_err());
    assert_eq!(joiner, Ok(Some(8)));
    assert_eq!(noted(&loads), vec![vec![0], vec![2, 4], vec![2, 4]]);
    assert_eq!((batcher.waiting(), batcher.loads_under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_load_given_up_half_way_frees_its_place() {
    let (batcher, loads) = doubling(limits(1, 10));
    let leader = tokio::time::timeout(Duration::from_millis(15), batcher.get(2));
    let late = async {
        pause(12).await;
        batcher.get(4).await
    };
    let (_, leader, late) = tokio::join!(batcher.get(0), leader, late);
    assert!(leader.is_err());
    assert_eq!(late, Ok(Some(8)));
    assert_eq!(noted(&loads), vec![vec![0], vec![2], vec![4]]);
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
async fn a_lookup_beyond_the_bound_is_refused() {
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
