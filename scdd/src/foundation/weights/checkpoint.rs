//! Tensors of a `torch.save` file, read with pytorch-reader, which follows the pickle's opcodes and calls nothing.
//!
//! A pickle may name any function to be called with any arguments; `torch.load` did call them. Here such a call is data,
//! and an error: a file of weights has no use for one. A call whose result the pickle drops leaves no object and is
//! passed over; it isn't executed either.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader, Tensor};

use super::error::{WeightsError, listed};
use super::numbers::Kind;
use super::tensor_file::{Entries, Entry, Place};

const FORMAT: &str = "a PyTorch checkpoint";
const STATE_DICT: &str = "state_dict";
/// Versions of PyTorch's layers, an attribute of the `state_dict` that pytorch-reader shows as an entry.
const VERSIONS: &str = "_metadata";

/// The tensors of its `state_dict`.
pub(super) fn open(path: &Path) -> Result<Entries, WeightsError> {
    guarded(path, || {
        only_tensors(path)?;
        let reader = PytorchReader::with_top_level_key(path, STATE_DICT).map_err(|error| problem(path, error))?;
        let entries = reader.into_tensors().into_iter().map(|(name, tensor)| {
            let entry =
                Entry { shape: tensor.shape().to_vec(), kind: kind(tensor.dtype()), place: Place::Checkpoint(tensor) };
            (name, entry)
        });
        Ok(entries.collect())
    })
}

/// The bytes of one tensor.
pub(super) fn read(path: &Path, tensor: &Tensor) -> Result<Vec<u8>, WeightsError> {
    guarded(path, || tensor.read().map_err(|error| WeightsError::damaged(path, FORMAT, error)))
}

/// pytorch-reader checks every length that a file declares. Should a damaged file make it, or the zip reader below it,
/// panic all the same, that is an error as any other.
fn guarded<Value>(path: &Path, read: impl FnOnce() -> Result<Value, WeightsError>) -> Result<Value, WeightsError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(WeightsError::damaged(path, FORMAT, "the reader could not go on")))
}

fn kind(found: DType) -> Result<Kind, String> {
    match found {
        DType::F16 => Ok(Kind::F16),
        DType::BF16 => Ok(Kind::Bf16),
        DType::F32 => Ok(Kind::F32),
        DType::F64 => Ok(Kind::F64),
        other => Err(format!("{other:?}")),
    }
}

/// Refuses a pickle that has an object which is no tensor anywhere, and one without tensors in its `state_dict`.
fn only_tensors(path: &Path) -> Result<(), WeightsError> {
    let root = PytorchReader::read_pickle_data(path, None).map_err(|error| problem(path, error))?;
    let mut trail = Vec::new();
    objects(&root, &mut trail).map_or(Ok(()), |(place, object)| {
        Err(WeightsError::NotATensor { path: path.to_path_buf(), place, object: object.to_owned() })
    })?;
    let PickleValue::Dict(top) = root else {
        let found = "none (it is no dictionary)".to_owned();
        return Err(WeightsError::NoStateDict { path: path.to_path_buf(), found });
    };
    let mut names: Vec<&String> = top.keys().collect();
    names.sort();
    let Some(PickleValue::Dict(state)) = top.get(STATE_DICT) else {
        return Err(WeightsError::NoStateDict { path: path.to_path_buf(), found: listed(&names) });
    };
    let plain = state.iter().filter(|(name, value)| !matches!(value, PickleValue::Unsupported(_)) && *name != VERSIONS);
    match plain.min_by_key(|(name, _)| *name) {
        None => Ok(()),
        Some((name, value)) => Err(WeightsError::NotATensor {
            path: path.to_path_buf(),
            place: format!("{STATE_DICT}.{name}"),
            object: plain_name(value).to_owned(),
        }),
    }
}

/// The first object, by its place, that is not a tensor or plain data.
fn objects<'a>(value: &'a PickleValue, trail: &mut Vec<String>) -> Option<(String, &'a str)> {
    let mut within = |name: String, value: &'a PickleValue| {
        trail.push(name);
        let found = objects(value, trail);
        trail.pop();
        found
    };
    match value {
        PickleValue::Unsupported(object) if object != "torch.Tensor" => {
            let place = if trail.is_empty() { "its root".to_owned() } else { trail.join(".") };
            Some((place, object))
        }
        PickleValue::List(items) => items.iter().enumerate().find_map(|(index, item)| within(index.to_string(), item)),
        PickleValue::Dict(items) => {
            let mut items: Vec<_> = items.iter().collect();
            items.sort_by_key(|(name, _)| *name);
            items.into_iter().find_map(|(name, item)| within(name.clone(), item))
        }
        _ => None,
    }
}

fn plain_name(value: &PickleValue) -> &'static str {
    match value {
        PickleValue::None => "None",
        PickleValue::Bool(_) => "a bool",
        PickleValue::Int(_) => "an int",
        PickleValue::Float(_) => "a float",
        PickleValue::String(_) => "a str",
        PickleValue::List(_) => "a list",
        PickleValue::Dict(_) => "a dict",
        PickleValue::Bytes(_) => "bytes",
        PickleValue::Unsupported(_) => "an object",
    }
}

fn problem(path: &Path, error: PytorchError) -> WeightsError {
    match error {
        PytorchError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => WeightsError::file(path, error),
        PytorchError::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            WeightsError::file(path, format!("{error}; make it readable"))
        }
        error => WeightsError::damaged(path, FORMAT, error),
    }
}
