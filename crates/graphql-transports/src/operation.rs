//! What every transport passes to the engine, and what it gets back.
//!
//! HTTP, WebSocket and SSE parse parameters by the same strict rules and use one trait, [`Execute`], so none of them
//! depends on the engine. A response is serialized once; errors stay typed until then.

mod params;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;

use axum::http::HeaderMap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

pub use self::params::{GraphQLParams, InvalidParams};
use super::error::ErrorCode;
use super::events::Events;
use super::limits::LimitCallers;
use super::rate_limit::RateLimit;
use super::rejection::Rejection;
use super::request_id::RequestId;

/// The sender of a request, as far as the transport knows it. `A` is the type of an admitted caller.
#[derive(Clone, Debug, Default)]
pub struct Caller<A = ()> {
    /// The headers of the request, or of the WebSocket's handshake.
    pub headers: HeaderMap,
    /// The payload of `connection_init`, where the transport has one.
    pub connection_init: Option<ObjectText>,
    /// The request's id in the log.
    pub request_id: RequestId,
    /// Where to resume an interrupted stream: `Last-Event-ID`, the cursor of the last received event. It takes
    /// precedence over the operation's own arguments.
    pub last_event_id: Option<String>,
    /// The address that the request comes from.
    pub peer: PeerAddress,
    /// The caller as [`Execute::admit`] has admitted it.
    pub admitted: A,
    /// What it has left to spend, once it was charged for its operation.
    pub rate_limit: OnceLock<RateLimit>,
}

/// The address at the other end of the connection; an extension of requests. Without it, the transports use axum's
/// `ConnectInfo<SocketAddr>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl Default for PeerAddress {
    /// An unspecified address.
    fn default() -> Self {
        Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }
}

/// How the operation arrived, which determines the allowed kinds.
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
    /// Whether mutations are allowed. By GET they are not: the request is rejected with 405 and `Allow: POST`.
    pub fn allows_mutations(self) -> bool {
        !matches!(self, Self::HttpGet | Self::SseGet)
    }

    /// Whether operations of this kind are allowed.
    pub fn allows(self, kind: OperationKind) -> bool {
        match kind {
            OperationKind::Query => true,
            OperationKind::Mutation => self.allows_mutations(),
            OperationKind::Subscription => self.allows_subscriptions(),
        }
    }

    /// Whether more than one result can be sent.
    pub fn allows_subscriptions(self) -> bool {
        matches!(self, Self::WebSocket | Self::SseGet | Self::SsePost)
    }
}

/// A whole response, a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseBody {
    /// `{"data":…}`, with or without `errors`.
    pub json: Bytes,
    /// Whether it has `errors`.
    pub has_errors: bool,
    /// The codes of the errors.
    pub codes: Vec<ErrorCode>,
}

/// The outcome of an operation.
pub enum Outcome {
    /// Execution did not begin.
    Rejected(Rejection),
    /// A subscription did not begin because a resource that it needs is unavailable. Its client must not treat it as
    /// complete: it should retry.
    NotBegun(Rejection),
    /// A whole response, `{"data":…}` with or without `errors`.
    Single(ResponseBody),
    /// The response of an earlier request with the same idempotency key.
    Replayed(ResponseBody),
    /// A subscription's events.
    Stream(Events),
}

/// Executes operations for the transports. [`Pipeline`](super::Pipeline) implements it for every engine. Cheap to
/// clone.
pub trait Execute: Clone + Send + Sync + 'static {
    /// The type of an admitted caller.
    type Admitted: Clone + Default + Send + Sync + 'static;

    /// Counts what callers use.
    type Limits: LimitCallers<Self::Admitted>;

    /// Counts what callers use.
    fn limits(&self) -> &Self::Limits;

    /// Runs one operation until its outcome is known. Dropping the future cancels the operation, except for a mutation
    /// that has begun.
    fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller<Self::Admitted>,
        transport: Transport,
    ) -> impl Future<Output = Outcome> + Send;

    /// The same for a request body that has not been parsed: the implementation may have cached its operation.
    ///
    /// # Errors
    /// It is not a GraphQL request.
    fn execute_json(
        &self,
        body: &[u8],
        caller: &Caller<Self::Admitted>,
        transport: Transport,
    ) -> impl Future<Output = Result<Outcome, InvalidParams>> + Send {
        async move {
            let params = GraphQLParams::from_json(body)?;
            Ok(self.execute(params, caller, transport).await)
        }
    }

    /// Admits a caller after only the headers were read, and on a socket after its `connection_init`. The transports
    /// keep the result in [`Caller::admitted`]; [`execute`](Self::execute) decides what the caller may do.
    ///
    /// # Errors
    /// The caller may do nothing at all.
    fn admit(
        &self,
        headers: &HeaderMap,
        connection_init: Option<&ObjectText>,
    ) -> impl Future<Output = Result<Self::Admitted, Rejection>> + Send;

    /// Completes when the caller's credential is no longer valid: its sockets are then closed and its streams end, and
    /// it may return with a valid credential. `None` for a credential that never expires.
    fn ended(&self, caller: &Caller<Self::Admitted>) -> Option<BoxFuture<'static, ()>> {
        let _ = caller;
        None
    }
}

/// Completes when the future does; never without one.
pub(super) async fn or_pending<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
