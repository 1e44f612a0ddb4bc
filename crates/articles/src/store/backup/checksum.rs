//! The checksum of a backup: a line after the last page with the SHA-256 of everything before it, which reveals damage.
//!
//! SQLite reads the number of pages from the first page and ignores what follows the last, so a backup is a database
//! that any program can read. SQLite itself has checksums for its log only: it does not notice a changed byte within a
//! text.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use base16ct::HexDisplay;
use sha2::{Digest as _, Sha256};

const BEGIN: &[u8] = b"\nBROADSHEET BACKUP 1 SHA256 ";
const HEX: usize = 64;
/// The length of the line, including the line break at the end.
const BYTES: usize = BEGIN.len() + HEX + 1;

/// Why a file is not an intact backup.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("it is not an SQLite database")]
    NotSqlite,
    #[error("it is truncated")]
    Truncated,
    #[error("its last page is not followed by the line that ends a backup")]
    NoChecksum,
    #[error("its SHA-256 is not that of the original backup")]
    ChecksumDiffers,
    #[error("SQLite says: {0}")]
    Inconsistent(String),
}

/// Whether a file has a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    Verified,
    /// It ends with its last page, like a copy made by another program.
    Missing,
}

/// Appends the checksum to a complete file.
pub(super) fn append(file: &mut File) -> io::Result<()> {
    let pages = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let digest = copy_and_digest(file, &mut io::sink(), pages)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&line(&digest))
}

/// Copies the pages of a backup without its checksum, and verifies the checksum.
pub(super) fn copy_verified(
    backup: &mut File,
    into: &mut File,
) -> io::Result<Result<Checksum, Damage>> {
    let length = backup.seek(SeekFrom::End(0))?;
    backup.rewind()?;
    let Some(pages) = length_of_pages(backup)? else {
        return Ok(Err(Damage::NotSqlite));
    };
    if length < pages {
        return Ok(Err(Damage::Truncated));
    }
    backup.rewind()?;
    let digest = copy_and_digest(backup, into, pages)?;
    if length == pages {
        return Ok(Ok(Checksum::Missing));
    }
    let mut rest = Vec::with_capacity(BYTES + 1);
    backup.take(BYTES as u64 + 1).read_to_end(&mut rest)?;
    Ok(match rest == line(&digest) {
        true => Ok(Checksum::Verified),
        false if rest.len() == BYTES && rest.starts_with(BEGIN) => Err(Damage::ChecksumDiffers),
        false => Err(Damage::NoChecksum),
    })
}

/// The length of all pages, according to the first page.
fn length_of_pages(file: &mut File) -> io::Result<Option<u64>> {
    let mut head = Vec::with_capacity(100);
    file.take(100).read_to_end(&mut head)?;
    let number = |at: usize, bytes: usize| {
        let read = head.get(at..at + bytes)?;
        Some(
            read.iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    };
    Ok((|| {
        let size = match number(16, 2).filter(|_| head.starts_with(b"SQLite format 3\0"))? {
            1 => 65_536,
            size => size,
        };
        Some(size * number(28, 4).filter(|count| *count > 0)?)
    })())
}

fn copy_and_digest(from: &mut File, into: &mut impl io::Write, bytes: u64) -> io::Result<[u8; 32]> {
    let (mut hash, mut left) = (Sha256::new(), bytes);
    let mut buffer = vec![0; 256 * 1024];
    while left > 0 {
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let (part, _) = buffer.split_at_mut(wanted);
        from.read_exact(part)?;
        hash.update(&*part);
        into.write_all(part)?;
        left -= wanted as u64;
    }
    Ok(hash.finalize().into())
}

fn line(digest: &[u8; 32]) -> Vec<u8> {
    let digits = format!("{:x}\n", HexDisplay(digest));
    [BEGIN, digits.as_bytes()].concat()
}
