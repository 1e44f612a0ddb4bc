//! The format of a static token: `bs_`, 32 random bytes in base62, and a checksum.
//!
//! With the checksum, a scanner for leaked secrets can be certain of a match, and `broadsheet token check` can
//! distinguish a mistyped token from an unknown one. Admission itself checks neither prefix nor checksum, only the
//! digest.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::digest::Digest;

pub(super) const PREFIX: &str = "bs_";
/// The number of digits that 256 bits need.
const RANDOM_DIGITS: usize = 43;
/// The number of digits that a CRC-32 needs.
const CHECKSUM_DIGITS: usize = 6;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The secret of a new token. It is shown once and stored nowhere.
pub struct TokenSecret(String);

/// The operating system returned no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub struct NoRandomness;

impl TokenSecret {
    /// Generates a secret from the operating system's randomness.
    ///
    /// # Errors
    /// The operating system returns no random bytes.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| NoRandomness)?;
        Ok(Self::from_bytes(bytes))
    }

    pub(super) fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let random = base62::<RANDOM_DIGITS>(&mut bytes);
        let checksum = checksum(&random);
        Self(format!("{PREFIX}{random}{checksum}"))
    }

    /// The token as its holder sends it.
    pub fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// Whether a text has the form of a static token and its checksum is right, so that it was not mistyped.
pub fn is_well_formed(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .filter(|body| body.len() == RANDOM_DIGITS + CHECKSUM_DIGITS)
        .and_then(|body| body.split_at_checked(RANDOM_DIGITS))
        .is_some_and(|(random, sum)| {
            random.bytes().all(|digit| DIGITS.contains(&digit)) && checksum(random) == sum
        })
}

fn checksum(random: &str) -> String {
    let mut crc = crc32fast::hash(random.as_bytes()).to_be_bytes();
    base62::<CHECKSUM_DIGITS>(&mut crc)
}

/// The last `N` base-62 digits of a number given as big-endian bytes. Overwrites the bytes.
fn base62<const N: usize>(number: &mut [u8]) -> String {
    let mut digits = [DIGITS[0]; N];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in number.iter_mut() {
            let dividend = remainder * 256 + u32::from(*byte);
            // Below 256, since the remainder is below 62.
            *byte = u8::try_from(dividend / 62).unwrap_or_default();
            remainder = dividend % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_32_bytes_in_base62_with_a_checksum() {
        let zero = TokenSecret::from_bytes([0; 32]);
        assert_eq!(zero.text(), format!("bs_{}2CZclj", "0".repeat(43)));
        let mut small = [0; 32];
        small[30..].copy_from_slice(&(61 * 62 + 10_u16).to_be_bytes());
        assert!(TokenSecret::from_bytes(small).text()[..46].ends_with("0zA"));
        // 2²⁵⁶ − 1 in base 62.
        let most = TokenSecret::from_bytes([255; 32]);
        assert_eq!(
            most.text()[..46],
            *"bs_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"
        );
    }

    #[test]
    fn secrets_are_well_formed_and_differ() {
        let [one, other] = [TokenSecret::random(), TokenSecret::random()].map(Result::unwrap);
        assert!(is_well_formed(one.text()));
        assert_eq!(one.text().len(), 52);
        assert_ne!(one.text(), other.text());
        assert_eq!(format!("{one:?}"), "TokenSecret(…)");
    }

    #[test]
    fn one_wrong_character_anywhere_is_noticed() {
        let secret = TokenSecret::from_bytes(*b"0123456789abcdef0123456789abcdef");
        let text = secret.text();
        assert!(is_well_formed(text));
        for place in 0..text.len() {
            for wrong in ["x", "0", "-", " "] {
                let mut changed = text.to_owned();
                changed.replace_range(place..=place, wrong);
                assert_eq!(is_well_formed(&changed), changed == text, "{changed}");
            }
        }
        for wrong in ["", "bs_", &text[..51], &format!("{text}0"), &"é".repeat(26)] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }
}
