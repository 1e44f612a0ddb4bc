//! What both must guarantee under load: freshness, a result for every caller, and their limits.
//!
//! Time is Tokio's paused clock, so that a thousand seeds of interleaving take a moment and repeat.

mod batches;
mod sharing;

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
                let wait = if dice.roll(4) == 0 {
                    dice.roll(6)
                } else {
                    1_000
                };
                let answer = tokio::time::timeout(Duration::from_millis(wait), read(key)).await;
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

fn limits(loads: usize, keys: usize) -> BatchLimits {
    BatchLimits {
        loads,
        keys,
        waiting: 1_000,
    }
}
