//! Tensors of a .safetensors file: its header is read at once, each tensor's bytes when they are asked for.
//!
//! Layout: length of the header (u64, little-endian), header (JSON: name -> type, shape, bytes from and to), bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::error::WeightsError;
use super::numbers::Kind;
use super::tensor_file::{Entries, Entry, Place, Texts};

const FORMAT: &str = "a .safetensors file";
/// Longest header that the format allows.
const LONGEST: u64 = 100_000_000;

/// Its tensors, and the texts of its `__metadata__`.
pub(super) fn open(path: &Path) -> Result<(Entries, Texts), WeightsError> {
    let damaged = |problem: String| WeightsError::damaged(path, FORMAT, problem);
    let mut file = File::open(path).map_err(|error| WeightsError::file(path, error))?;
    let size = file.metadata().map_err(|error| WeightsError::file(path, error))?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("it ends within its first 8 bytes".to_owned()))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST || length + 8 > size {
        return Err(damaged(format!("its first 8 bytes announce a header of {length} bytes")));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(|error| WeightsError::file(path, error))?;
    // Names, types, shapes and byte ranges without gaps are checked here.
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| damaged(format!("its header is broken: {error}")))?;
    let (start, expected) = (8 + length, 8 + length + header.data_len() as u64);
    if size != expected {
        return Err(damaged(format!("its header announces {expected} bytes in all")));
    }
    let texts = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let entries = header.tensors().into_iter().map(|(name, info)| {
        let (from, to) = info.data_offsets;
        let place = Place::Safetensors { start: start + from as u64, length: to - from };
        (name, Entry { shape: info.shape.clone(), kind: kind(info.dtype), place })
    });
    Ok((entries.collect(), texts))
}

/// Bytes of one tensor.
pub(super) fn read(path: &Path, start: u64, length: usize) -> Result<Vec<u8>, WeightsError> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: std::io::Error| WeightsError::file(path, error))
}

fn kind(found: Dtype) -> Result<Kind, String> {
    match found {
        Dtype::F16 => Ok(Kind::F16),
        Dtype::BF16 => Ok(Kind::Bf16),
        Dtype::F32 => Ok(Kind::F32),
        Dtype::F64 => Ok(Kind::F64),
        other => Err(format!("{other:?}")),
    }
}
