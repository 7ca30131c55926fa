//! Distribution matching (DM): equation 4 of Yu et al. 2025, after Zhao and Bilen 2023.
//!
//! sum over classes of || mean psi(T_c) - mean psi(S_c) ||^2, psi the frozen foundation model.

use burn::tensor::Tensor;

use super::matching::{Matching, MatchingObjective};

/// Matches the mean latent of each class.
#[derive(Clone, Copy, Debug, Default)]
pub struct DistributionMatching {}

impl MatchingObjective for DistributionMatching {
    fn name(&self) -> String {
        "distribution matching".to_owned()
    }

    fn short_name(&self) -> String {
        "DM".to_owned()
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
        let real = matching.real_means().matmul(matching.real_features());
        let synthetic = matching.synthetic_means().matmul(matching.synthetic_features());
        (real - synthetic).powi_scalar(2).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors;
    use burn::tensor::Device;
    use std::cell::Cell;

    #[test]
    fn the_loss_is_the_squared_distance_of_class_means_summed_over_classes() {
        let device = Device::flex();
        let rows = |values: &[f32]| tensors::from_rows(values.to_vec(), 2, &device);
        let matching = Matching {
            synthetic_expression: Some(rows(&[0.0; 4])),
            expression_asked: Cell::new(false),
            synthetic_features: rows(&[1.0, 0.0, 0.0, 5.0]),
            synthetic_labels: &[0, 1],
            real_features: rows(&[3.0, 0.0, 1.0, 2.0, 0.0, 5.0]),
            real_labels: &[0, 0, 1],
            real_expression: &|| tensors::from_rows(vec![0.0; 6], 2, &Device::flex()),
            classes: 2,
            step: 0,
            seed: 0,
        };
        // Class 0: means (2, 1) and (1, 0). Class 1: equal.
        let loss = tensors::scalar(DistributionMatching::default().loss(&matching));
        assert!((loss - 2.0).abs() < 1e-6, "{loss}");
    }
}
