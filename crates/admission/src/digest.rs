//! SHA-256 of a token: it identifies a static token, and is the cache key of a JWT that was seen before.

use std::fmt;
use std::str::FromStr;

use base16ct::HexDisplay;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a secret that is random enough for its digest to be public.
///
/// The timing of a lookup in a map reveals at most how the digest begins, and the secret cannot be computed from that.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    /// 64 digits in lower case, as `sha256sum` prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&HexDisplay(&self.0), f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}…", HexDisplay(&self.0[..4]))
    }
}

/// The text is not the 64 digits of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits")]
pub(super) struct InvalidDigest;

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        match base16ct::mixed::decode(text, &mut bytes) {
            Ok(all) if all.len() == 32 => Ok(Self(bytes)),
            _ => Err(InvalidDigest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_and_read_as_sha256sum_prints_it() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of("abc").to_string(), text);
        assert_eq!(text.parse(), Ok(Digest::of("abc")));
        assert_eq!(text.to_uppercase().parse(), Ok(Digest::of("abc")));
    }

    #[test]
    fn other_texts_are_rejected() {
        let short = "a".repeat(63);
        let long = "a".repeat(65);
        let signed = format!("+{}", "a".repeat(63));
        for wrong in ["", &short, &long, &signed, &"é".repeat(32)] {
            assert_eq!(wrong.parse::<Digest>(), Err(InvalidDigest), "{wrong}");
        }
    }
}
