//! Distribution matching (DM): equation 4 of Yu et al. 2025, after Zhao and Bilen 2023.
//!
//! sum over classes of w_c || mean psi(T_c) - mean psi(S_c) ||^2, psi the frozen foundation model, w_c 1 in the paper.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::matching::{Matching, MatchingObjective};
use super::names::qualified;
use super::weights::ClassWeights;

/// Matches the mean latent of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistributionMatching {
    /// Weights of the classes in the sum; equal (the paper).
    pub class_weights: ClassWeights,
}

impl DistributionMatching {
    /// Weights of the classes in the sum; equal unless set.
    #[must_use]
    pub fn class_weights(mut self, weights: ClassWeights) -> Self {
        self.class_weights = weights;
        self
    }
}

impl MatchingObjective for DistributionMatching {
    fn name(&self) -> String {
        "distribution matching".to_owned()
    }

    fn short_name(&self) -> String {
        qualified("DM", [self.class_weights.name()])
    }

    fn compares_expression(&self) -> bool {
        false
    }

    /// Of 0.01 to 100, the lowest that is good on all pipelines on Baron's validation cells at 1 per class; gradients
    /// of a mean fall with the cells per class.
    fn sgd_learning_rate(&self) -> f64 {
        10.0
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        (mean_distances(matching) * matching.class_weights(self.class_weights)).sum()
    }
}

/// Squared distance of the mean latents of each class, `[classes, 1]`.
pub(super) fn mean_distances(matching: &Matching) -> Tensor<2> {
    let synthetic = matching.synthetic_means().matmul(matching.synthetic_embeddings());
    (matching.real_class_means() - synthetic).powi_scalar(2).sum_dim(1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, matching_of};
    use super::*;
    use crate::tensors;
    use burn::tensor::Device;

    #[test]
    fn the_loss_is_the_squared_distance_of_class_means_summed_over_classes_with_their_weights() {
        let device = Device::flex();
        let rows = |values: &[f32]| tensors::from_rows(values.to_vec(), 2, &device);
        let synthetic = rows(&[1.0, 0.0, 0.0, 5.0]);
        let real = rows(&[3.0, 0.0, 1.0, 2.0, 0.0, 4.0]);
        // Class 0: means (2, 1) and (1, 0). Class 1: (0, 4) and (0, 5).
        let loss = |weights| {
            let objective = DistributionMatching::default().class_weights(weights);
            matching_of(&synthetic, &[0, 1], &real, &[0, 0, 1], |matching| tensors::scalar(objective.loss(matching)))
        };
        assert!((loss(ClassWeights::Equal) - 3.0).abs() < 1e-6);
        let (first, second) = (4.0 / 3.0, 2.0 / 3.0);
        assert!((loss(ClassWeights::Frequency) - (2.0 * first + second)).abs() < 1e-5);
    }

    #[test]
    fn its_gradient_equals_finite_differences() {
        for weights in [ClassWeights::Equal, ClassWeights::RootFrequency] {
            let error = Case::new(1).gradient_error(&DistributionMatching::default().class_weights(weights));
            assert!(error < 1e-3, "{error}");
        }
    }
}
