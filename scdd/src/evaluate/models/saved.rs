//! Serialised form of a trained model: named arrays and a config. A file of an [`Annotator`](crate::annotate::Annotator) holds
//! one.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde_json::Value;

/// Numbers of an array, row by row.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Weights.
    F32(Vec<f32>),
    /// Weights of models that are fitted in double precision.
    F64(Vec<f64>),
    /// Indices and labels.
    U32(Vec<u32>),
    /// Pointers of sparse rows.
    U64(Vec<u64>),
}

impl Numbers {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::U64(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An array of any number of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedArray {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub numbers: Numbers,
}

/// A trained model as named arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedModel {
    /// Which kind reads it again: "CellTypist", "MLP".
    pub kind: String,
    /// What is no array.
    pub config: Value,
    /// Arrays by name.
    pub arrays: BTreeMap<String, SavedArray>,
}

impl SavedModel {
    /// A model without arrays yet.
    pub fn new(kind: &str, config: Value) -> Self {
        Self { kind: kind.to_owned(), config, arrays: BTreeMap::new() }
    }

    /// The same with one more array.
    #[must_use]
    pub fn with(mut self, name: &str, shape: &[usize], numbers: Numbers) -> Self {
        self.arrays.insert(name.to_owned(), SavedArray { shape: shape.to_vec(), numbers });
        self
    }

    /// The same with a matrix.
    #[must_use]
    pub(super) fn with_matrix(self, name: &str, matrix: &Array2<f32>) -> Self {
        self.with(name, &[matrix.nrows(), matrix.ncols()], Numbers::F32(matrix.iter().copied().collect()))
    }

    fn array(&self, name: &str) -> Result<&SavedArray, String> {
        let array = self.arrays.get(name).ok_or_else(|| format!("it has no array '{name}'"))?;
        match array.shape.iter().product::<usize>() == array.numbers.len() {
            true => Ok(array),
            false => Err(format!("'{name}' has {} numbers for a shape of {:?}", array.numbers.len(), array.shape)),
        }
    }

    /// Finite weights of a shape.
    pub(super) fn f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        match self.array(name)? {
            SavedArray { shape: found, numbers: Numbers::F32(values) } if found == shape => {
                match values.iter().all(|value| value.is_finite()) {
                    true => Ok(values.clone()),
                    false => Err(format!("'{name}' has values that are not finite")),
                }
            }
            other => Err(unfit(name, other, "f32", shape)),
        }
    }

    /// Finite weights of a shape.
    pub(super) fn f64(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>, String> {
        match self.array(name)? {
            SavedArray { shape: found, numbers: Numbers::F64(values) } if found == shape => {
                match values.iter().all(|value| value.is_finite()) {
                    true => Ok(values.clone()),
                    false => Err(format!("'{name}' has values that are not finite")),
                }
            }
            other => Err(unfit(name, other, "f64", shape)),
        }
    }

    /// Any number of indices.
    pub(super) fn u32(&self, name: &str) -> Result<Vec<u32>, String> {
        match self.array(name)? {
            SavedArray { numbers: Numbers::U32(values), .. } => Ok(values.clone()),
            other => Err(unfit(name, other, "u32", &[])),
        }
    }

    /// Any number of pointers.
    pub(super) fn u64(&self, name: &str) -> Result<Vec<u64>, String> {
        match self.array(name)? {
            SavedArray { numbers: Numbers::U64(values), .. } => Ok(values.clone()),
            other => Err(unfit(name, other, "u64", &[])),
        }
    }

    /// Any number of weights.
    pub(super) fn any_f32(&self, name: &str) -> Result<Vec<f32>, String> {
        let shape = self.array(name)?.shape.clone();
        self.f32(name, &shape)
    }

    /// A whole number of the config.
    pub(super) fn number(&self, name: &str) -> Result<usize, String> {
        let number = self.config.get(name).and_then(Value::as_u64);
        number.map(|number| number as usize).ok_or_else(|| format!("its config has no whole number '{name}'"))
    }

    /// A number of the config.
    pub(super) fn real(&self, name: &str) -> Result<f64, String> {
        self.config.get(name).and_then(Value::as_f64).ok_or_else(|| format!("its config has no number '{name}'"))
    }
}

fn unfit(name: &str, found: &SavedArray, kind: &str, shape: &[usize]) -> String {
    let of = match found.numbers {
        Numbers::F32(_) => "f32",
        Numbers::F64(_) => "f64",
        Numbers::U32(_) => "u32",
        Numbers::U64(_) => "u64",
    };
    format!("'{name}' is {of} of shape {:?}; {kind} of shape {shape:?} was expected", found.shape)
}
