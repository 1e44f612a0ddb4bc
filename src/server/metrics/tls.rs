//! Metrics of the certificate.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;

use crate::connections::Tls;

/// Read when metrics are requested. Without a certificate there are no failures.
pub(super) struct TlsMetrics(pub(super) Option<Tls>);

impl std::fmt::Debug for TlsMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsMetrics")
    }
}

impl Collector for TlsMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let failed = ConstCounter::new(self.0.as_ref().map_or(0, Tls::failed_reloads));
        let help = "Failed reloads of the TLS certificate";
        let kind = failed.metric_type();
        failed.encode(encoder.encode_descriptor("tls_failed_reloads", help, None, kind)?)
    }
}
