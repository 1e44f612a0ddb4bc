//! What coalescing costs a read that shares with no other, and what it saves for many equal reads.
//!
//! `cargo bench --bench coalesce`. The baselines run the same work directly, and in its own task, which the
//! uncontended path would cost if it spawned one.

#![expect(
    clippy::expect_used,
    reason = "a benchmark of something that fails is none"
)]

use std::sync::Arc;

use bytes::Bytes;
use coalesce::{BatchFailure, BatchLimits, Batcher, Coalescer, Limits};
use divan::Bencher;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio::task::yield_now;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without input or output always starts")
}

/// As long as a key that consists of a document's hash, variables and the caller's permissions.
fn key(number: u64) -> String {
    format!("0123456789abcdef{number:08}{{\"slug\":\"a-slug-of-usual-length\"}}")
}

async fn answer() -> Bytes {
    Bytes::from_static(b"{\"data\":{}}")
}

#[divan::bench]
fn one_read_without_coalescing(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let read = async || (key(1), answer().await);
    bencher.bench_local(|| runtime.block_on(read()));
}

#[divan::bench]
fn one_read_in_a_task_of_its_own(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let read = async || (key(1), tokio::spawn(answer()).await);
    bencher.bench_local(|| runtime.block_on(read()));
}

#[divan::bench]
fn one_read_through_an_idle_coalescer(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let coalescer = Coalescer::new(Limits::default());
    bencher.bench_local(|| runtime.block_on(coalescer.get(key(1), answer)));
}

#[divan::bench]
fn one_lookup_through_an_idle_batcher(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let batcher = batcher();
    bencher.bench_local(|| runtime.block_on(batcher.get(1)));
}

/// The time for all callers. Each execution yields four times, like one that waits for a socket.
#[divan::bench(args = [1, 64, 1_000])]
fn equal_reads_at_once(bencher: Bencher<'_, '_>, crowd: u64) {
    let runtime = runtime();
    let coalescer = Arc::new(Coalescer::new(Limits::default()));
    let read = |_| {
        let coalescer = Arc::clone(&coalescer);
        tokio::spawn(async move {
            let run = async || {
                for _ in 0..4 {
                    yield_now().await;
                }
                answer().await
            };
            coalescer.get(key(1), run).await
        })
    };
    bencher.bench_local(|| runtime.block_on(async { join_all((0..crowd).map(read)).await }));
}

#[divan::bench(args = [1, 64, 1_000])]
fn different_lookups_at_once(bencher: Bencher<'_, '_>, crowd: u64) {
    let runtime = runtime();
    let batcher = Arc::new(batcher());
    let lookup = |number| {
        let batcher = Arc::clone(&batcher);
        tokio::spawn(async move { batcher.get(number).await })
    };
    bencher.bench_local(|| runtime.block_on(async { join_all((0..crowd).map(lookup)).await }));
}

fn batcher() -> Batcher<u64, u64, BatchFailure> {
    Batcher::new(BatchLimits::default(), |keys| {
        async move {
            yield_now().await;
            Ok(keys.into_iter().map(|key| (key, key)).collect())
        }
        .boxed()
    })
}
