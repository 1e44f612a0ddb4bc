//! Which requests are sampled, by the names that OpenTelemetry gives samplers (`OTEL_TRACES_SAMPLER`).

/// Which requests are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether the caller's decision is used for a request whose caller traces it.
    follows_parent: bool,
    /// The fraction of the other requests that is sampled, in units of 2⁻⁵⁶.
    of_56_bits: u64,
}

/// The name is not that of a sampler, or its argument is not a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
     parentbased_traceidratio, the ratio being a number from 0 to 1"
)]
pub struct UnknownSampler;

const ALL: u64 = 1 << 56;

impl Sampler {
    /// The sampler with this name; `ratio` applies to names that end in `traceidratio`.
    ///
    /// # Errors
    /// There is none, or the ratio is not from 0 to 1.
    pub fn new(name: &str, ratio: f64) -> Result<Self, UnknownSampler> {
        let (follows_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let of_56_bits = match root {
            "always_on" => ALL,
            "always_off" => 0,
            "traceidratio" if (0.0..=1.0).contains(&ratio) => part(ratio),
            _ => return Err(UnknownSampler),
        };
        Ok(Self {
            follows_parent,
            of_56_bits,
        })
    }

    /// Whether a request is sampled. `parent` is the caller's decision, if the caller traces it.
    pub(crate) fn samples(self, trace_id: [u8; 16], parent: Option<bool>) -> bool {
        match parent {
            Some(is_sampled) if self.follows_parent => is_sampled,
            // The last 7 bytes of an id are random (W3C Trace Context, level 2).
            _ => random(trace_id) < self.of_56_bits,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is from 0 to 2⁵⁶"
)]
fn part(ratio: f64) -> u64 {
    (ratio * ALL as f64) as u64
}

fn random(trace_id: [u8; 16]) -> u64 {
    let last = trace_id.iter().skip(9);
    last.fold(0, |number, &byte| number << 8 | u64::from(byte))
}
