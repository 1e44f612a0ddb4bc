//! A seal after the last page of a backup that reveals damage: a line with the SHA-256 of everything before it.
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
/// Including the line break at the end.
const BYTES: usize = BEGIN.len() + HEX + 1;

/// Why a file is not an intact backup.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("it is no SQLite database")]
    NoDatabase,
    #[error("it is cut off")]
    CutOff,
    #[error("its last page is not followed by the line that ends a backup")]
    NoSeal,
    #[error("its SHA-256 is not that of the original backup")]
    OtherBytes,
    #[error("SQLite says: {0}")]
    Inconsistent(String),
}

/// Whether a file has a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    Whole,
    /// It ends with its last page, like a copy made by another program.
    None,
}

/// Seals a file that is complete.
pub(super) fn seal(file: &mut File) -> io::Result<()> {
    let pages = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let digest = copy_and_digest(file, &mut io::sink(), pages)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&line(&digest))
}

/// Copies the pages of a backup without its seal, and verifies the seal.
pub(super) fn unseal(backup: &mut File, into: &mut File) -> io::Result<Result<Seal, Damage>> {
    let length = backup.seek(SeekFrom::End(0))?;
    backup.rewind()?;
    let Some(pages) = length_of_pages(backup)? else {
        return Ok(Err(Damage::NoDatabase));
    };
    if length < pages {
        return Ok(Err(Damage::CutOff));
    }
    backup.rewind()?;
    let digest = copy_and_digest(backup, into, pages)?;
    if length == pages {
        return Ok(Ok(Seal::None));
    }
    let mut rest = Vec::with_capacity(BYTES + 1);
    backup.take(BYTES as u64 + 1).read_to_end(&mut rest)?;
    Ok(match rest == line(&digest) {
        true => Ok(Seal::Whole),
        false if rest.len() == BYTES && rest.starts_with(BEGIN) => Err(Damage::OtherBytes),
        false => Err(Damage::NoSeal),
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
