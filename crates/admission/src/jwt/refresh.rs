//! Keeps the keys of an issuer up to date: one task per issuer, so that no request waits for a scheduled fetch and no
//! two fetches run at the same time.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::current::Current;
use super::fetch::Fetched;
use super::key_set::KeySet;
use super::schedule::Schedule;

/// For tokens with unknown key ids, the set is fetched at most once in this time, however many such tokens arrive.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// How long a token with an unknown key id waits for that fetch: a little longer than the fetch's own time limit.
const WAIT_TIMEOUT: Duration = Duration::from_secs(6);

/// The task that fetches, and how to request a fetch. Dropping it ends the task.
pub(super) struct Refresher {
    request: watch::Sender<Request>,
    _task: AbortOnDropHandle<()>,
}

/// Whether a requested fetch has not completed yet, and when the last request was.
#[derive(Clone, Copy, Default)]
struct Request {
    is_pending: bool,
    last: Option<Instant>,
}

impl Refresher {
    /// Starts the task: it fetches immediately, and then whenever a fetch is due.
    pub(super) fn start<Fetch, Fetching, Failure>(current: Arc<Current>, fetch: Fetch) -> Self
    where
        Fetch: Fn() -> Fetching + Send + 'static,
        Fetching: Future<Output = Result<Fetched, Failure>> + Send + 'static,
        Failure: Display + Send + 'static,
    {
        let request = watch::Sender::new(Request::default());
        let task = tokio::spawn(refresh(current, fetch, request.clone()));
        Self {
            request,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Waits for a newer set, because a token names a key that the present set does not have; false without waiting
    /// during the cool-down after the last such fetch. Callers that arrive in the meantime wait for the same fetch.
    pub(super) async fn refresh_for_unknown_key(&self) -> bool {
        let now = Instant::now();
        let is_requested = self.request.send_if_modified(|request| {
            let is_cool = request.last.is_none_or(|last| now >= last + COOL_DOWN);
            if is_cool && !request.is_pending {
                *request = Request {
                    is_pending: true,
                    last: Some(now),
                };
            }
            is_cool
        });
        let mut answers = self.request.subscribe();
        if !is_requested && !answers.borrow().is_pending {
            return false;
        }
        timeout(
            WAIT_TIMEOUT,
            answers.wait_for(|request| !request.is_pending),
        )
        .await
        .is_ok()
    }
}

async fn refresh<Fetch, Fetching, Failure>(
    current: Arc<Current>,
    fetch: Fetch,
    request: watch::Sender<Request>,
) where
    Fetch: Fn() -> Fetching,
    Fetching: Future<Output = Result<Fetched, Failure>>,
    Failure: Display,
{
    let mut requests = request.subscribe();
    let mut schedule = Schedule::new(Instant::now());
    loop {
        tokio::select! {
            () = sleep_until(schedule.due()) => {}
            _ = requests.wait_for(|request| request.is_pending) => {}
        }
        if schedule.is_dead(Instant::now()) {
            current.withdraw();
        }
        // A caller that asks while a fetch is under way may know a newer key, so the next fetch is for it.
        let is_for_them = request.borrow().is_pending;
        let fetched = fetch().await.map_err(|error| error.to_string());
        let max_age = fetched.as_ref().ok().and_then(|fetched| fetched.max_age);
        let published = fetched
            .and_then(|fetched| KeySet::parse(&fetched.body).map_err(|error| error.to_string()));
        match published {
            Ok(keys) => {
                schedule.succeed(Instant::now(), max_age);
                current.publish(keys);
            }
            Err(error) => {
                schedule.fail(Instant::now());
                current.fail(&error);
            }
        }
        if is_for_them {
            request.send_modify(|request| request.is_pending = false);
        }
    }
}
