//! The token of a single operation: `extensions.authorization` of its `subscribe`. It is checked like a token in
//! `connection_init`, but for this operation alone, so that a long-lived socket can outlive the tokens of its
//! operations, and serve several callers.

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

/// Completes with the reason why an operation ends before its source does.
pub(super) type Ended = BoxFuture<'static, Rejection>;

/// The outcome of an operation and, for a subscription, what ends it early.
pub(super) type Begun = (Outcome, Option<Ended>);

/// The token of an operation in the form of a `connection_init` payload; `None` where it has none.
pub(super) fn of(params: &GraphQLParams) -> Option<ObjectText> {
    let given = params.extensions.get("authorization");
    let given = given.filter(|value| !json::is_null(value))?;
    // Valid JSON, because `given` is.
    let payload = format!(r#"{{"authorization":{}}}"#, given.get());
    let payload: Box<RawValue> = serde_json::from_str(&payload).ok()?;
    ObjectText::new(&payload)
}

/// Runs an operation as the caller that its own token admits, instead of the socket's caller.
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
    // The log names this caller in the operation's lines, but not in the socket's.
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
                "the permissions of the token have changed: subscribe again",
            ),
        }
    };
    Some(ended.boxed())
}
