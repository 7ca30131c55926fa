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

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let real = matching.real_means().matmul(matching.real_features());
        let synthetic = matching.synthetic_means().matmul(matching.synthetic_features());
        (real - synthetic).powi_scalar(2).sum()
    }
}
