//! W3C Trace Context: parses and writes the header `traceparent`.

use base16ct::HexDisplay;
use uuid::Uuid;

use super::sampler::Sampler;

/// The header with the trace and the span of the caller.
pub const TRACEPARENT: &str = "traceparent";

/// The trace of a request, and the request's own span in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "the specification has these names"
)]
pub struct Trace {
    pub(crate) trace_id: [u8; 16],
    /// The span of the request.
    pub(crate) span_id: [u8; 8],
    /// The span of the caller, if any.
    pub(crate) parent: Option<[u8; 8]>,
    /// Whether its spans are sent.
    pub is_sampled: bool,
}

impl Trace {
    pub(crate) fn begin(traceparent: Option<&str>, sampler: Sampler) -> Self {
        let caller = traceparent.and_then(read);
        let trace_id = caller.map_or_else(|| Uuid::new_v4().into_bytes(), |caller| caller.trace_id);
        let is_sampled = sampler.samples(trace_id, caller.map(|caller| caller.is_sampled));
        Self {
            trace_id,
            span_id: new_span_id(),
            parent: caller.map(|caller| caller.span_id),
            is_sampled,
        }
    }

    /// The value of `traceparent` with the request's own span.
    pub fn traceparent(&self) -> String {
        format!(
            "00-{:x}-{:x}-{:02x}",
            HexDisplay(&self.trace_id),
            HexDisplay(&self.span_id),
            u8::from(self.is_sampled)
        )
    }

    /// The id of the trace, as logs and trace viewers show it.
    pub fn id(&self) -> String {
        format!("{:x}", HexDisplay(&self.trace_id))
    }
}

/// A new span id. The first half of a random UUID is never zero, because it contains the UUID's version.
pub(crate) fn new_span_id() -> [u8; 8] {
    let bytes = Uuid::new_v4().into_bytes();
    std::array::from_fn(|place| bytes[place])
}

#[derive(Clone, Copy)]
struct Caller {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    is_sampled: bool,
}

/// Parses the header. Later versions may append further fields.
fn read(text: &str) -> Option<Caller> {
    let mut parts = text.trim().splitn(5, '-');
    let version: [u8; 1] = hex(parts.next()?)?;
    let trace_id: [u8; 16] = hex(parts.next()?)?;
    let span_id: [u8; 8] = hex(parts.next()?)?;
    let [flags]: [u8; 1] = hex(parts.next()?)?;
    let is_valid = match version {
        [0] => parts.next().is_none(),
        [version] => version != 0xff,
    };
    let is_caller = is_valid && trace_id != [0; 16] && span_id != [0; 8];
    is_caller.then_some(Caller {
        trace_id,
        span_id,
        is_sampled: flags & 1 == 1,
    })
}

/// Parses lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (base16ct::lower::decode(text, &mut bytes).ok()?.len() == N).then_some(bytes)
}
