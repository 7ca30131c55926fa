//! Weights of SCimilarity's form in files: the released ones, and our own.
//!
//! A **model directory** is what SCimilarity publishes and its `save_all` writes (scimilarity 0.1.0 to 0.4.1): encoder.ckpt,
//! decoder.ckpt, gene_order.tsv, and sizes that must agree where they are there. A **file of our own** is one .safetensors
//! with the same tensors under `encoder.` and `decoder.`, and a card in its metadata. docs/foundation.md says how to get
//! the former and what is in the latter.

mod checkpoint;
mod checksum;
mod directory;
mod error;
mod layers;
mod numbers;
mod own;
mod safetensors;
mod sizes;
mod sums;
mod tensor_file;
#[cfg(test)]
mod tests;

use std::path::Path;

use burn::tensor::Device;

pub use error::WeightsError;

pub(super) use checksum::checksum;
pub(super) use own::write;

use super::network::FrozenStack;
use super::{Card, NetworkConfig, PretrainingCells};

/// Everything that a frozen model consists of.
pub(super) struct Weights {
    pub(super) genes: Vec<String>,
    pub(super) config: NetworkConfig,
    pub(super) encoder: FrozenStack,
    pub(super) decoder: Option<FrozenStack>,
    pub(super) origin: Origin,
}

/// Where a model comes from; nothing is known of released weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// What it was trained on and how.
    pub(super) card: Option<Card>,
    /// Marks of the cells that it was trained on.
    pub(super) pretraining_cells: Option<PretrainingCells>,
}

/// Reads a model directory, or a .safetensors file that [`write`] made.
pub(super) fn read(path: &Path, device: &Device) -> Result<Weights, WeightsError> {
    let not_a_model = |found: String| Err(WeightsError::NotAModel { path: path.to_path_buf(), found });
    let Ok(metadata) = std::fs::metadata(path) else {
        return not_a_model("is not there".to_owned());
    };
    if metadata.is_dir() {
        return directory::read(path, device);
    }
    if !metadata.is_file() {
        return not_a_model("is neither a file nor a directory".to_owned());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => own::read(path, device),
        Some("gz" | "tar" | "tgz" | "zip") => {
            not_a_model(format!("is an archive of {} bytes, which must be unpacked first", metadata.len()))
        }
        _ if name.ends_with(".ckpt") || name == "gene_order.tsv" => {
            not_a_model("is one file of a model; give the directory that it is in".to_owned())
        }
        _ => not_a_model(format!("is a file of {} bytes", metadata.len())),
    }
}
