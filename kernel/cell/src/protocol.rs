//! What the kernel and its child say to each other: lists of strings, each with its length before it.

use std::fs::File;
use std::io::{self, Read, Write};

/// Reads one list.
pub fn read(from: &mut File) -> io::Result<Vec<String>> {
    (0..number(from)?)
        .map(|_| {
            let mut bytes = vec![0; number(from)? as usize];
            from.read_exact(&mut bytes)?;
            String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        })
        .collect()
}

fn number(from: &mut File) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Writes one list.
pub fn write(to: &mut File, list: &[String]) -> io::Result<()> {
    let mut bytes = (list.len() as u32).to_le_bytes().to_vec();
    for item in list {
        bytes.extend((item.len() as u32).to_le_bytes());
        bytes.extend(item.as_bytes());
    }
    to.write_all(&bytes)
}
