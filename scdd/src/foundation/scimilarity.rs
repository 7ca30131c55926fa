//! A frozen model of SCimilarity's form: expression -> latents of length one -> expression.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, activation::relu};
use ndarray::{Array2, Axis};

use super::frozen::FrozenStack;
use super::network::{Autoencoder, NetworkConfig, unit_length};
use super::register::SharedGenes;
use super::sparse::{Aligned, cells_times};
use super::{FoundationError, FoundationModel, Registered};
use crate::cells::{Cells, Expression, LogNormalized};
use crate::tensors;

/// Cells that are embedded at a time.
const CHUNK: usize = 2048;

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
    first_weights: Aligned,
    first_width: usize,
}

impl std::fmt::Debug for Scimilarity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scimilarity({} genes, {:?})", self.parts.genes.len(), self.parts.config)
    }
}

impl Scimilarity {
    pub(super) fn freeze(network: &Autoencoder, genes: Vec<String>, config: NetworkConfig) -> Self {
        Self::frozen(FrozenStack::new(&network.encoder), FrozenStack::new(&network.decoder), genes, config)
    }

    fn frozen(encoder: FrozenStack, decoder: FrozenStack, genes: Vec<String>, config: NetworkConfig) -> Self {
        let (first_weights, first_width) = encoder.first_weights();
        Self {
            parts: Arc::new(Parts {
                genes,
                config,
                encoder,
                decoder,
                first_weights: first_weights.into(),
                first_width,
            }),
        }
    }

    /// Its size.
    pub fn config(&self) -> &NetworkConfig {
        &self.parts.config
    }
}

impl FoundationModel for Scimilarity {
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

    fn encode(&self, expression: Tensor<2>) -> Option<Tensor<2>> {
        Some(unit_length(self.parts.encoder.forward(expression)))
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
        for start in (0..expression.cells()).step_by(CHUNK) {
            let chunk = start..(start + CHUNK).min(expression.cells());
            let sums = cells_times(expression, chunk, &parts.first_weights, parts.first_width);
            let sums = tensors::from_rows(sums, parts.first_width, &self.device());
            let chunk = tensors::array(unit_length(parts.encoder.after_first_layer(sums)));
            // Both have `latent` columns.
            let _ = latents.append(Axis(0), chunk.view());
        }
        Ok(latents)
    }

    fn for_cells(&self, cells: &Cells<LogNormalized>) -> crate::Result<Option<Registered>> {
        let (genes, parts) = (self.genes(), &*self.parts);
        let shared = SharedGenes::find(&self.name(), genes, cells.gene_names())?;
        if shared.are_all(genes.len(), cells.genes()) {
            return Ok(Some(Registered { cells: cells.clone(), foundation: self.clone().into() }));
        }
        let cells = cells.select_genes(&shared.of_cells)?;
        let model = Self::frozen(
            parts.encoder.with_inputs(&shared.of_model),
            parts.decoder.with_outputs(&shared.of_model),
            cells.gene_names().to_vec(),
            parts.config.clone(),
        );
        Ok(Some(Registered { cells, foundation: model.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use burn::module::Module;

    /// A network whose batch normalisation has seen some batches, in training and frozen form.
    fn network() -> (Autoencoder, Scimilarity, Expression) {
        let device = Device::flex().autodiff();
        let config = NetworkConfig { latent: 5, hidden: vec![12, 9, 7], ..NetworkConfig::default() };
        let mut rng = seed::stream(1, "test");
        let network = Autoencoder::new(20, &config, &mut rng, &device);
        for _ in 0..10 {
            let sums = tensors::normal(30, 12, &mut rng, &device) * 2.0 + 0.5;
            let _ = network.forward(sums, 0.3, &mut rng);
        }
        let dense: Vec<f32> = (0..6 * 20).map(|i| if i % 3 == 0 { (i % 7) as f32 * 0.5 } else { 0.0 }).collect();
        let genes = (0..20).map(|gene| format!("gene {gene}")).collect();
        let frozen = Scimilarity::freeze(&network.valid(), genes, config);
        (network, frozen, Expression::from_dense(20, &dense).unwrap())
    }

    fn close(a: &Array2<f32>, b: &Array2<f32>) {
        assert_eq!(a.dim(), b.dim());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
    }

    #[test]
    fn folded_batch_normalisation_equals_the_network_in_inference() {
        let (network, frozen, expression) = network();
        let dense = tensors::from_rows(expression.dense_rows(&[0, 1, 2, 3, 4, 5]), 20, &Device::flex());
        let network = network.valid();
        let sums = dense.clone().matmul(network.encoder.blocks[0].linear.weight.val());
        let (latents, decoded) = network.forward(sums, 0.0, &mut seed::stream(1, "unused"));
        close(&tensors::array(frozen.encode(dense).unwrap()), &tensors::array(latents.clone()));
        let positive = tensors::array(frozen.decode(latents).unwrap());
        close(&positive, &tensors::array(relu(decoded)));
    }

    #[test]
    fn embedding_sparse_cells_equals_encoding_dense_ones_in_any_batch() {
        let (_, frozen, expression) = network();
        let whole = frozen.embed(&expression).unwrap();
        let dense = tensors::from_rows(expression.dense_rows(&[0, 1, 2, 3, 4, 5]), 20, &Device::flex());
        close(&whole, &tensors::array(frozen.encode(dense).unwrap()));
        for cell in 0..6 {
            let alone = frozen.embed(&expression.select_cells(&[cell])).unwrap();
            close(&alone, &whole.select(Axis(0), &[cell]));
        }
    }

    #[test]
    fn latents_have_length_one() {
        let (_, frozen, expression) = network();
        for row in frozen.embed(&expression).unwrap().rows() {
            assert!((row.dot(&row) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn cells_with_other_genes_are_refused_with_both_numbers() {
        let (_, frozen, _) = network();
        let other = Expression::from_dense(3, &[1.0, 0.0, 2.0]).unwrap();
        let message = frozen.embed(&other).unwrap_err().to_string();
        assert!(message.contains("3 genes") && message.contains("20"), "{message}");
    }
}
