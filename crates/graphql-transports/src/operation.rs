//! What every transport hands to the engine, and what it gets back.
//!
//! HTTP, WebSocket and SSE read the same parameters by the same strict rules and run against one trait, [`Execute`], so
//! none of them knows the engine. A response is serialized once; errors stay typed until then.

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

/// Who sends a request, as far as the transport can tell. `A` is as whom it is admitted.
#[derive(Clone, Debug, Default)]
pub struct Caller<A = ()> {
    /// The headers of the request, or of the WebSocket's handshake.
    pub headers: HeaderMap,
    /// The payload of `connection_init`, where the transport has one.
    pub connection_init: Option<ObjectText>,
    /// The request's id in the logs.
    pub request_id: RequestId,
    /// Where a stream that broke off is to continue: `Last-Event-ID`, the cursor of the last event that arrived. It stands
    /// above what the operation's own arguments say.
    pub last_event_id: Option<String>,
    /// Where the request comes from.
    pub peer: PeerAddress,
    /// As whom [`Execute::admit`] admitted it.
    pub admitted: A,
    /// What is left of what it may spend, once it was charged for its operation.
    pub rate_limit: OnceLock<RateLimit>,
}

/// The address at the other end of the connection; an extension of requests. Without it, the transports use axum's
/// `ConnectInfo<SocketAddr>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl Default for PeerAddress {
    /// None that is known.
    fn default() -> Self {
        Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
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
    /// Whether a mutation may come this way. By GET it may not: it is rejected with 405 and `Allow: POST`.
    pub fn allows_mutations(self) -> bool {
        !matches!(self, Self::HttpGet | Self::SseGet)
    }

    /// Whether an operation of this kind may come this way.
    pub fn allows(self, kind: OperationKind) -> bool {
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

/// A whole response, a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseBody {
    /// `{"data":…}`, with or without `errors`.
    pub json: Bytes,
    /// Whether it has `errors`.
    pub has_errors: bool,
    /// Those of the errors.
    pub codes: Vec<ErrorCode>,
}

/// What became of an operation.
pub enum Outcome {
    /// Execution did not begin.
    Rejected(Rejection),
    /// A subscription did not begin because what it needs is not available. Its client must not take it for complete: it
    /// is to come back.
    NotBegun(Rejection),
    /// A whole response, `{"data":…}` with or without `errors`.
    Single(ResponseBody),
    /// A whole response that was sent before, under the same idempotency key.
    Replayed(ResponseBody),
    /// A subscription's events.
    Stream(Events),
}

/// What executes operations, as the transports see it. [`Pipeline`](super::Pipeline) implements it for every engine; cheap
/// to clone.
pub trait Execute: Clone + Send + Sync + 'static {
    /// As whom a caller is admitted.
    type Admitted: Clone + Default + Send + Sync + 'static;

    /// What counts what callers take.
    type Limits: LimitCallers<Self::Admitted>;

    /// What counts what callers take.
    fn limits(&self) -> &Self::Limits;

    /// Runs one operation as far as its outcome is known. Dropping the future gives the operation up, except for a
    /// mutation that has begun.
    fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller<Self::Admitted>,
        transport: Transport,
    ) -> impl Future<Output = Outcome> + Send;

    /// The same for the body of a request that nobody has read yet: an engine may know it already.
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

    /// Says who calls, before anything but the headers is read, and on a socket once its `connection_init` is here. The
    /// transports keep it in [`Caller::admitted`]; what the caller may do is for [`execute`](Self::execute) to decide.
    ///
    /// # Errors
    /// It is nobody who may do anything.
    fn admit(
        &self,
        headers: &HeaderMap,
        connection_init: Option<&ObjectText>,
    ) -> impl Future<Output = Result<Self::Admitted, Rejection>> + Send;

    /// Comes when what a caller was admitted by has ended: then its sockets are closed and its streams end, and it may
    /// come back with what is valid. `None` where it has no end.
    fn ended(&self, caller: &Caller<Self::Admitted>) -> Option<BoxFuture<'static, ()>> {
        let _ = caller;
        None
    }
}

/// Comes when the future does, where there is one.
pub(super) async fn or_never<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
