//! Mixtures of a class's metacells, S_j = sum_m softmax(z_j)_m x_m: "scDD+Metacells", a pipeline of our own.

use burn::tensor::{Int, Tensor, activation::softmax};

use super::generator_path::{GeneratorPath, Space};
use super::{AnyPath, Pipeline};
use crate::distill::{
    DistillBuilder, DistillConfig, DistillError, EarlyStopping, Init, MatchingObjective, Metacells, ValidationModels,
};
use crate::study::Study;
use crate::tensors;

/// Fraction of a code's weight that is spread over all cells of the class, so that a weight of zero can still grow: e^-6.
const SPREAD: f64 = 0.0025;
/// Fractions of marker genes that are tried (our choice).
const MARKER_FRACTIONS: [f64; 4] = [1.0, 0.5, 0.3, 0.1];
/// Those that steps are tried with.
const STEP_MARKER_FRACTIONS: [f64; 2] = [1.0, 0.5];
/// Real cells in a step's batch, of all classes together.
const REAL_BATCH: usize = 512;

pub(super) struct MetacellPath {
    pub(super) metacells: Metacells,
}

impl Metacells {
    /// Opens a distillation that optimises the weights of metacells. Its defaults are our choice, from trials on sorted blood
    /// cells and on tissues and stages of oligodendrocytes (`cargo run --example ablations` prints what each is worth):
    ///
    /// - codes are initialised at k-means pseudobulks, the best of ten draws;
    /// - there are 400 steps of Adam at 0.1, once with all genes and once with half of them in the objective;
    /// - the initial set and that of every 20th step are scored on validation cells with all genes, half, three tenths and a
    ///   tenth of them as markers, and the one that trains the best surrogates is delivered;
    /// - a later step has to beat the initial set by half a standard error.
    pub fn distill(&self, objective: impl MatchingObjective) -> DistillBuilder {
        let classes = self.study().classes().len().max(1);
        let path = AnyPath::new(MetacellPath { metacells: self.clone() });
        DistillBuilder::new(self.study(), path, objective).with(|config| DistillConfig {
            init: Init::KMeans,
            n_init: 10,
            steps: 400,
            real_batch: (REAL_BATCH / classes).clamp(16, 256),
            early_stopping: Some(EarlyStopping { every: 20, patience: 10 }),
            validation_models: ValidationModels::Surrogates,
            min_improvement: 0.5,
            marker_fractions: MARKER_FRACTIONS.to_vec(),
            step_marker_fractions: STEP_MARKER_FRACTIONS.to_vec(),
            ..config
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

    fn width(&self) -> usize {
        self.metacells.width()
    }

    fn preparation_seconds(&self) -> f64 {
        self.metacells.seconds()
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(0.1)
    }

    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        _noise: Option<Tensor<2>>,
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
        let weight = |(fraction, size): (f64, f64)| (fraction + SPREAD * size).ln() as f32;
        let mut weights: Vec<f32> = self.metacells.fractions(cells).into_iter().map(weight).collect();
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
        let metacells = study.metacells().max_per_class(5).run().unwrap();
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
