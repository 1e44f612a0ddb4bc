//! The state of the limits, for metrics.

use super::CallerLimits;
use super::cost::Costs;
use super::exceeded::Limit;

/// What is in use at the moment, and how often limits were exceeded.
#[derive(Clone, Debug)]
pub struct LimitStatus {
    /// Open connections.
    pub connections: usize,
    /// Open WebSockets and event streams.
    pub streams: usize,
    /// Bytes of request bodies that are being read or executed.
    pub body_bytes: usize,
    /// Bytes of larger responses that are being sent.
    pub response_bytes: usize,
    /// Bytes received from and sent to clients since the start.
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// Bytes of request bodies and of socket messages since the start, after decompression.
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
