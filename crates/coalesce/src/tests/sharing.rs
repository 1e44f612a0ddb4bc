//! Equal reads that share an execution, also when callers stop waiting or the execution panics.

use super::*;

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
async fn an_execution_knows_how_many_calls_wait_for_it() {
    let coalescer = Coalescer::new(Limits::default());
    let read = || {
        coalescer.get_for("newest", async |members| {
            pause(10).await;
            members
        })
    };
    let joined = join_all((0..9).map(|_| read()));
    let impatient = tokio::time::timeout(Duration::from_millis(5), read());
    let alone = coalescer.alone(async || 0);
    let (first, joined, _, alone) = tokio::join!(read(), joined, impatient, alone);
    assert_eq!((first, alone), (Ok(1), Ok(0)));
    assert_eq!(joined, [Ok(9); 9]);
    let counts = Counts {
        executions: 3,
        joins: 8,
    };
    assert_eq!(coalescer.counts(), counts);
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

/// Spawns a read whose execution waits for a permit of `gate`; the task can be aborted.
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

    /// Starts a read and waits until it can make no further progress.
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
async fn an_abandoned_execution_does_not_begin() {
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
async fn a_panic_reaches_only_the_callers_that_shared_it() {
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
    // Of four equal reads, one runs, two gather, and the fourth exceeds the size of the group and runs alone. A read
    // of another key exceeds the number of keys, and runs alone too.
    let moments = tokio::join!(read(1), read(1), read(1), read(1), read(2));
    assert_eq!(moments, (10, 20, 20, 10, 10));
    let counts = Counts {
        executions: 4,
        joins: 1,
    };
    assert_eq!(coalescer.counts(), counts);
}
