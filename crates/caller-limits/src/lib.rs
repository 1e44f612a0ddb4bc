//! Limits on callers: how many connections, sockets and event streams, and how many bytes of bodies there may be at once,
//! and what a caller may spend in a minute.
//!
//! | what | for all | for one |
//! | --- | --- | --- |
//! | connections | no more are accepted | those of its address are closed |
//! | requests that share a connection | | 429 |
//! | sockets and event streams | 503 | 429 |
//! | bytes of requests that are being read or executed | 503 | 503 beyond its share |
//! | bytes of responses that are being sent | 503 | 503 beyond its share |
//! | cost of its operations in a minute | | 429 |
//!
//! A limit of 0 is none. With `LIMITS_MODE=measure` everything is counted and nothing is rejected. Only `limit_callers.rs`
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

/// An address may always have so many requests that share connections: those of one connection of HTTP/2.
pub const OF_ONE_CONNECTION: u32 = 100;

/// Whom a limit counts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallerKey {
    /// Whoever has this token or subject, wherever it calls from.
    Identity(Identity),
    /// Whoever calls from there without a token.
    Network(Network),
}

/// A socket or an event stream that counts for its caller until it is dropped.
pub type StreamSlot = Slot<CallerKey>;

/// Counts what callers take. Clones share everything.
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
            // Clients that join an execution share its bytes, which count for each.
            responses: BodyBudget::new(
                settings.max_concurrent_body_bytes,
                2,
                limit("concurrent_response_bytes"),
            ),
            costs: Costs::new(settings.cost_per_minute, limit("cost_per_minute")),
            traffic: Arc::default(),
        }))
    }

    /// Whom a request counts for: its token, or else the address that it comes from, behind trusted proxies too.
    pub fn key(&self, identity: &Identity, peer: PeerAddress, headers: &HeaderMap) -> CallerKey {
        match identity {
            Identity::Anonymous => CallerKey::Network(self.network(peer, headers)),
            other => CallerKey::Identity(other.clone()),
        }
    }

    /// Where a request comes from, behind trusted proxies too.
    pub fn network(&self, PeerAddress(peer): PeerAddress, headers: &HeaderMap) -> Network {
        Network::of(self.0.proxies.client(peer, headers))
    }

    /// Comes when one more connection may be accepted.
    pub async fn room_for_connection(&self) {
        self.0.connections.room().await;
    }

    /// Counts a connection of this peer until the slot is dropped; `None` where its address has too many. Proxies that are
    /// trusted have the connections of many.
    pub fn connect(&self, peer: IpAddr) -> Option<Slot<Network>> {
        let key = (!self.0.proxies.trust(peer)).then(|| Network::of(peer));
        // Whether there is room for all was asked before it was accepted.
        self.0.connections.take_after_room(key)
    }

    /// Counts a request of this peer that shares its connection with another, until the slot is dropped: a connection of
    /// HTTP/2 has many, and what is counted by connections elsewhere (memory, bodies that are small) would be as many times
    /// as much. `None` for proxies that are trusted.
    ///
    /// # Errors
    /// Its address has as many as it may have connections, and as [one connection](OF_ONE_CONNECTION) may have.
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

    /// Counts a socket for another caller, once it is known whose it is.
    ///
    /// # Errors
    /// That caller has too many. The socket still counts for the one before.
    pub fn hand_over(&self, slot: &mut StreamSlot, key: CallerKey) -> Result<(), Rejection> {
        slot.hand_over(key).map_err(|full| self.too_many(full))
    }

    fn too_many(&self, full: Full) -> Rejection {
        match full {
            Full::ForAll => Rejection::TooManyStreams,
            Full::ForOne => Rejection::TooManyStreamsOfCaller(self.0.streams.max_for_one()),
        }
    }

    /// Charges the caller that `key` tells, and says what it has left; `None` where callers may spend what they like.
    ///
    /// # Errors
    /// It has not enough left.
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

    /// Charges a caller as soon as it has enough left, of what goes on for long.
    pub async fn charge_in_time(&self, key: &CallerKey, cost: u64) {
        let Some(costs) = &self.0.costs else {
            return;
        };
        let cost = cost.min(costs.per_minute().into());
        while let Err(Rejection::Spent { wait, .. }) = costs.charge(key.clone(), cost) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts bytes of a response as soon as there is room for them, of what goes on for long.
    pub async fn keep_in_time(&self, bytes: Bytes, owner: Network) -> Bytes {
        const AGAIN: Duration = Duration::from_millis(100);
        loop {
            match self.0.responses.keep(bytes.clone(), bytes.len(), || owner) {
                Ok(bytes) => return bytes,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// What counts the bytes of connections.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.0.traffic)
    }

    /// The bytes of bodies of requests that may be there at once.
    pub fn bodies(&self) -> &BodyBudget {
        &self.0.bodies
    }

    /// The bytes of responses that may be there at once.
    pub fn responses(&self) -> &BodyBudget {
        &self.0.responses
    }
}
