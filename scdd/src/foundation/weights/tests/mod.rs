//! Goldens of tests/goldens/scimilarity.py, and model directories altered in one way each.

mod bad_input;
mod damage;
mod golden;
mod own;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::safetensors::{Dtype, SafeTensors, tensor::TensorView};
use burn::tensor::Device;
use ndarray::Array2;
use tempfile::TempDir;

use crate::cells::Expression;
use crate::foundation::{FoundationModel, Scimilarity};

pub(super) fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/scimilarity")
}

pub(super) fn read(path: impl AsRef<Path>) -> crate::Result<Scimilarity> {
    Scimilarity::read_on(path, &Device::flex())
}

/// What the reading of a path is refused with.
pub(super) fn refusal(path: impl AsRef<Path>) -> String {
    let problem = read(path).err().unwrap_or_else(|| panic!("it was read"));
    assert!(matches!(problem, crate::Error::Foundation(crate::foundation::FoundationError::Weights(_))));
    problem.to_string()
}

pub(super) fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

/// Cells with what PyTorch makes of them.
pub(super) struct Golden {
    pub(super) cells: Expression,
    pub(super) embeddings: Array2<f32>,
    pub(super) reconstructions: Array2<f32>,
}

pub(super) fn golden(path: &Path) -> Golden {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name: &str| -> Vec<f32> {
        file.tensor(name).unwrap().data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let array = |name: &str| {
        let shape = file.tensor(name).unwrap().shape().to_vec();
        Array2::from_shape_vec((shape[0], shape[1]), floats(name)).unwrap()
    };
    let pointers = file.tensor("indptr").unwrap().data().as_chunks().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
    let indices = file.tensor("indices").unwrap().data().as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let (embeddings, reconstructions) = (array("embeddings"), array("reconstructions"));
    let cells = Expression::new(reconstructions.ncols(), pointers, indices, floats("values")).unwrap();
    Golden { cells, embeddings, reconstructions }
}

/// Norm of the difference over the norm of what is expected.
pub(super) fn apart(found: &Array2<f32>, expected: &Array2<f32>) -> f64 {
    assert_eq!(found.dim(), expected.dim());
    let norm = |values: &Array2<f32>| values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    norm(&(found - expected)) / norm(expected)
}

/// Embeddings and reconstructions of a golden's cells.
pub(super) fn made(model: &Scimilarity, cells: &Expression) -> (Array2<f32>, Array2<f32>) {
    let embeddings = model.embed(cells).unwrap();
    let latents = crate::tensors::tensor(&embeddings, &model.device());
    (embeddings, crate::tensors::array(model.decode(latents).unwrap()))
}

/// A copy of a golden's directory.
pub(super) fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(goldens().join(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

pub(super) type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The directory of .safetensors with one file changed.
pub(super) fn altered(file: &str, change: impl FnOnce(&mut Tensors)) -> TempDir {
    let folder = copy("model_safetensors");
    let path = folder.path().join(file);
    let bytes = std::fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let mut tensors = tensors
        .into_iter()
        .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(&path, ::safetensors::serialize(views, None).unwrap()).unwrap();
    folder
}

/// Sets values of an f32 tensor.
pub(super) fn set(tensors: &mut Tensors, name: &str, values: &[(usize, f32)]) {
    let (_, _, data) = tensors.get_mut(name).unwrap();
    for (place, value) in values {
        data[place * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }
}

/// Gives a tensor another shape, filled with ones.
pub(super) fn reshape(tensors: &mut Tensors, name: &str, shape: &[usize]) {
    let ones = (0..shape.iter().product()).flat_map(|_| 1f32.to_le_bytes()).collect();
    tensors.insert(name.to_owned(), (Dtype::F32, shape.to_vec(), ones));
}
