//! What every transport hands to the engine, and what it gets back.
//!
//! HTTP, WebSocket and SSE read the same parameters by the same strict rules and run against one
//! small trait, so none of them knows the engine. A response is serialised once; errors stay typed until then.

mod params;

use std::future::Future;
use std::sync::OnceLock;

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;

pub use self::params::{GraphQLParams, InvalidParams};
pub use super::events::{Event, Events};
use crate::admission::{self, Rejection};
pub use crate::api::ResponseBody;
use crate::caller_limits::{self, CallerKey, CallerLimits, PeerAddress, RateLimit};
use crate::error::{ErrorCode, ResponseError, ResponseErrors};
use crate::request_id::RequestId;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

/// Who asks, as far as the transport can tell.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The headers of the request, or of the WebSocket's handshake.
    pub headers: HeaderMap,
    /// The payload of `connection_init`, where the transport has one.
    pub connection_init: Option<ObjectText>,
    /// The request's id in the logs.
    pub request_id: RequestId,
    /// Where a stream that broke off is to continue: `Last-Event-ID`, the cursor of the last event
    /// that arrived. It stands above what the operation's own arguments say.
    pub last_event_id: Option<String>,
    /// Where the request comes from.
    pub peer: PeerAddress,
    /// As whom [`Execute::admit`] admitted it; until then, as somebody who may do nothing.
    pub admitted: admission::Caller,
    /// What is left of what it may spend, once it was charged for its operation.
    pub rate_limit: OnceLock<RateLimit>,
}

impl Caller {
    /// Whom limits count it for.
    pub(super) fn key(&self, limits: &CallerLimits) -> CallerKey {
        limits.key(self.admitted.identity(), self.peer, &self.headers)
    }

    /// Charges it, where callers are charged.
    pub(super) fn charge(
        &self,
        limits: &CallerLimits,
        cost: u64,
    ) -> Result<Option<RateLimit>, caller_limits::Rejection> {
        limits.charge(|| self.key(limits), cost)
    }
}

/// How the operation came, which decides what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Queries only.
    HttpGet,
    /// Queries and mutations.
    HttpPost,
    /// Everything.
    WebSocket,
    /// Queries and subscriptions.
    SseGet,
    /// Everything.
    SsePost,
}

impl Transport {
    /// Whether a mutation may come this way. By GET it may not: refuse it with 405 and `Allow: POST`.
    pub fn allows_mutations(self) -> bool {
        !matches!(self, Self::HttpGet | Self::SseGet)
    }

    /// Whether an operation of this kind may come this way.
    pub(super) fn allows(self, kind: OperationKind) -> bool {
        match kind {
            OperationKind::Query => true,
            OperationKind::Mutation => self.allows_mutations(),
            OperationKind::Subscription => self.allows_subscriptions(),
        }
    }

    /// Whether there is a way for more than one result.
    pub fn allows_subscriptions(self) -> bool {
        matches!(self, Self::WebSocket | Self::SseGet | Self::SsePost)
    }
}

/// What became of an operation.
pub enum Outcome {
    /// Execution did not begin.
    Refused(Refusal),
    /// A subscription did not begin because the database is not available. Its client must not take it for complete: it
    /// is to come back.
    NotBegun(Refusal),
    /// A whole response, `{"data":…}` with or without `errors`.
    Single(ResponseBody),
    /// A whole response that was sent before, under the same idempotency key.
    Replayed(ResponseBody),
    /// A subscription's events.
    Stream(Events),
}

/// Why execution did not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What HTTP would answer with.
    pub status: StatusCode,
    /// At least one.
    pub errors: ResponseErrors,
    /// Further headers for that status, such as `Allow` and `Retry-After`.
    pub headers: HeaderMap,
}

impl Refusal {
    /// One error with a message and `extensions.code`.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self::with_errors(status, [ResponseError::new(code, message)])
    }

    /// Our own fault. Its cause stands in the log under the request's id.
    pub fn internal(request_id: &RequestId) -> Self {
        let error = ResponseError::internal(request_id.as_str());
        Self::with_errors(StatusCode::INTERNAL_SERVER_ERROR, [error])
    }

    /// With these errors.
    pub fn with_errors(status: StatusCode, errors: impl Into<ResponseErrors>) -> Self {
        Self {
            status,
            errors: errors.into(),
            headers: HeaderMap::new(),
        }
    }

    /// Whether one of the errors has this code.
    pub fn has(&self, code: ErrorCode) -> bool {
        self.errors.iter().any(|error| error.code == code)
    }

    /// The list of errors as JSON, `[{"message":…}]`.
    pub fn errors_json(&self) -> Bytes {
        json(&*self.errors)
    }

    /// A whole response, `{"errors":[…]}`, with no `data` since nothing was executed.
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        struct Body<'e> {
            errors: &'e [ResponseError],
        }
        json(&Body {
            errors: &self.errors,
        })
    }
}

/// Errors can always be written as JSON.
fn json(value: &(impl Serialize + ?Sized)) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self {
            headers: rejection.headers(),
            ..Self::new(rejection.status(), rejection.code(), rejection.to_string())
        }
    }
}

impl From<caller_limits::Rejection> for Refusal {
    fn from(rejection: caller_limits::Rejection) -> Self {
        Self {
            headers: rejection.headers(),
            ..Self::new(rejection.status(), rejection.code(), rejection.to_string())
        }
    }
}

/// The engine, as the transports see it. Cheap to clone.
pub trait Execute: Clone + Send + Sync + 'static {
    /// Runs one operation as far as its outcome is known. Dropping the future gives the operation
    /// up, except for a mutation that has begun.
    fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller,
        transport: Transport,
    ) -> impl Future<Output = Outcome> + Send;

    /// The same for the body of a request that nobody has read yet: an engine may know it already.
    ///
    /// # Errors
    /// It is not a GraphQL request.
    fn execute_json(
        &self,
        body: &[u8],
        caller: &Caller,
        transport: Transport,
    ) -> impl Future<Output = Result<Outcome, InvalidParams>> + Send {
        async move {
            let params = GraphQLParams::from_json(body)?;
            Ok(self.execute(params, caller, transport).await)
        }
    }

    /// Says who asks, before anything but the headers is read, and on a socket once its `connection_init` is here. The
    /// transports keep it in [`Caller::admitted`]; what the caller may do is for [`execute`](Self::execute) to decide.
    ///
    /// # Errors
    /// It is nobody who may do anything.
    fn admit(
        &self,
        headers: &HeaderMap,
        connection_init: Option<&ObjectText>,
    ) -> impl Future<Output = Result<admission::Caller, Rejection>> + Send {
        let _ = (headers, connection_init);
        std::future::ready(Ok(admission::Caller::default()))
    }

    /// Comes when what a caller was admitted by has ended: then its sockets are closed and its streams end, and it may
    /// come back with what is valid. `None` where it has no end.
    fn ended(&self, caller: &Caller) -> Option<BoxFuture<'static, ()>> {
        let _ = caller;
        None
    }
}

/// Comes when the future does, where there is one.
pub(super) async fn or_never(future: Option<&mut BoxFuture<'static, ()>>) {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer_without_data() {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, "no");
        let expected = r#"{"errors":[{"message":"no","extensions":{"code":"BAD_REQUEST"}}]}"#;
        assert_eq!(refusal.body(), expected);
    }
}
