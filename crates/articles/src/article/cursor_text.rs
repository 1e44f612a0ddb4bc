//! Opaque texts, such as cursors: bytes with a checksum, in base64url.
//!
//! The checksum detects damaged texts. It is not a signature: a forged cursor gives access to nothing that could not be
//! requested anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const CHECKSUM_BYTES: usize = 4;

/// Encodes `bytes` as a text.
pub(super) fn encode(mut bytes: Vec<u8>) -> String {
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a text; `None` where it is damaged.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let checksum = bytes.split_off(bytes.len().checked_sub(CHECKSUM_BYTES)?);
    (crc32fast::hash(&bytes).to_be_bytes() == *checksum).then_some(bytes)
}
