//! Mutates inputs.

use fastrand::Rng;

/// The longest input, in bytes.
const MAX_BYTES: usize = 4_096;

/// Numbers at which programs often have bugs.
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "1e999",
    "2147483648",
    "9223372036854775808",
    "0.1",
    "00",
    "1E-7",
    "65536",
    "-0",
];

/// Changes a copy of `input` in one to eight places, with parts of `other` and words of the dictionary.
pub(crate) fn mutate(input: &[u8], other: &[u8], dictionary: &[&str], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..rng.usize(1..=8) {
        change(&mut bytes, other, dictionary, rng);
        // Most inputs differ from a known one in only a few places.
        if rng.bool() {
            break;
        }
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dictionary: &[&str], rng: &mut Rng) {
    let at = rng.usize(0..=bytes.len());
    let part = part(bytes.len(), rng);
    match rng.u8(0..10) {
        0 => set(bytes, at, rng.u8(..)),
        1 => set(
            bytes,
            at,
            *rng.choice(b" \"\\{}[]():,.-$@!\n\0#&=%").unwrap_or(&0),
        ),
        2 => drop(bytes.drain(part)),
        3 => {
            let copy = bytes[part].to_vec();
            insert(bytes, at, &copy.repeat(rng.usize(1..=20)));
        }
        4 => {
            let from = self::part(other.len(), rng);
            insert(bytes, at, &other[from]);
        }
        5 => {
            let from = rng.usize(0..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        6 => insert(bytes, at, rng.choice(NUMBERS).unwrap_or("").as_bytes()),
        7 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.u8(0..8);
            }
        }
        _ => {
            let word = rng.choice(dictionary.iter()).map_or("", |word| word);
            insert(bytes, at, word.as_bytes());
        }
    }
}

/// A short range within this length.
fn part(length: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let from = rng.usize(0..=length);
    let most = match rng.u8(0..4) {
        0 => length,
        _ => 16,
    };
    from..(from + rng.usize(0..=most)).min(length)
}

fn set(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, inserted: &[u8]) {
    bytes.splice(at..at, inserted.iter().take(MAX_BYTES).copied());
}
