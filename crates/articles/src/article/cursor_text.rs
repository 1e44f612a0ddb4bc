//! Opaque texts, such as cursors: bytes with a checksum, in base64url.
//!
//! The checksum tells a damaged text from a whole one. It is no signature: who makes one up gets nothing that could
//! not be asked for anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const CHECKSUM_BYTES: usize = 4;

/// The text that carries `bytes`.
pub(super) fn encode(mut bytes: Vec<u8>) -> String {
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes that a text carries; `None` where it is damaged.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let checksum = bytes.split_off(bytes.len().checked_sub(CHECKSUM_BYTES)?);
    (crc32fast::hash(&bytes).to_be_bytes() == *checksum).then_some(bytes)
}
