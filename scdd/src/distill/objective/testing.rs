//! Test fixtures of objectives: cells, an encoder and finite differences.

use std::cell::{Cell, LazyCell};

use burn::tensor::{Device, Tensor};

use super::matching::{Matching, MatchingObjective, averaging};
use crate::foundation::EncoderLayer;
use crate::{seed, tensors};

const GENES: usize = 8;
const LATENT: usize = 4;
const REAL: [u32; 9] = [0, 0, 0, 0, 1, 1, 1, 2, 2];

/// An encoder of SCimilarity's form: 8 genes, 10 and 6 hidden units, latents of 4.
pub(super) fn encoder(device: &Device) -> Vec<EncoderLayer> {
    let mut rng = seed::stream(3, "encoder");
    let mut layer = |inputs: usize, outputs: usize, slope| EncoderLayer {
        weight: tensors::normal(inputs, outputs, &mut rng, device) / (inputs as f64).sqrt(),
        bias: tensors::normal(1, outputs, &mut rng, device) * 0.1,
        slope,
    };
    vec![layer(GENES, 10, Some(0.25)), layer(10, 6, Some(0.1)), layer(6, LATENT, None)]
}

/// Latents of unit norm, by Burn's own activations.
fn encode(mut rows: Tensor<2>) -> Tensor<2> {
    for layer in encoder(&rows.device().inner()) {
        rows = rows.matmul(layer.weight) + layer.bias;
        if let Some(slope) = layer.slope {
            rows = burn::tensor::activation::leaky_relu(rows, slope);
        }
    }
    let norm = rows.clone().powi_scalar(2).sum_dim(1).add_scalar(1e-12).sqrt();
    rows / norm
}

/// Synthetic and real cells of three classes, with an encoder.
pub(super) struct Case {
    pub(super) labels: Vec<u32>,
    pub(super) synthetic: Tensor<2>,
    real: Tensor<2>,
}

impl Case {
    /// That many synthetic cells per class.
    pub(super) fn new(per_class: usize) -> Self {
        let labels: Vec<u32> = (0..3).flat_map(|class| vec![class; per_class]).collect();
        let mut rng = seed::stream(5, "cells");
        let synthetic = tensors::normal(labels.len(), GENES, &mut rng, &Device::flex());
        Self { labels, synthetic, real: tensors::normal(REAL.len(), GENES, &mut rng, &Device::flex()) }
    }

    /// The loss of these synthetic cells `[rows, genes]`.
    pub(super) fn loss(&self, objective: &dyn MatchingObjective, synthetic: Tensor<2>) -> Tensor<1> {
        let matching = Matching {
            synthetic_embeddings: encode(synthetic.clone()),
            synthetic_expression: Some(synthetic),
            expression_used: Cell::new(false),
            synthetic_labels: &self.labels,
            real_embeddings: LazyCell::new(Box::new(|| encode(self.real.clone()))),
            real_class_means: &|| averaging(&REAL, 3, &Device::flex()).matmul(encode(self.real.clone())),
            real_labels: &REAL,
            real_expression: &|rows| {
                self.real.clone().select(0, tensors::indices(rows.iter().copied(), &Device::flex()))
            },
            genes: GENES,
            class_counts: &[40, 30, 2],
            encoder: &|| Some(encoder(&Device::flex())),
            step: 0,
            seed: 1,
        };
        objective.loss(&matching)
    }

    /// The loss of the case's own synthetic cells.
    pub(super) fn value(&self, objective: &dyn MatchingObjective) -> f64 {
        tensors::scalar(self.loss(objective, self.synthetic.clone()))
    }

    /// The gradient of the loss by the synthetic cells.
    pub(super) fn gradient(&self, objective: &dyn MatchingObjective) -> Vec<f32> {
        let leaf = self.synthetic.clone().autodiff().require_grad();
        let gradients = self.loss(objective, leaf.clone()).backward();
        tensors::to_vec(leaf.grad(&gradients).unwrap())
    }

    /// Squared error of the gradient against central differences, as a fraction of their squared norm.
    ///
    /// A gradient of a network jumps where a unit's pre-activation crosses zero, and so does a match of gradients. A coordinate
    /// whose differences over a step and over half a step disagree has such a jump and is left out; few may be.
    pub(super) fn gradient_error(&self, objective: &dyn MatchingObjective) -> f64 {
        let (values, gradient) = (tensors::to_vec(self.synthetic.clone()), self.gradient(objective));
        let difference = |index: usize, step: f32| {
            let shifted = |by: f32| {
                let mut values = values.clone();
                values[index] += by;
                tensors::scalar(self.loss(objective, tensors::from_rows(values, GENES, &Device::flex())))
            };
            (shifted(step) - shifted(-step)) / (2.0 * f64::from(step))
        };
        let differences: Vec<_> = (0..values.len()).map(|at| (difference(at, 4e-3), difference(at, 2e-3))).collect();
        let typical = (differences.iter().map(|pair| pair.1.powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        let (mut error, mut norm, mut jumps) = (0.0, 0.0, 0);
        for ((wide, narrow), gradient) in differences.into_iter().zip(gradient) {
            if (wide - narrow).abs() > 0.1 * typical {
                jumps += 1;
                continue;
            }
            error += (wide - f64::from(gradient)).powi(2);
            norm += wide.powi(2);
        }
        assert!(norm > 1e-8, "the loss of {} does not depend on the cells", objective.name());
        assert!(jumps * 4 <= values.len(), "{jumps} of {} differences jump", values.len());
        error / norm
    }
}

/// Calls a function with a matching of latents alone, without genes.
pub(super) fn matching_of<Out>(
    synthetic: &Tensor<2>,
    synthetic_labels: &[u32],
    real: &Tensor<2>,
    real_labels: &[u32],
    call: impl Fn(&Matching) -> Out,
) -> Out {
    let mut class_counts = vec![0; real_labels.iter().max().map_or(0, |&class| class as usize + 1)];
    for &label in real_labels {
        class_counts[label as usize] += 1;
    }
    call(&Matching {
        synthetic_embeddings: synthetic.clone(),
        synthetic_expression: None,
        expression_used: Cell::new(false),
        synthetic_labels,
        real_embeddings: LazyCell::new(Box::new(|| real.clone())),
        real_class_means: &|| averaging(real_labels, class_counts.len(), &Device::flex()).matmul(real.clone()),
        real_labels,
        real_expression: &|rows| Tensor::zeros([rows.len(), GENES], &Device::flex()),
        genes: GENES,
        class_counts: &class_counts,
        encoder: &|| None,
        step: 0,
        seed: 0,
    })
}
