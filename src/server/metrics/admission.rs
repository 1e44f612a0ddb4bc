//! Metrics of admission. Its labels have few values: reasons, names of tokens, and issuers; never the subject of a JWT.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::admission::Admission;

/// Read when metrics are requested.
pub(super) struct AdmissionMetrics(pub(super) Admission);

impl std::fmt::Debug for AdmissionMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdmissionMetrics")
    }
}

impl Collector for AdmissionMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Self(admission) = self;
        let mut counters = |name, help, label, values: Vec<(String, u64)>| {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (value, count) in values {
                let labels = [(label, value)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
            Ok::<_, Error>(())
        };
        let rejections = admission.rejections().into_iter();
        counters(
            "admission_rejections",
            "Callers who were not admitted",
            "reason",
            rejections
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
        )?;
        counters(
            "token_uses",
            "Uses of static tokens since the start",
            "token",
            admission.token_uses(),
        )?;
        let issuers = admission.status();
        let name = |issuer: &Option<String>| issuer.clone().unwrap_or_else(|| "any".to_owned());
        let failures = issuers
            .iter()
            .map(|issuer| (name(&issuer.issuer), issuer.failures));
        counters(
            "jwt_key_failures",
            "Failed fetches of a newer key set",
            "issuer",
            failures.collect(),
        )?;
        let failed = ConstCounter::new(admission.failed_reloads());
        let help = "Failed reloads of tokens or keys";
        let kind = failed.metric_type();
        failed.encode(encoder.encode_descriptor(
            "admission_failed_reloads",
            help,
            None,
            kind,
        )?)?;
        let help = "Keys for JWTs that are in force";
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut family = encoder.encode_descriptor("jwt_keys", help, None, kind)?;
        for issuer in &issuers {
            let labels = [("issuer", name(&issuer.issuer))];
            let keys = ConstGauge::new(i64::try_from(issuer.keys).unwrap_or(i64::MAX));
            keys.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
