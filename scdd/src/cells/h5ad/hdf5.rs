//! Reading HDF5: attributes, pieces of arrays, strings of every kind. The shape that a damaged file claims is checked before
//! memory is allocated.
//!
//! anndata-rs's backend reads variable-length UTF-8 strings only and does not check them, so reading goes one
//! level lower, to the HDF5 crate that it is built on.

use std::ops::Range;
use std::path::Path;

use hdf5_metno::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5_metno::{Container, Dataset, File, Group, H5Type, Location};

use super::FileProblem;

/// Elements read at once from long arrays.
pub(super) const PIECE: usize = 1 << 20;

/// Bytes that any array may claim.
const ALWAYS_ACCEPTED: u64 = 1 << 28;
/// Largest compression ratio beyond that (zstd's runs; gzip stays below 1,032).
const LARGEST_RATIO: u64 = 40_000;

/// The eight bytes that an HDF5 file starts with; a user block can move them to 512, 1024, ...
const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// Refuses a path without an HDF5 file.
pub(super) fn check_signature(path: &Path) -> Result<(), FileProblem> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path).map_err(|problem| match problem.kind() {
        std::io::ErrorKind::NotFound => FileProblem::NotThere,
        _ => problem.into(),
    })?;
    let length = file.metadata()?.len();
    let mut found = false;
    let mut start = 0;
    while !found && start + 8 <= length {
        let mut bytes = [0; 8];
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes));
        found = read.is_ok() && &bytes == SIGNATURE;
        start = if start == 0 { 512 } else { start * 2 };
    }
    if !found {
        return Err(FileProblem::NotHdf5 { bytes: length });
    }
    Ok(())
}

pub(super) fn open(path: &Path) -> Result<File, FileProblem> {
    File::open(path).map_err(|problem| FileProblem::NotOpened(problem.to_string()))
}

pub(super) fn group(parent: &Group, name: &str) -> Result<Group, FileProblem> {
    parent.group(name).map_err(|problem| no_member(parent, "group", name, &problem))
}

pub(super) fn dataset(parent: &Group, name: &str) -> Result<Dataset, FileProblem> {
    parent.dataset(name).map_err(|problem| no_member(parent, "array", name, &problem))
}

fn no_member(parent: &Group, kind: &'static str, name: &str, problem: &hdf5_metno::Error) -> FileProblem {
    let (parent, name, problem) = (parent.name(), name.to_owned(), problem.to_string());
    FileProblem::NoMember { parent, kind, name, problem }
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

/// Number of elements; refused where the stored bytes can't hold as many.
pub(super) fn length(array: &Container) -> Result<usize, FileProblem> {
    let shape = array.get_shape().map_err(|problem| unreadable(array, problem))?;
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let size = array.dtype().map_err(|problem| unreadable(array, problem))?.size().max(1) as u64;
    let stored = array.storage_size();
    let accepted = |bytes: u64| bytes <= ALWAYS_ACCEPTED || bytes / LARGEST_RATIO <= stored;
    match elements {
        Some(n) if (n as u64).checked_mul(size).is_some_and(accepted) => Ok(n),
        _ => {
            let claim = format!("'{}' claims a shape of {shape:?} but stores {stored} bytes", array.name());
            Err(FileProblem::Damaged(claim))
        }
    }
}

/// Number of elements of an array with one dimension.
pub(super) fn length_1d(array: &Container) -> Result<usize, FileProblem> {
    if array.ndim() != 1 {
        let (name, expected) = (array.name(), "one dimension is".to_owned());
        return Err(FileProblem::Shape { name, found: array.shape(), expected });
    }
    length(array)
}

/// One piece of an array with one dimension; HDF5 converts between kinds of numbers.
pub(super) fn piece<T: H5Type>(array: &Dataset, range: Range<usize>) -> Result<Vec<T>, FileProblem> {
    let values = array.read_slice_1d::<T, _>(range).map_err(|problem| unreadable(array, problem))?;
    Ok(values.into_raw_vec_and_offset().0)
}

/// An array of numbers with one dimension, read in pieces.
pub(super) fn numbers<T: H5Type + Copy>(array: &Dataset) -> Result<Vec<T>, FileProblem> {
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

/// An empty vector with its memory allocated; an error instead of an abort when there is too little.
pub(super) fn reserved<T>(length: usize) -> Result<Vec<T>, FileProblem> {
    let mut values = Vec::new();
    values.try_reserve_exact(length).map_err(|_| FileProblem::Memory { values: length })?;
    Ok(values)
}

/// All strings of an array or attribute, checked to be UTF-8.
pub(super) fn strings(array: &Container) -> Result<Vec<String>, FileProblem> {
    length(array)?;
    let kind = array.dtype().and_then(|dtype| dtype.to_descriptor()).map_err(|problem| unreadable(array, problem))?;
    match kind {
        TypeDescriptor::VarLenUnicode => read_strings::<VarLenUnicode>(array),
        TypeDescriptor::VarLenAscii => read_strings::<VarLenAscii>(array),
        TypeDescriptor::FixedUnicode(0..=64) => read_strings::<FixedUnicode<64>>(array),
        TypeDescriptor::FixedUnicode(65..=1024) => read_strings::<FixedUnicode<1024>>(array),
        TypeDescriptor::FixedAscii(0..=64) => read_strings::<FixedAscii<64>>(array),
        TypeDescriptor::FixedAscii(65..=1024) => read_strings::<FixedAscii<1024>>(array),
        other => {
            let (name, found) = (array.name(), Some(other.to_string()));
            Err(FileProblem::Kind { name, found, expected: "text of up to 1,024 bytes" })
        }
    }
}

fn read_strings<T: H5Type + AsRef<[u8]>>(array: &Container) -> Result<Vec<String>, FileProblem> {
    let values = array.read_raw::<T>().map_err(|problem| unreadable(array, problem))?;
    let text = |value: &T| {
        let bytes: &[u8] = value.as_ref();
        let text = std::str::from_utf8(bytes).map(|text| text.trim_end_matches('\0').to_string());
        text.map_err(|_| FileProblem::Damaged(format!("'{}' holds text that is not UTF-8", array.name())))
    };
    values.iter().map(text).collect()
}

pub(super) fn unreadable(array: &Container, problem: hdf5_metno::Error) -> FileProblem {
    FileProblem::Unreadable { array: array.name(), problem: problem.to_string() }
}
