//! The trait by which the transports decide whether to read and execute a request.

use std::convert::Infallible;

use axum::http::HeaderMap;
use futures_util::future::BoxFuture;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

use super::rejection::Rejection;

/// Decides who calls and what they may do, in the same way on every transport. Cheap to clone.
///
/// The order of the calls determines which rejection a request gets: [`admit`](Self::admit) after only the head of a
/// request was read (on a socket, after `connection_init`); [`check`](Self::check) when it is known whether the
/// document is a query, a mutation or a subscription, and before anything is cached or shared with others.
pub trait Admit: Clone + Send + Sync + 'static {
    /// An admitted caller. The default may do nothing yet: it is that of a socket before `connection_init`.
    type Caller: Clone + Default + Send + Sync + 'static;

    /// Why a caller is not admitted.
    type Error: Into<Rejection> + Send;

    /// The caller of a request, by its headers, or by the headers of a WebSocket's handshake and the payload of its
    /// `connection_init`; an empty object where there is no payload.
    ///
    /// # Errors
    /// The caller may do nothing at all. On a socket, 503 closes with 1013, any other status with 4403.
    fn admit(
        &self,
        headers: &HeaderMap,
        connection_init: Option<&ObjectText>,
    ) -> impl Future<Output = Result<Self::Caller, Self::Error>> + Send;

    /// Whether the caller may execute an operation of this kind.
    ///
    /// # Errors
    /// It may not.
    fn check(&self, caller: &Self::Caller, kind: OperationKind) -> Result<(), Self::Error>;

    /// Completes when the caller's credential is no longer valid: its sockets are then closed with 4403, and its event
    /// streams end. `None` for a credential that never expires.
    fn ended(&self, caller: &Self::Caller) -> Option<BoxFuture<'static, ()>> {
        let _ = caller;
        None
    }

    /// Up to three texts that together identify the caller: the idempotency keys of different callers are independent.
    fn identity<'c>(&self, caller: &'c Self::Caller) -> [Option<&'c str>; 3] {
        let _ = caller;
        [None; 3]
    }
}

/// Admits every caller to everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdmitAll;

impl Admit for AdmitAll {
    type Caller = ();
    type Error = Infallible;

    async fn admit(&self, _: &HeaderMap, _: Option<&ObjectText>) -> Result<(), Infallible> {
        Ok(())
    }

    fn check(&self, (): &(), _: OperationKind) -> Result<(), Infallible> {
        Ok(())
    }
}

impl From<Infallible> for Rejection {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
