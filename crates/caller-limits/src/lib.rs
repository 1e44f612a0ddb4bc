//! Limits on callers: concurrent connections, sockets and event streams, bytes of bodies in memory, and the cost of a
//! caller's operations per minute.
//!
//! | what is limited | beyond the total | beyond one caller's limit |
//! | --- | --- | --- |
//! | connections | no more are accepted | new ones of its address are closed |
//! | requests that share a connection | | 429 |
//! | sockets and event streams | 503 | 429 |
//! | bytes of requests that are being read or executed | 503 | 503 |
//! | bytes of responses that are being sent | 503 | 503 |
//! | cost of operations per minute | | 429 |
//!
//! A limit of 0 means no limit. With `LIMITS_MODE=measure` everything is counted and nothing is rejected. Only `limit_callers.rs`
//! knows the transports.
//!
//! ```
//! use broadsheet_caller_limits::CallerLimits;
//! use broadsheet_caller_limits::settings::CallerLimitSettings;
//!
//! let limits = CallerLimits::new(&CallerLimitSettings {
//!     max_connections_per_address: 1,
//!     ..CallerLimitSettings::default()
//! });
//! let first = limits.connect([192, 0, 2, 1].into());
//! assert!(first.is_some());
//! assert!(limits.connect([192, 0, 2, 1].into()).is_none());
//!
//! drop(first);
//! assert!(limits.connect([192, 0, 2, 1].into()).is_some());
//! ```
//!
//! Decision: `docs/decisions/0014-caller-limits.md`.

mod address;
mod bodies;
mod cost;
mod exceeded;
mod limit_callers;
mod metrics;
pub mod overload;
mod rejection;
pub mod settings;
mod slots;
mod traffic;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

pub use self::address::{Network, TrustedProxies};
pub use self::bodies::{BodyBudget, HeldBytes};
pub use self::metrics::LimitStatus;
pub use self::rejection::Rejection;
pub use self::slots::Slot;
pub use self::traffic::Traffic;
pub use graphql_transports::limits::REQUEST_COST;
pub use graphql_transports::{PeerAddress, RateLimit};

use self::cost::Costs;
use self::exceeded::Limit;
use self::settings::CallerLimitSettings;
use self::slots::{Full, Slots};
use broadsheet_admission::Identity;

/// The minimum limit for an address on requests that share connections: what one HTTP/2 connection may have.
pub const OF_ONE_CONNECTION: u32 = 100;

/// What a limit counts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallerKey {
    /// The holder of this token or subject, from any address.
    Identity(Identity),
    /// Callers without a token from this address.
    Network(Network),
}

/// A socket or an event stream that counts for its caller until it is dropped.
pub type StreamSlot = Slot<CallerKey>;

/// Counts the resources that callers use. Clones share everything.
#[derive(Clone)]
pub struct CallerLimits(Arc<Inner>);

struct Inner {
    proxies: TrustedProxies,
    connections: Arc<Slots<Network>>,
    requests: Arc<Slots<Network>>,
    streams: Arc<Slots<CallerKey>>,
    bodies: BodyBudget,
    responses: BodyBudget,
    costs: Option<Costs>,
    traffic: Arc<Traffic>,
}

impl Default for CallerLimits {
    /// Without any limit.
    fn default() -> Self {
        Self::new(&CallerLimitSettings::default())
    }
}

impl CallerLimits {
    /// With these limits.
    pub fn new(settings: &CallerLimitSettings) -> Self {
        let limit = |name| Limit::new(name, settings.limits_mode);
        let requests_of_address = match settings.max_connections_per_address {
            0 => 0,
            connections => connections.max(OF_ONE_CONNECTION as usize),
        };
        Self(Arc::new(Inner {
            proxies: TrustedProxies::new(&settings.trusted_proxies),
            connections: Arc::new(Slots::new(
                (settings.max_connections, limit("connections")),
                (
                    settings.max_connections_per_address,
                    limit("connections_per_address"),
                ),
            )),
            requests: Arc::new(Slots::new(
                (0, limit("requests")),
                (requests_of_address, limit("requests_per_address")),
            )),
            streams: Arc::new(Slots::new(
                (settings.max_streams, limit("streams")),
                (settings.max_streams_per_caller, limit("streams_per_caller")),
            )),
            bodies: BodyBudget::new(
                settings.max_concurrent_body_bytes,
                4,
                limit("concurrent_body_bytes"),
            ),
            // Clients that join an execution share its bytes, which count once for each.
            responses: BodyBudget::new(
                settings.max_concurrent_body_bytes,
                2,
                limit("concurrent_response_bytes"),
            ),
            costs: Costs::new(settings.cost_per_minute, limit("cost_per_minute")),
            traffic: Arc::default(),
        }))
    }

    /// What a request counts for: its token, or else its address, also behind trusted proxies.
    pub fn key(&self, identity: &Identity, peer: PeerAddress, headers: &HeaderMap) -> CallerKey {
        match identity {
            Identity::Anonymous => CallerKey::Network(self.network(peer, headers)),
            other => CallerKey::Identity(other.clone()),
        }
    }

    /// The network that a request comes from, also behind trusted proxies.
    pub fn network(&self, PeerAddress(peer): PeerAddress, headers: &HeaderMap) -> Network {
        Network::of(self.0.proxies.client(peer, headers))
    }

    /// Completes when one more connection may be accepted.
    pub async fn room_for_connection(&self) {
        self.0.connections.room().await;
    }

    /// Counts a connection of this peer until the slot is dropped; `None` where its address has too many. Trusted
    /// proxies carry the connections of many clients, so the limit does not apply to them.
    pub fn connect(&self, peer: IpAddr) -> Option<Slot<Network>> {
        let key = (!self.0.proxies.trust(peer)).then(|| Network::of(peer));
        // The total was checked by `room_for_connection`, before the connection was accepted.
        self.0.connections.take_after_room(key)
    }

    /// Counts a request of this peer that shares its connection with another, until the slot is dropped. An HTTP/2
    /// connection carries many requests, so limits that elsewhere count connections (memory, small bodies) would
    /// otherwise allow many times as much. `None` for trusted proxies.
    ///
    /// # Errors
    /// The address already has the maximum: the larger of its limit on connections and the number that [one
    /// connection](OF_ONE_CONNECTION) may have.
    pub fn share_connection(&self, peer: IpAddr) -> Result<Option<Slot<Network>>, Rejection> {
        if self.0.proxies.trust(peer) {
            return Ok(None);
        }
        let requests = &self.0.requests;
        let slot = requests.take(Network::of(peer));
        let too_many = |_| Rejection::TooManyRequestsOfAddress(requests.max_for_one());
        slot.map(Some).map_err(too_many)
    }

    /// Counts a socket or an event stream of this caller until the slot is dropped.
    ///
    /// # Errors
    /// There are too many.
    pub fn open_stream(&self, key: CallerKey) -> Result<StreamSlot, Rejection> {
        self.0.streams.take(key).map_err(|full| self.too_many(full))
    }

    /// Counts a socket for another caller, once it has authenticated.
    ///
    /// # Errors
    /// That caller has too many. The socket still counts for the previous one.
    pub fn hand_over(&self, slot: &mut StreamSlot, key: CallerKey) -> Result<(), Rejection> {
        slot.hand_over(key).map_err(|full| self.too_many(full))
    }

    fn too_many(&self, full: Full) -> Rejection {
        match full {
            Full::ForAll => Rejection::TooManyStreams,
            Full::ForOne => Rejection::TooManyStreamsOfCaller(self.0.streams.max_for_one()),
        }
    }

    /// Charges the caller that `key` returns, and returns what it has left; `None` where there is no limit.
    ///
    /// # Errors
    /// It has too little left.
    pub fn charge(
        &self,
        key: impl FnOnce() -> CallerKey,
        cost: u64,
    ) -> Result<Option<RateLimit>, Rejection> {
        match &self.0.costs {
            Some(costs) => costs.charge(key(), cost).map(Some),
            None => Ok(None),
        }
    }

    /// Charges a caller as soon as it has enough left; for long-running operations.
    pub async fn charge_when_possible(&self, key: &CallerKey, cost: u64) {
        let Some(costs) = &self.0.costs else {
            return;
        };
        let cost = cost.min(costs.per_minute().into());
        while let Err(Rejection::Spent { wait, .. }) = costs.charge(key.clone(), cost) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts bytes of a response as soon as there is room for them; for long-running operations.
    pub async fn keep_when_possible(&self, bytes: Bytes, owner: Network) -> Bytes {
        const RETRY_INTERVAL: Duration = Duration::from_millis(100);
        loop {
            match self.0.responses.keep(bytes.clone(), bytes.len(), || owner) {
                Ok(bytes) => return bytes,
                Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
            }
        }
    }

    /// The counter of the bytes of connections.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.0.traffic)
    }

    /// The limit on the bytes of request bodies in memory.
    pub fn bodies(&self) -> &BodyBudget {
        &self.0.bodies
    }

    /// The limit on the bytes of responses in memory.
    pub fn responses(&self) -> &BodyBudget {
        &self.0.responses
    }
}
