//! A file of named tensors, .ckpt or .safetensors: names, shapes and types at once, numbers of one tensor at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::WeightsError;
use super::numbers::{Kind, Numbers};
use super::{checkpoint, safetensors};

/// A tensor that has not been read yet.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) shape: Vec<usize>,
    /// Its type, or what the file calls it if it is not a weight's.
    pub(super) kind: Result<Kind, String>,
    pub(super) place: Place,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Place {
    /// In a checkpoint.
    Checkpoint(pytorch_reader::Tensor),
    /// From this byte of a .safetensors file, so many.
    Safetensors { start: u64, length: usize },
}

/// Tensors by name.
pub(super) type Entries = BTreeMap<String, Entry>;
/// What `__metadata__` says.
pub(super) type Texts = BTreeMap<String, String>;

/// Tensors of one file by name, and the texts that a .safetensors file may carry.
#[derive(Debug)]
pub(super) struct TensorFile {
    pub(super) path: PathBuf,
    pub(super) entries: Entries,
    pub(super) texts: Texts,
}

impl TensorFile {
    /// Opens by the name's ending.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let (entries, texts) = match path.extension().is_some_and(|ending| ending == "safetensors") {
            true => safetensors::open(path)?,
            false => (checkpoint::open(path)?, Texts::new()),
        };
        Ok(Self { path: path.to_path_buf(), entries, texts })
    }

    pub(super) fn shape(&self, key: &str) -> Option<&[usize]> {
        self.entries.get(key).map(|entry| entry.shape.as_slice())
    }

    /// All numbers of a tensor, in its own order.
    pub(super) fn vector(&self, key: &str) -> Result<Vec<f32>, WeightsError> {
        self.finite(key, self.numbers(key)?.to_f32())
    }

    /// A matrix `[rows, columns]` as `[columns, rows]`.
    pub(super) fn transposed(&self, key: &str, rows: usize, columns: usize) -> Result<Vec<f32>, WeightsError> {
        self.finite(key, self.numbers(key)?.transposed(rows, columns))
    }

    fn numbers(&self, key: &str) -> Result<Numbers, WeightsError> {
        let Some(entry) = self.entries.get(key) else {
            return Err(WeightsError::file(&self.path, format!("there is no tensor {key}")));
        };
        let kind = entry.kind.clone().map_err(|found| WeightsError::Type {
            path: self.path.clone(),
            key: key.to_owned(),
            found,
        })?;
        let bytes = match &entry.place {
            Place::Checkpoint(tensor) => checkpoint::read(&self.path, tensor)?,
            Place::Safetensors { start, length } => safetensors::read(&self.path, *start, *length)?,
        };
        let (numbers, of) = (Numbers::new(kind, bytes), entry.shape.iter().product::<usize>());
        if numbers.len() != of {
            let problem = format!("{key} has {} values, its shape {:?} says {of}", numbers.len(), entry.shape);
            return Err(WeightsError::damaged(&self.path, "a file of tensors", problem));
        }
        Ok(numbers)
    }

    fn finite(&self, key: &str, values: Vec<f32>) -> Result<Vec<f32>, WeightsError> {
        match values.iter().filter(|value| !value.is_finite()).count() {
            0 => Ok(values),
            count => Err(self.values(key, count, values.len(), "NaN or infinite")),
        }
    }

    /// The error for values of a tensor that no trained network has.
    pub(super) fn values(&self, key: &str, count: usize, of: usize, problem: &'static str) -> WeightsError {
        WeightsError::Values { path: self.path.clone(), key: key.to_owned(), count, of, problem }
    }
}
