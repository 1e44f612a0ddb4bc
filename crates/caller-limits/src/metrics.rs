//! What metrics show of the limits.

use super::CallerLimits;
use super::cost::Costs;
use super::exceeded::Limit;

/// What there is at the moment, and how often limits were exceeded.
#[derive(Clone, Debug)]
pub struct LimitStatus {
    /// Connections that are open.
    pub connections: usize,
    /// WebSockets and event streams that are open.
    pub streams: usize,
    /// Bytes of bodies that are being read or executed.
    pub body_bytes: usize,
    /// Bytes of larger responses that are being sent.
    pub response_bytes: usize,
    /// Bytes of connections since the start, from clients and to them.
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// Bytes of the bodies of requests, and of messages on sockets, since the start; without their encoding.
    pub request_body_bytes: u64,
    /// How often each limit was exceeded since the start, by its name.
    pub exceeded: Vec<(&'static str, u64)>,
}

impl CallerLimits {
    /// For metrics.
    pub fn status(&self) -> LimitStatus {
        let inner = &self.0;
        let limits = inner.connections.limits().into_iter();
        let [_, requests_of_address] = inner.requests.limits();
        let limits = limits.chain([requests_of_address]);
        let limits = limits.chain(inner.streams.limits());
        let limits = limits.chain([inner.bodies.limit(), inner.responses.limit()]);
        let limits = limits.chain(inner.costs.iter().map(Costs::limit));
        LimitStatus {
            connections: inner.connections.count(),
            streams: inner.streams.count(),
            body_bytes: inner.bodies.bytes(),
            response_bytes: inner.responses.bytes(),
            received_bytes: inner.traffic.received(),
            sent_bytes: inner.traffic.sent(),
            request_body_bytes: inner.bodies.total(),
            exceeded: limits
                .map(|limit: &Limit| (limit.name, limit.count()))
                .collect(),
        }
    }
}
