//! The trait through which the GraphQL transports use the limits on callers.

use bytes::Bytes;
use graphql_transports::{LimitCallers, RateLimit};

use super::{CallerKey, CallerLimits, HeldBytes, Rejection, StreamSlot};

type Caller = graphql_transports::Caller<broadsheet_admission::Caller>;

impl LimitCallers<broadsheet_admission::Caller> for CallerLimits {
    type Stream = StreamSlot;
    type Bytes<'l> = HeldBytes<'l>;
    type Error = Rejection;

    fn charge(&self, caller: &Caller, cost: u64) -> Result<Option<RateLimit>, Rejection> {
        self.charge(|| key(self, caller), cost)
    }

    fn open_stream(&self, caller: &Caller) -> Result<StreamSlot, Rejection> {
        self.open_stream(key(self, caller))
    }

    fn hand_over(&self, stream: &mut StreamSlot, caller: &Caller) -> Result<(), Rejection> {
        self.hand_over(stream, key(self, caller))
    }

    fn hold(&self) -> HeldBytes<'_> {
        self.bodies().hold()
    }

    fn add(
        &self,
        held: &mut HeldBytes<'_>,
        bytes: usize,
        caller: &Caller,
    ) -> Result<(), Rejection> {
        held.add(bytes, || self.network(caller.peer, &caller.headers))
    }

    fn keep(&self, response: Bytes, count: usize, caller: &Caller) -> Result<Bytes, Rejection> {
        let owner = || self.network(caller.peer, &caller.headers);
        self.responses().keep(response, count, owner)
    }
}

/// What limits count a caller for.
fn key(limits: &CallerLimits, caller: &Caller) -> CallerKey {
    limits.key(caller.admitted.identity(), caller.peer, &caller.headers)
}

impl From<Rejection> for graphql_transports::Rejection {
    fn from(rejection: Rejection) -> Self {
        Self {
            headers: rejection.headers(),
            ..Self::new(rejection.status(), rejection.code(), rejection.to_string())
        }
    }
}
