//! Traces, which are off unless OpenTelemetry's environment variables name a collector.

use std::time::Duration;

use otlp_spans::{EndpointError, Sampler, Tracer, TracerSettings, UnknownSampler};

use crate::config::ObserveSettings;

/// How long a server that stops waits for its last spans to be sent.
pub(super) const FLUSH: Duration = Duration::from_secs(3);

/// Why requests cannot be traced with these settings.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_HEADERS: {0}")]
    Endpoint(#[from] EndpointError),
    #[error("OTEL_TRACES_SAMPLER: {0}")]
    Sampler(#[from] UnknownSampler),
}

/// The tracer, if a collector is configured.
pub(super) fn start(settings: &ObserveSettings) -> Result<Option<Tracer>, TracesError> {
    let sampler = Sampler::new(
        &settings.otel_traces_sampler,
        settings.otel_traces_sampler_arg,
    )?;
    let Some(endpoint) = &settings.otel_exporter_otlp_endpoint else {
        return Ok(None);
    };
    let tracer = Tracer::start(TracerSettings {
        // OpenTelemetry's specification defines this path for an endpoint for all signals.
        endpoint: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
        headers: settings.otel_exporter_otlp_headers.clone(),
        service_name: settings.otel_service_name.clone(),
        service_version: env!("CARGO_PKG_VERSION"),
        sampler,
    })?;
    Ok(Some(tracer))
}
