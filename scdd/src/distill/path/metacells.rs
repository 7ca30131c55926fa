//! Mixtures of a class's metacells, S_j = sum_m softmax(z_j)_m x_m: "scDD+Metacells" (ours).

use std::sync::Arc;

use burn::tensor::{Int, Tensor, activation::softmax};

use super::{GeneratorPath, Pipeline, Space, check_encoder};
use crate::distill::selection::validation::EarlyStopping;
use crate::distill::{DistillBuilder, DistillConfig};
use crate::distill::{DistillError, Distilled, Init, MatchingObjective, Metacells, ValidationModels};
use crate::study::Study;
use crate::tensors;

/// Share of a code's weight that is spread over all cells of the class, so that a weight of zero can still grow: e^-6.
const SPREAD: f64 = 0.0025;
/// Shares of the genes that are tried (ours).
const MARKER_SHARES: [f64; 4] = [1.0, 0.5, 0.3, 0.1];
/// Those of the steps.
const STEP_MARKER_SHARES: [f64; 2] = [1.0, 0.5];
/// Real cells in a step's batch, of all classes together.
const REAL_BATCH: usize = 512;

pub(super) struct MetacellPath {
    pub(super) metacells: Metacells,
}

impl Metacells {
    /// Opens a distillation that moves the weights of metacells. Its defaults are ours, from trials on sorted
    /// blood cells and on tissues and stages of oligodendrocytes (`cargo run --example ablations` prints what each is
    /// worth): codes start at k-means pseudobulks, the best of ten draws, 400 steps of Adam at 0.1, once with all genes and
    /// once with half of them before the objective; of the start and every 20th step of both, with all genes as markers, half
    /// of them, three or one in ten, the set that teaches surrogates best is delivered. A later step has to beat the start by
    /// more than chance.
    pub fn distill(&self, objective: impl MatchingObjective) -> DistillBuilder<Distilled> {
        let classes = self.study().classes().len().max(1);
        DistillBuilder::new(Arc::new(MetacellPath { metacells: self.clone() }), objective).with(|config| {
            DistillConfig {
                init: Init::KMeans,
                n_init: 10,
                steps: 400,
                real_batch: (REAL_BATCH / classes).clamp(16, 256),
                early_stopping: Some(EarlyStopping { every: 20, patience: 10 }),
                validation_models: ValidationModels::Surrogates,
                min_improvement: 0.5,
                marker_fractions: MARKER_SHARES.to_vec(),
                step_marker_fractions: STEP_MARKER_SHARES.to_vec(),
                ..config
            }
        })
    }
}

impl GeneratorPath for MetacellPath {
    fn pipeline(&self) -> Pipeline {
        Pipeline::Metacells
    }

    fn study(&self) -> &Study {
        self.metacells.study()
    }

    fn space(&self) -> Space {
        Space::Weights
    }

    fn preparation_seconds(&self) -> f64 {
        self.metacells.seconds()
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(0.1)
    }

    fn check(&self, _config: &DistillConfig) -> Result<(), DistillError> {
        check_encoder(self.study())
    }

    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        _noise: Option<Tensor<2>>,
        _config: &DistillConfig,
    ) -> Result<Tensor<2>, DistillError> {
        let classes = tensors::numbers(classes);
        let mut parts = Vec::new();
        let mut first = 0;
        for rows in classes.chunk_by(|a, b| a == b) {
            let means = self.metacells.means(rows[0]);
            let weights = codes.clone().narrow(0, first, rows.len()).narrow(1, 0, means.dims()[0]);
            parts.push(softmax(weights, 1).matmul(means.clone()));
            first += rows.len();
        }
        Ok(Tensor::cat(parts, 0))
    }

    fn weights(&self, cells: &[usize]) -> Vec<f32> {
        let weight = |(share, size): (f64, f64)| (share + SPREAD * size).ln() as f32;
        let mut weights: Vec<f32> = self.metacells.shares(cells).into_iter().map(weight).collect();
        weights.resize(self.metacells.width(), 0.0);
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distill::RidgeSurrogates;

    #[test]
    fn a_code_at_the_class_mean_makes_the_class_mean() {
        let cells = crate::simulate().cells(200).genes(80).classes(3).run().unwrap();
        let study = cells.preprocess().min_genes(5).run().unwrap().study("cell_type");
        let study = study.foundation_epochs(1).run().unwrap();
        let metacells = study.metacells().per_class(5).run().unwrap();
        let distilled = metacells.distill(RidgeSurrogates::default()).init(Init::ClassMean).steps(0).run().unwrap();
        for (class, cells) in study.training_cells().train_per_class().iter().enumerate() {
            let dense = study.cells().expression().dense_rows(cells);
            for gene in 0..study.cells().genes() {
                let values = dense.iter().skip(gene).step_by(study.cells().genes());
                let mean = values.sum::<f32>() / cells.len() as f32;
                assert!((distilled.expression()[[class, gene]] - mean).abs() < 1e-4);
            }
        }
    }
}
