//! What the reader needs of HDF5: attributes, pieces of arrays, strings of every kind, with claims of a damaged
//! file checked before memory is asked for.
//!
//! anndata-rs's backend reads variable-length UTF-8 strings only and does not check them, so reading goes one
//! level lower, to the HDF5 crate that it stands on.

use std::ops::Range;
use std::path::Path;

use hdf5_metno::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5_metno::{Container, Dataset, File, Group, H5Type, Location};

/// What is wrong, without the file's name: the caller puts it before.
pub(super) type Problem = String;

/// Elements read at once from long arrays.
pub(super) const PIECE: usize = 1 << 20;

/// Bytes that any array may claim, and how far beyond that compression can stretch what is stored (zstd's runs;
/// gzip stays below 1,032).
const ALWAYS_BELIEVED: u64 = 1 << 28;
const LARGEST_STRETCH: u64 = 40_000;

/// The eight bytes that an HDF5 file starts with; a user block can move them to 512, 1024, ...
const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// Says what is wrong with what is no HDF5 file, or not there.
pub(super) fn check_signature(path: &Path) -> Result<(), Problem> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path).map_err(|problem| match problem.kind() {
        std::io::ErrorKind::NotFound => "there is no such file; check the path".to_string(),
        _ => format!("cannot be opened: {problem}"),
    })?;
    let length = file.metadata().map_err(|problem| problem.to_string())?.len();
    let mut found = false;
    let mut start = 0;
    while !found && start + 8 <= length {
        let mut bytes = [0; 8];
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
        found = read.is_ok() && &bytes == SIGNATURE;
        start = if start == 0 { 512 } else { start * 2 };
    }
    if !found {
        return Err(format!(
            "is not an HDF5 file: none of its {length} bytes start the format; an .h5ad file is expected (unpack it \
             when it is compressed, convert .loom, .rds or .csv with Python's anndata)"
        ));
    }
    Ok(())
}

pub(super) fn open(path: &Path) -> Result<File, Problem> {
    File::open(path).map_err(|problem| {
        format!("is an HDF5 file that cannot be opened, perhaps cut off or damaged: fetch it again ({problem})")
    })
}

pub(super) fn group(parent: &Group, name: &str) -> Result<Group, Problem> {
    parent.group(name).map_err(|problem| format!("'{}' has no group '{name}' ({problem})", parent.name()))
}

pub(super) fn dataset(parent: &Group, name: &str) -> Result<Dataset, Problem> {
    let found = parent.dataset(name);
    found.map_err(|problem| format!("'{}' has no array '{name}' ({problem})", parent.name()))
}

/// A text attribute, if it is there and can be read.
pub(super) fn text_attribute(location: &Location, name: &str) -> Option<String> {
    let texts = strings(&*location.attr(name).ok()?).ok()?;
    texts.into_iter().next()
}

/// A list of texts; an empty list may be stored as numbers.
pub(super) fn texts_attribute(location: &Location, name: &str) -> Option<Vec<String>> {
    let attribute = location.attr(name).ok()?;
    if attribute.size() == 0 { Some(Vec::new()) } else { strings(&attribute).ok() }
}

/// The two numbers of a `shape` attribute.
pub(super) fn shape_attribute(location: &Location, name: &str) -> Option<(usize, usize)> {
    let attribute = location.attr(name).ok()?;
    if attribute.size() != 2 {
        return None;
    }
    match attribute.read_raw::<u64>().ok()?[..] {
        [rows, columns] => Some((usize::try_from(rows).ok()?, usize::try_from(columns).ok()?)),
        _ => None,
    }
}

/// Number of elements, after a look at whether what is stored can hold as many.
pub(super) fn length(array: &Container) -> Result<usize, Problem> {
    let shape = array.get_shape().map_err(|problem| problem.to_string())?;
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let size = array.dtype().map_err(|problem| problem.to_string())?.size().max(1) as u64;
    let stored = array.storage_size();
    let believed = |bytes: u64| bytes <= ALWAYS_BELIEVED || bytes / LARGEST_STRETCH <= stored;
    match elements {
        Some(n) if (n as u64).checked_mul(size).is_some_and(believed) => Ok(n),
        _ => Err(format!(
            "'{}' claims a shape of {shape:?} but stores {stored} bytes: the file is damaged, fetch it again",
            array.name()
        )),
    }
}

/// Number of elements of an array with one dimension.
pub(super) fn length_1d(array: &Container) -> Result<usize, Problem> {
    let dimensions = array.ndim();
    if dimensions != 1 {
        return Err(format!("'{}' has {dimensions} dimensions, one is expected", array.name()));
    }
    length(array)
}

/// One piece of an array with one dimension; HDF5 converts between kinds of numbers.
pub(super) fn piece<T: H5Type>(array: &Dataset, range: Range<usize>) -> Result<Vec<T>, Problem> {
    let values = array.read_slice_1d::<T, _>(range).map_err(|problem| unreadable(array, problem))?;
    Ok(values.into_raw_vec_and_offset().0)
}

/// A whole array of numbers with one dimension, read in pieces.
pub(super) fn numbers<T: H5Type + Copy>(array: &Dataset) -> Result<Vec<T>, Problem> {
    let length = length_1d(array)?;
    let mut values = reserved(length)?;
    for range in pieces(length) {
        values.extend_from_slice(&piece::<T>(array, range)?);
    }
    Ok(values)
}

/// `0..length` cut into ranges of at most [`PIECE`].
pub(super) fn pieces(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(PIECE).map(move |start| start..(start + PIECE).min(length))
}

/// An empty vector with room, or a problem instead of an abort when memory does not suffice.
pub(super) fn reserved<T>(length: usize) -> Result<Vec<T>, Problem> {
    let mut values = Vec::new();
    values.try_reserve_exact(length).map_err(|_| {
        format!("needs memory for {length} values, more than there is; use a machine with more memory or fewer cells")
    })?;
    Ok(values)
}

/// All strings of an array or attribute, checked to be UTF-8.
pub(super) fn strings(array: &Container) -> Result<Vec<String>, Problem> {
    length(array)?;
    let kind = array.dtype().and_then(|dtype| dtype.to_descriptor()).map_err(|problem| unreadable(array, problem))?;
    match kind {
        TypeDescriptor::VarLenUnicode => read_strings::<VarLenUnicode>(array),
        TypeDescriptor::VarLenAscii => read_strings::<VarLenAscii>(array),
        TypeDescriptor::FixedUnicode(0..=64) => read_strings::<FixedUnicode<64>>(array),
        TypeDescriptor::FixedUnicode(65..=1024) => read_strings::<FixedUnicode<1024>>(array),
        TypeDescriptor::FixedAscii(0..=64) => read_strings::<FixedAscii<64>>(array),
        TypeDescriptor::FixedAscii(65..=1024) => read_strings::<FixedAscii<1024>>(array),
        other => Err(format!("'{}' holds {other}, text is expected", array.name())),
    }
}

fn read_strings<T: H5Type + AsRef<[u8]>>(array: &Container) -> Result<Vec<String>, Problem> {
    let values = array.read_raw::<T>().map_err(|problem| unreadable(array, problem))?;
    let text = |value: &T| {
        let bytes: &[u8] = value.as_ref();
        let text = std::str::from_utf8(bytes).map(|text| text.trim_end_matches('\0').to_string());
        text.map_err(|_| format!("'{}' holds text that is not UTF-8", array.name()))
    };
    values.iter().map(text).collect()
}

pub(super) fn unreadable(array: &Container, problem: impl std::fmt::Display) -> Problem {
    format!("'{}' cannot be read, perhaps the file is cut off or damaged: fetch it again ({problem})", array.name())
}
