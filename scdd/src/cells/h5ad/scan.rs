//! One pass over the bytes of a file before the HDF5 library opens it: the SHA-256, and a check for the damage that makes the
//! library loop forever.
//!
//! Text of variable length lies in global heaps ("GCOL" in the HDF5 file format specification, III.E). The library
//! (2.x, H5HGcache.c) walks the objects of a heap and never gets ahead when an object of index 0, free space, claims
//! 0 bytes; one flipped byte is enough.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::FileProblem;
use crate::text::hexadecimal;

/// Signature, version 1, three reserved bytes.
const HEAP: &[u8; 8] = b"GCOL\x01\0\0\0";

/// Bytes of a heap's head and of an object's.
const HEAD: usize = 16;

/// The SHA-256 of a file, in lower-case hexadecimal.
pub(crate) fn sha256(path: &Path) -> std::io::Result<String> {
    Ok(read_through(&mut File::open(path)?)?.0)
}

/// The SHA-256 of a file that the HDF5 library returns from.
pub(super) fn check(path: &Path) -> Result<String, FileProblem> {
    let mut file = File::open(path)?;
    let (sha256, heaps) = read_through(&mut file)?;
    for start in heaps {
        if endless(&mut file, start)? {
            return Err(FileProblem::Damaged(format!("the text stored at byte {start} has free space of 0 bytes")));
        }
    }
    Ok(sha256)
}

/// Hash of all bytes, and where heaps start.
fn read_through(file: &mut File) -> std::io::Result<(String, Vec<u64>)> {
    let (mut hash, mut heaps) = (Sha256::new(), Vec::new());
    let (mut buffer, mut kept, mut position) = (vec![0; 1 << 20], 0, 0);
    loop {
        let read = match file.read(&mut buffer[kept..])? {
            0 => break,
            read => read,
        };
        hash.update(&buffer[kept..kept + read]);
        let filled = kept + read;
        let found =
            buffer[..filled].windows(HEAP.len()).enumerate().filter(|(_, bytes)| bytes[0] == b'G' && *bytes == HEAP);
        heaps.extend(found.map(|(at, _)| position + at as u64));
        // a signature may lie across two pieces
        kept = filled.min(HEAP.len() - 1);
        buffer.copy_within(filled - kept..filled, 0);
        position += (filled - kept) as u64;
    }
    Ok((hexadecimal(hash), heaps))
}

/// Walks a heap as the library does, and tells whether it would stay at one object.
fn endless(file: &mut File, start: u64) -> std::io::Result<bool> {
    file.seek(SeekFrom::Start(start + 8))?;
    let mut size = [0; 8];
    if file.read_exact(&mut size).is_err() {
        return Ok(false);
    }
    let mut heap = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(u64::from_le_bytes(size)).read_to_end(&mut heap)?;
    let mut at = HEAD;
    while let Some(object) = heap.get(at..at + HEAD) {
        let index = u16::from_le_bytes([object[0], object[1]]);
        let bytes = u64::from_le_bytes(std::array::from_fn(|i| object[8 + i]));
        let needed = if index == 0 { bytes } else { (bytes.wrapping_add(7) & !7).wrapping_add(HEAD as u64) };
        match usize::try_from(needed).ok().and_then(|needed| at.checked_add(needed)) {
            Some(next) if next == at => return Ok(true),
            // past the end: the library refuses it by itself
            Some(next) if next <= heap.len() => at = next,
            _ => return Ok(false),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_known_one_and_heaps_across_pieces_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(sha256(&path).unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for at in [0, 100, (1 << 20) - 8, (1 << 20) - 4, (1 << 20) - 1, 1 << 20, (1 << 21) - 13] {
            let mut bytes = vec![0; 3 << 20];
            bytes[at..at + 8].copy_from_slice(HEAP);
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read_through(&mut File::open(&path).unwrap()).unwrap().1, [at as u64]);
        }
    }

    #[test]
    fn free_space_of_no_bytes_is_refused_instead_of_never_returning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.h5ad");
        crate::simulate().cells(40).genes(60).classes(2).run().unwrap().write_h5ad(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let heap = bytes.windows(8).position(|bytes| bytes == HEAP).unwrap();
        // the first object: index 0, 0 bytes
        bytes[heap + HEAD..heap + 2 * HEAD].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        let error = crate::read_h5ad(&path).unwrap_err().to_string();
        assert!(error.contains("free space of 0 bytes: the file is damaged"), "{error}");
    }
}
