//! An engine whose documents are commands: `count 3`, `forever`, `rejected`, and so on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header::ALLOW};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use graphql_guard::json::ObjectText;
use graphql_transports::events::{Event, Events};
use graphql_transports::operation::{GraphQLParams, ResponseBody};
use graphql_transports::{Caller, ErrorCode, Execute, Outcome, Rejection, Transport, Unlimited};
use serde_json::json;
use tokio::sync::Semaphore;

#[derive(Clone, Default)]
pub(crate) struct Engine {
    /// The number of events that `forever` has produced so far, over all operations.
    pub(crate) produced: Arc<AtomicUsize>,
    /// The number of open streams.
    pub(crate) open: Arc<AtomicUsize>,
    /// Lets operations `held` end.
    pub(crate) gate: Gate,
}

/// A gate that is closed until it is opened, once.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Gate {
    pub(crate) fn let_through(&self, count: usize) {
        self.0.add_permits(count);
    }

    async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

/// Counts as an open stream until it is dropped.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn event(number: usize, padding: &str) -> Event {
    Event {
        body: Bytes::from(json!({ "data": { "n": number, "text": padding } }).to_string()),
        cursor: Some(format!("c{number}")),
    }
}

fn single(json: impl Into<Bytes>) -> Outcome {
    Outcome::Single(ResponseBody {
        json: json.into(),
        has_errors: false,
        codes: Vec::new(),
    })
}

impl Execute for Engine {
    type Admitted = ();
    type Limits = Unlimited;

    fn limits(&self) -> &Unlimited {
        &Unlimited
    }

    async fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller,
        transport: Transport,
    ) -> Outcome {
        let query = params.query.unwrap_or_default();
        let open = Open::new(&self.open);
        match query.split_once(' ').unwrap_or((&query, "")) {
            ("caller", _) => single(
                json!({ "data": {
                    "transport": format!("{transport:?}"),
                    "init": caller.connection_init,
                    "requestId": caller.request_id.as_str(),
                    "variables": params.variables,
                } })
                .to_string(),
            ),
            ("rejected", status) => {
                let status = status.parse().unwrap_or(StatusCode::BAD_REQUEST);
                Outcome::Rejected(Rejection::new(status, ErrorCode::PARSE_FAILED, "no"))
            }
            ("mutation", _) if !transport.allows_mutations() => {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                let mut rejection = Rejection::bad_request(status, "no mutation by GET");
                let post = HeaderValue::from_static("POST");
                rejection.headers.insert(ALLOW, post);
                Outcome::Rejected(rejection)
            }
            ("mutation", _) => single(r#"{"data":{"done":true}}"#),
            ("count", end) => {
                let after = caller.last_event_id.as_deref().unwrap_or("c0");
                let begin: usize = after.trim_start_matches('c').parse().unwrap();
                let numbers = begin + 1..=end.parse().unwrap();
                Outcome::Stream(
                    stream::iter(numbers.map(|number| event(number, "")))
                        .boxed()
                        .into(),
                )
            }
            // Always has another event, of 10 kB.
            ("forever", _) => {
                let produced = Arc::clone(&self.produced);
                let padding = "x".repeat(10_000);
                let events = stream::iter(1..).map(move |number| {
                    let _ = &open;
                    produced.fetch_add(1, Ordering::SeqCst);
                    event(number, &padding)
                });
                Outcome::Stream(events.boxed().into())
            }
            ("silent", _) => Outcome::Stream(
                stream::pending()
                    .map(move |event| {
                        let _ = &open;
                        event
                    })
                    .boxed()
                    .into(),
            ),
            // A source without events that makes progress whenever it is polled.
            ("passing", _) => {
                let polls = AtomicUsize::new(0);
                let position = move || Some(format!("c{}", polls.fetch_add(1, Ordering::SeqCst)));
                Outcome::Stream(Events::new(stream::pending().boxed(), position))
            }
            ("held", _) => {
                self.gate.pass().await;
                single(r#"{"data":{"done":true}}"#)
            }
            ("away", _) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Outcome::NotBegun(Rejection::new(
                    status,
                    ErrorCode::UNAVAILABLE,
                    "no database",
                ))
            }
            ("stuck", _) => std::future::pending().await,
            _ => panic!("an order that nobody knows"),
        }
    }

    async fn admit(
        &self,
        _headers: &HeaderMap,
        init: Option<&ObjectText>,
    ) -> Result<(), Rejection> {
        match token(init).as_deref() {
            Some("wrong") => Err(Rejection::new(
                StatusCode::UNAUTHORIZED,
                ErrorCode::UNAUTHENTICATED,
                "the token is not valid",
            )),
            Some("undecided") => Err(Rejection::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::UNAVAILABLE,
                "the keys are not known",
            )),
            Some("slow") => std::future::pending().await,
            _ => Ok(()),
        }
    }

    fn ended(&self, caller: &Caller) -> Option<BoxFuture<'static, ()>> {
        let is_short = token(caller.connection_init.as_ref()).as_deref() == Some("short")
            || caller.headers.contains_key("x-short");
        is_short.then(|| tokio::time::sleep(Duration::from_millis(100)).boxed())
    }
}

fn token(init: Option<&ObjectText>) -> Option<String> {
    let token = init?.get("token")?;
    serde_json::from_str(token.get()).ok()
}
