//! The number of subscribers to the change feed, and how far it and they are behind.

use std::fmt::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::timeout;

use crate::api::Api;
use crate::store::FeedLag;

/// The minimum time between two queries to the database, because metrics may be requested often.
const QUERY_INTERVAL: Duration = Duration::from_secs(1);

/// How long metrics wait for the query. Without a result its metrics are left out.
const QUERY_TIMEOUT: Duration = Duration::from_millis(500);

/// Read when metrics are requested. Clones share the query's result.
#[derive(Clone)]
pub(super) struct FeedMetrics(Arc<Inner>);

struct Inner {
    api: Api,
    /// Locked during the query.
    asked_at: tokio::sync::Mutex<Option<Instant>>,
    lag: Mutex<Option<FeedLag>>,
}

impl FeedMetrics {
    pub(super) fn new(api: Api) -> Self {
        Self(Arc::new(Inner {
            api,
            asked_at: tokio::sync::Mutex::default(),
            lag: Mutex::default(),
        }))
    }

    /// Queries how far the feed is behind, unless a query is running or has just ended.
    pub(super) async fn refresh(&self) {
        let Ok(mut asked_at) = self.0.asked_at.try_lock() else {
            return;
        };
        if asked_at.is_some_and(|at| at.elapsed() < QUERY_INTERVAL) {
            return;
        }
        *asked_at = Some(Instant::now());
        let lag = timeout(QUERY_TIMEOUT, self.0.api.feed_lag()).await;
        let mut kept = self.0.lag.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = lag.ok().and_then(Result::ok);
    }
}

impl std::fmt::Debug for FeedMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FeedMetrics")
    }
}

impl Collector for FeedMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let subscribers = i64::try_from(self.0.api.subscribers()).unwrap_or(i64::MAX);
        let mut gauges = vec![(
            "feed_subscribers",
            "Subscriptions to the changes of articles",
            subscribers,
        )];
        let lag = *self.0.lag.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.extend(lag.iter().flat_map(|lag| {
            [
                (
                    "feed_unnumbered_changes",
                    "Changes that have committed and have no position in the feed yet",
                    lag.unnumbered,
                ),
                (
                    "feed_unsent_changes",
                    "Changes in the feed that the slowest subscriber of this server has not received",
                    lag.unsent,
                ),
            ]
        }));
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        if let Some(lag) = lag {
            let gauge = ConstGauge::new(lag.unsent_for.as_secs_f64());
            let help = "How long the first of those has been in the feed";
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor("feed_unsent_seconds", help, None, kind)?)?;
        }
        Ok(())
    }
}
