//! When keys are fetched, with a paused clock that the tests advance.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::signer::{Signer, jwks};
use crate::generation::Generation;
use crate::jwt::current::Current;
use crate::jwt::fetch::Fetched;
use crate::jwt::refresh::Refresher;

/// The duration of a fetch in these tests.
const FETCH: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// An issuer whose responses a test decides, and the server's current keys of it.
struct Issuer {
    answer: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
    current: Arc<Current>,
    generation: Generation,
    refresher: Refresher,
}

impl Issuer {
    fn start(answer: Option<String>) -> Self {
        let generation = Generation::default();
        let current = Arc::new(Current::new("test".to_owned(), None, generation.clone()));
        let answer = Arc::new(Mutex::new(answer));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (answers, count) = (Arc::clone(&answer), Arc::clone(&fetches));
        let fetch = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let body = answers.lock().unwrap().clone();
            async move {
                sleep(FETCH).await;
                body.map(|body| Fetched {
                    body: Bytes::from(body),
                    max_age: None,
                })
                .ok_or("down")
            }
        };
        Self {
            refresher: Refresher::start(Arc::clone(&current), fetch),
            answer,
            fetches,
            current,
            generation,
        }
    }

    fn answer(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn keys(&self) -> usize {
        self.current.keys().map_or(0, |keys| keys.len())
    }
}

fn set(keys: usize) -> String {
    let keys: Vec<_> = (0..keys)
        .map(|number| Signer::ed().jwk(&number.to_string()))
        .collect();
    jwks(&keys)
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_at_startup_and_every_ten_minutes_without_requests() {
    let issuer = Issuer::start(Some(set(1)));
    assert_eq!(issuer.keys(), 0);
    sleep(2 * FETCH).await;
    assert_eq!((issuer.keys(), issuer.fetches()), (1, 1));
    issuer.answer(Some(set(2)));
    sleep(9 * MINUTE).await;
    assert_eq!((issuer.keys(), issuer.fetches()), (1, 1));
    sleep(MINUTE + 2 * FETCH).await;
    assert_eq!((issuer.keys(), issuer.fetches()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn fetching_the_same_keys_is_not_a_change() {
    let issuer = Issuer::start(Some(set(1)));
    sleep(HOUR).await;
    assert!(issuer.fetches() > 5);
    assert_eq!(issuer.generation.current(), 1);
    issuer.answer(Some(set(1)));
    sleep(HOUR).await;
    assert_eq!(issuer.generation.current(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_empty_or_broken_set_leaves_the_last_good_one_in_force() {
    let issuer = Issuer::start(Some(set(1)));
    sleep(MINUTE).await;
    for broken in [
        "",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
    ] {
        let (fetches, failures) = (issuer.fetches(), issuer.current.failures());
        issuer.answer(Some(broken.to_owned()));
        sleep(11 * MINUTE).await;
        assert!(issuer.fetches() > fetches && issuer.current.failures() > failures);
        assert_eq!(issuer.keys(), 1, "{broken}");
    }
    issuer.answer(Some(set(2)));
    sleep(2 * MINUTE).await;
    assert_eq!(issuer.keys(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_of_an_unavailable_issuer_are_used_for_a_day() {
    let issuer = Issuer::start(Some(set(1)));
    sleep(MINUTE).await;
    issuer.answer(None);
    sleep(23 * HOUR + 58 * MINUTE).await;
    assert_eq!((issuer.keys(), issuer.generation.current()), (1, 1));
    // It retries about once a minute.
    let fetches = issuer.fetches();
    assert!((1_300..1_500).contains(&fetches), "{fetches}");
    sleep(2 * MINUTE).await;
    assert_eq!((issuer.keys(), issuer.generation.current()), (0, 2));
    sleep(24 * HOUR).await;
    issuer.answer(Some(set(1)));
    sleep(2 * MINUTE).await;
    assert_eq!((issuer.keys(), issuer.generation.current()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_unavailable_at_startup_is_retried_soon() {
    let issuer = Issuer::start(None);
    sleep(10 * FETCH).await;
    assert_eq!(issuer.keys(), 0);
    assert!((3..6).contains(&issuer.fetches()), "{}", issuer.fetches());
    issuer.answer(Some(set(1)));
    sleep(20 * FETCH).await;
    assert_eq!(issuer.keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn unknown_key_ids_cause_one_fetch_in_thirty_seconds() {
    let issuer = Issuer::start(Some(set(1)));
    sleep(MINUTE).await;
    assert_eq!(issuer.fetches(), 1);
    let ask = async |many| {
        let waits = join_all((0..many).map(|_| issuer.refresher.refresh_for_unknown_key())).await;
        waits.into_iter().filter(|waited| *waited).count()
    };
    // All of them wait for the same fetch.
    assert_eq!(ask(10_000).await, 10_000);
    assert_eq!(issuer.fetches(), 2);
    sleep(28 * FETCH).await;
    assert_eq!(ask(10_000).await, 0);
    assert_eq!(issuer.fetches(), 2);
    sleep(2 * FETCH).await;
    assert_eq!(ask(10_000).await, 10_000);
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_during_a_fetch_wait_for_the_next_one() {
    let issuer = Issuer::start(Some(set(1)));
    // The first fetch is under way, and it will return the old set.
    sleep(FETCH / 2).await;
    issuer.answer(Some(set(2)));
    assert!(issuer.refresher.refresh_for_unknown_key().await);
    assert_eq!((issuer.keys(), issuer.fetches()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_server_stops_fetching() {
    let Issuer {
        refresher, fetches, ..
    } = Issuer::start(Some(set(1)));
    sleep(MINUTE).await;
    drop(refresher);
    sleep(24 * HOUR).await;
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}
