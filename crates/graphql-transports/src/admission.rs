//! Who may call: what the transports ask before they read or execute anything.

use std::convert::Infallible;

use axum::http::HeaderMap;
use futures_util::future::BoxFuture;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

use super::rejection::Rejection;

/// Decides who calls and what they may do, the same on every transport. Cheap to clone.
///
/// The order in which the transports ask is the order in which rejections win: [`admit`](Self::admit) when only the head
/// of a request has been read (on a socket, once `connection_init` is there), [`check`](Self::check) when the document
/// turns out to be a query, a mutation or a subscription, before anything is kept for others or shared with them.
pub trait Admit: Clone + Send + Sync + 'static {
    /// As whom a caller is admitted. The default is somebody who may do nothing yet: a socket before `connection_init`.
    type Caller: Clone + Default + Send + Sync + 'static;

    /// Why a caller is not admitted.
    type Error: Into<Rejection> + Send;

    /// Says who calls, by the headers of a request, or by the headers of a WebSocket's handshake and the payload of its
    /// `connection_init`; an empty object where that has none.
    ///
    /// # Errors
    /// It is nobody who may do anything. On a socket, 503 closes with 1013, anything else with 4403.
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

    /// Comes when what a caller was admitted by has ended: then its sockets are closed with 4403 and its event streams end.
    /// `None` where it has no end.
    fn ended(&self, caller: &Self::Caller) -> Option<BoxFuture<'static, ()>> {
        let _ = caller;
        None
    }

    /// What tells a caller from all others, as up to three texts: idempotency keys of different callers never meet.
    fn identity<'c>(&self, caller: &'c Self::Caller) -> [Option<&'c str>; 3] {
        let _ = caller;
        [None; 3]
    }
}

/// Admits everybody to everything.
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
