//! A token of one operation: `extensions.authorization` of its `subscribe`. It is judged as one in `connection_init` is,
//! for this operation alone, so that a socket that lives long outlives the tokens of its operations, and has those of
//! several callers.

use std::sync::{Arc, OnceLock};

use axum::http::StatusCode;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use graphql_guard::json::{self, ObjectText};
use serde_json::value::RawValue;
use tracing::{Instrument as _, info_span};

use crate::error::ErrorCode;
use crate::operation::{Caller, Execute, GraphQLParams, Outcome};
use crate::rejection::Rejection;

/// Says why an operation ends before its source does.
pub(super) type Ended = BoxFuture<'static, Rejection>;

/// What becomes of an operation, and what ends it where it is a subscription.
pub(super) type Begun = (Outcome, Option<Ended>);

/// The token of an operation, as `connection_init` would have it; `None` where the operation has none.
pub(super) fn of(params: &GraphQLParams) -> Option<ObjectText> {
    let given = params.extensions.get("authorization");
    let given = given.filter(|value| !json::is_null(value))?;
    // It is JSON, because `given` is.
    let payload = format!(r#"{{"authorization":{}}}"#, given.get());
    let payload: Box<RawValue> = serde_json::from_str(&payload).ok()?;
    ObjectText::new(&payload)
}

/// Runs an operation as whoever its own token admits, and not as whoever opened the socket.
pub(super) async fn run<E, Run>(
    execute: E,
    of_socket: Arc<Caller<E::Admitted>>,
    token: ObjectText,
    run: impl FnOnce(E, Arc<Caller<E::Admitted>>) -> Run,
) -> Begun
where
    E: Execute,
    Run: Future<Output = Outcome>,
{
    // The log says of the operation's own lines whose they are, and not of the socket's.
    let span = info_span!("operation", caller = tracing::field::Empty);
    let whole = async {
        let admitted = execute.admit(&of_socket.headers, Some(&token)).await;
        let caller = match admitted {
            Ok(admitted) => Arc::new(Caller {
                connection_init: Some(token),
                admitted,
                rate_limit: OnceLock::new(),
                ..Caller::clone(&of_socket)
            }),
            Err(rejection) => return (Outcome::Rejected(rejection), None),
        };
        let outcome = run(execute.clone(), Arc::clone(&caller)).await;
        let ended = match outcome {
            Outcome::Stream(_) => ended(execute, caller),
            _ => None,
        };
        (outcome, ended)
    };
    whole.instrument(span).await
}

fn ended<E: Execute>(execute: E, caller: Arc<Caller<E::Admitted>>) -> Option<Ended> {
    let ended = execute.ended(&caller)?;
    let ended = async move {
        ended.await;
        let init = caller.connection_init.as_ref();
        match execute.admit(&caller.headers, init).await {
            Err(rejection) => rejection,
            Ok(_) => Rejection::new(
                StatusCode::UNAUTHORIZED,
                ErrorCode::UNAUTHENTICATED,
                "what the token may do has changed: subscribe again",
            ),
        }
    };
    Some(ended.boxed())
}
