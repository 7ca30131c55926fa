//! A frozen model of SCimilarity's form: expression -> latents of length one -> expression.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, activation::relu};
use ndarray::{Array2, Axis};

use super::frozen::FrozenStack;
use super::network::{Autoencoder, NetworkConfig, unit_length};
use super::sparse::SparseBatch;
use super::{Foundation, FoundationError};
use crate::cells::Expression;
use crate::tensors;

/// Cells that are embedded at a time.
const CHUNK: usize = 1024;

/// SCimilarity's encoder and decoder, frozen. Cheap to clone. Made by [`Pretraining`](super::Pretraining).
#[derive(Clone)]
pub struct Scimilarity {
    parts: Arc<Parts>,
}

struct Parts {
    genes: Vec<String>,
    config: NetworkConfig,
    encoder: FrozenStack,
    decoder: FrozenStack,
    /// The encoder's first weights `[genes, hidden]` on the host, for sparse rows.
    first_weights: Vec<f32>,
    first_width: usize,
}

impl std::fmt::Debug for Scimilarity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scimilarity({} genes, {:?})", self.parts.genes.len(), self.parts.config)
    }
}

impl Scimilarity {
    pub(super) fn freeze(network: &Autoencoder, genes: Vec<String>, config: NetworkConfig) -> Self {
        let encoder = FrozenStack::new(&network.encoder);
        let (first_weights, first_width) = encoder.first_weights();
        let decoder = FrozenStack::new(&network.decoder);
        Self { parts: Arc::new(Parts { genes, config, encoder, decoder, first_weights, first_width }) }
    }

    /// Its size.
    pub fn config(&self) -> &NetworkConfig {
        &self.parts.config
    }
}

impl Foundation for Scimilarity {
    fn name(&self) -> String {
        "SCimilarity".to_owned()
    }

    fn genes(&self) -> &[String] {
        &self.parts.genes
    }

    fn latent(&self) -> usize {
        self.parts.config.latent
    }

    fn device(&self) -> Device {
        self.parts.encoder.device()
    }

    fn encode(&self, expression: Tensor<2>) -> Tensor<2> {
        unit_length(self.parts.encoder.forward(expression))
    }

    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>> {
        Some(relu(self.parts.decoder.forward(latents)))
    }

    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
        let parts = &*self.parts;
        if expression.genes() != parts.genes.len() {
            return Err(FoundationError::Genes { found: expression.genes(), expected: parts.genes.len() });
        }
        let mut latents = Array2::zeros((0, parts.config.latent));
        let cells: Vec<usize> = (0..expression.cells()).collect();
        for chunk in cells.chunks(CHUNK) {
            let sums =
                SparseBatch::new(expression, chunk, |value| value).times(&parts.first_weights, parts.first_width);
            let sums = tensors::from_rows(sums, parts.first_width, &self.device());
            let chunk = tensors::array(unit_length(parts.encoder.from_first_sums(sums)));
            // Both have `latent` columns.
            let _ = latents.append(Axis(0), chunk.view());
        }
        Ok(latents)
    }
}
