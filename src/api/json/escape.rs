//! Writes texts as JSON strings, in blocks.
//!
//! Few characters of an article need an escape (RFC 8259, section 7), and all of them are single bytes. Checking a
//! whole block for them takes a few instructions, so most text is copied in blocks instead of byte by byte.

/// The number of bytes that are checked together.
const BLOCK: usize = 32;

/// Writes a text with its quotes.
pub(in crate::api) fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    // Everything before this index is written.
    let mut written = 0;
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        // Checks every byte without branching, so that the compiler can use SIMD.
        if block
            .iter()
            .fold(false, |any, &byte| any | is_escaped(byte))
        {
            let (plain, rest) = bytes[written..].split_at(index * BLOCK - written);
            out.extend_from_slice(plain);
            escaped(out, &rest[..block.len()]);
            written = index * BLOCK + block.len();
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, ..b' ' | b'"' | b'\\')
}

fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for run in bytes.chunk_by(|&before, &after| !is_escaped(before) && !is_escaped(after)) {
        match *run {
            [byte] if is_escaped(byte) => {
                let short = match byte {
                    b'"' | b'\\' => byte,
                    b'\n' => b'n',
                    b'\r' => b'r',
                    b'\t' => b't',
                    0x08 => b'b',
                    0x0c => b'f',
                    _ => {
                        let [high, low] = [byte >> 4, byte & 15].map(|half| HEX[usize::from(half)]);
                        out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                        continue;
                    }
                };
                out.extend_from_slice(&[b'\\', short]);
            }
            _ => out.extend_from_slice(run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_escaped_at_every_position() {
        let characters = (0..0x100).chain([0x2028, 0xFFFF, 0x1F600]);
        for character in characters.filter_map(char::from_u32) {
            for before in 0..=BLOCK {
                let text = format!("{}{character}{character}é", "x".repeat(before));
                let mut out = b"[".to_vec();
                string(&mut out, &text);
                let expected = format!("[{}", serde_json::to_string(&text).unwrap());
                assert_eq!(String::from_utf8(out).unwrap(), expected);
            }
        }
    }
}
