//! Matching of class means and class covariances of latents: equation 4 of Yu et al. 2025 with the second moments of
//! CORAL (Sun and Saenko 2016).
//!
//! sum over classes of w_c (|| mean T_c - mean S_c ||^2 + lambda || Cov T_c - Cov S_c ||_F^2), covariances of n - 1.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::distribution::mean_distances;
use super::matching::{Matching, MatchingObjective};
use super::names::qualified;
use super::rows::class_rows;
use super::weights::ClassWeights;
use crate::distill::DistillError;
use crate::error::SettingError;
use crate::study::Study;

/// Matches the mean and the covariance of each class's latents.
///
/// Of one row a covariance is undefined: a class with one synthetic cell, or one real cell, is matched by its mean alone. At
/// 1 per class this is [`DistributionMatching`](super::DistributionMatching).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CovarianceMatching {
    /// Weight lambda of the covariances beside the means; 1 (our choice).
    pub covariance_weight: f64,
    /// Whether only the variance of each dimension is matched, without covariances; false (our choice).
    pub variances_only: bool,
    /// Weights of the classes in the sum; equal (our choice, as the paper's for means).
    pub class_weights: ClassWeights,
}

impl Default for CovarianceMatching {
    fn default() -> Self {
        Self { covariance_weight: 1.0, variances_only: false, class_weights: ClassWeights::Equal }
    }
}

impl CovarianceMatching {
    /// Weight of the covariances beside the means; 1 unless set.
    #[must_use]
    pub fn covariance_weight(mut self, weight: f64) -> Self {
        self.covariance_weight = weight;
        self
    }

    /// Matches the variance of each dimension alone, without covariances.
    #[must_use]
    pub fn variances_only(mut self) -> Self {
        self.variances_only = true;
        self
    }

    /// Weights of the classes in the sum; equal unless set.
    #[must_use]
    pub fn class_weights(mut self, weights: ClassWeights) -> Self {
        self.class_weights = weights;
        self
    }

    /// The covariance `[latent, latent]` of some rows, or their variances `[1, latent]`; None of one row.
    fn covariance(&self, rows: &Tensor<2>, first: usize, count: usize) -> Option<Tensor<2>> {
        let degrees = count.checked_sub(1).filter(|&degrees| degrees > 0)? as f64;
        let rows = rows.clone().narrow(0, first, count);
        let rows = rows.clone() - rows.mean_dim(0);
        let sums =
            if self.variances_only { rows.powi_scalar(2).sum_dim(0) } else { rows.clone().transpose().matmul(rows) };
        Some(sums / degrees)
    }
}

impl MatchingObjective for CovarianceMatching {
    fn name(&self) -> String {
        let what = if self.variances_only { "variance" } else { "covariance" };
        format!("mean and {what} matching")
    }

    fn short_name(&self) -> String {
        qualified(if self.variances_only { "MeanVar" } else { "MeanCov" }, [self.class_weights.name()])
    }

    fn compares_expression(&self) -> bool {
        false
    }

    /// As distribution matching's: at 2 per class on Baron's validation cells 1 to 100 did alike on expression.
    fn sgd_learning_rate(&self) -> f64 {
        10.0
    }

    fn check(&self, _study: &Study) -> crate::Result<()> {
        if self.covariance_weight.is_finite() && self.covariance_weight >= 0.0 {
            return Ok(());
        }
        let found = self.covariance_weight.to_string();
        let expected = "a number from 0".to_owned();
        Err(DistillError::Setting(SettingError::new("covariance_weight", found, expected)).into())
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let mut loss = (mean_distances(matching) * matching.class_weights(self.class_weights)).sum();
        let weights = self.class_weights.of(matching.class_counts());
        let (real, synthetic) = (matching.real_embeddings(), matching.synthetic_embeddings());
        let real_rows = class_rows(matching.real_labels());
        for (class, first, count) in class_rows(matching.synthetic_labels()) {
            let of_real = real_rows.iter().find(|rows| rows.0 == class);
            let of_real = of_real.and_then(|&(_, first, count)| self.covariance(&real, first, count));
            if let (Some(real), Some(synthetic)) = (of_real, self.covariance(&synthetic, first, count)) {
                let weight = self.covariance_weight * weights[class as usize];
                loss = loss + (real - synthetic).powi_scalar(2).sum() * weight;
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, matching_of};
    use super::*;
    use crate::{DistributionMatching, tensors};
    use burn::tensor::Device;

    #[test]
    fn equal_means_are_told_apart_by_their_covariances() {
        let rows = |values: &[f32]| tensors::from_rows(values.to_vec(), 2, &Device::flex());
        // Means 0. Covariances: [[2, 2], [2, 2]] and [[8, 0], [0, 0]].
        let (synthetic, real) = (rows(&[1.0, 1.0, -1.0, -1.0]), rows(&[2.0, 0.0, -2.0, 0.0]));
        let loss = |objective: CovarianceMatching| {
            matching_of(&synthetic, &[0, 0], &real, &[0, 0], |matching| tensors::scalar(objective.loss(matching)))
        };
        assert!((loss(CovarianceMatching::default()) - (36.0 + 4.0 + 4.0 + 4.0)).abs() < 1e-4);
        assert!((loss(CovarianceMatching::default().variances_only()) - 40.0).abs() < 1e-4);
        assert!((loss(CovarianceMatching::default().covariance_weight(0.5)) - 24.0).abs() < 1e-4);
    }

    #[test]
    fn at_one_per_class_it_is_distribution_matching() {
        let case = Case::new(1);
        let (own, means) = (case.value(&CovarianceMatching::default()), case.value(&DistributionMatching::default()));
        assert!((own - means).abs() < 1e-6 && own > 0.0, "{own} and {means}");
    }

    #[test]
    fn its_gradient_equals_finite_differences() {
        for objective in [
            CovarianceMatching::default().covariance_weight(3.0),
            CovarianceMatching::default().variances_only().class_weights(ClassWeights::Frequency),
        ] {
            let error = Case::new(4).gradient_error(&objective);
            assert!(error < 1e-3, "{error}");
        }
    }
}
