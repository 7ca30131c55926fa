//! Kernel matching: the squared maximum mean discrepancy of each class (Gretton et al. 2012) by Gaussian kernels of
//! several widths.
//!
//! sum over classes of w_c (mean k(S, S) - 2 mean k(S, T) + mean k(T, T)), k(a, b) the mean over widths f of
//! exp(-|a - b|^2 / (f m)), m the median squared distance between real cells of the class. Means run over all pairs, a cell
//! with itself included, so that one cell per class has a distance as well.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::matching::{Matching, MatchingObjective};
use super::names::qualified;
use super::rows::class_rows;
use super::weights::ClassWeights;
use crate::distill::DistillError;
use crate::error::SettingError;
use crate::study::Study;
use crate::tensors;

/// Matches the distribution of each class's latents, not only their mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelMatching {
    /// Widths of the kernels as multiples of the median squared distance; 1/4, 1/2, 1, 2 and 4 (our choice, around the median
    /// heuristic of Gretton et al.).
    pub widths: Vec<f64>,
    /// Weights of the classes in the sum; equal (our choice, as the paper's for means).
    pub class_weights: ClassWeights,
}

impl Default for KernelMatching {
    fn default() -> Self {
        Self { widths: vec![0.25, 0.5, 1.0, 2.0, 4.0], class_weights: ClassWeights::Equal }
    }
}

impl KernelMatching {
    /// Widths of the kernels as multiples of the median squared distance; 1/4 to 4 unless set.
    #[must_use]
    pub fn widths(mut self, widths: &[f64]) -> Self {
        self.widths = widths.to_vec();
        self
    }

    /// Weights of the classes in the sum; equal unless set.
    #[must_use]
    pub fn class_weights(mut self, weights: ClassWeights) -> Self {
        self.class_weights = weights;
        self
    }

    /// The mean of the kernels over all pairs, by their squared distances.
    fn mean(&self, distances: Tensor<2>, median: f64) -> Tensor<1> {
        let kernels = self.widths.iter().map(|width| (distances.clone() / -(width * median)).exp().mean());
        Tensor::cat(kernels.collect(), 0).mean()
    }
}

impl MatchingObjective for KernelMatching {
    fn name(&self) -> String {
        "kernel matching".to_owned()
    }

    fn short_name(&self) -> String {
        qualified("MMD", [self.class_weights.name()])
    }

    fn compares_expression(&self) -> bool {
        false
    }

    /// Of 0.01 to 100 at 2 per class on Baron's validation cells, 10 and 100 were too much for decoded latents.
    fn sgd_learning_rate(&self) -> f64 {
        1.0
    }

    fn check(&self, _study: &Study) -> crate::Result<()> {
        if !self.widths.is_empty() && self.widths.iter().all(|width| width.is_finite() && *width > 0.0) {
            return Ok(());
        }
        let expected = "at least 1 number above 0".to_owned();
        Err(DistillError::Setting(SettingError::new("widths", format!("{:?}", self.widths), expected)).into())
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let weights = self.class_weights.of(matching.class_counts());
        let rows = |of: Tensor<2>, labels: &[u32]| {
            let mut classes: Vec<Option<Tensor<2>>> = vec![None; matching.classes()];
            for (class, first, count) in class_rows(labels) {
                classes[class as usize] = Some(of.clone().narrow(0, first, count));
            }
            classes
        };
        let real = rows(matching.real_embeddings(), matching.real_labels());
        let synthetic = rows(matching.synthetic_embeddings(), matching.synthetic_labels());
        let within: Vec<_> = real.iter().map(|rows| rows.as_ref().map(|rows| distances(rows, rows))).collect();
        let medians = medians(&within);
        let mut loss = Tensor::zeros([1], &matching.device());
        for (class, within) in within.into_iter().enumerate() {
            let (Some(real), Some(synthetic), Some(within)) = (&real[class], &synthetic[class], within) else {
                continue;
            };
            let mean = |distances| self.mean(distances, medians[class]);
            let squared = mean(distances(synthetic, synthetic)) - mean(distances(synthetic, real)) * 2.0 + mean(within);
            loss = loss + squared * weights[class];
        }
        loss
    }
}

/// Squared distances of rows `[a, b]`: |a|^2 - 2 <a, b> + |b|^2, which rounding may leave below zero.
fn distances(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let squares = |rows: &Tensor<2>| rows.clone().powi_scalar(2).sum_dim(1);
    let products = a.clone().matmul(b.clone().transpose());
    (squares(a) - products * 2.0 + squares(b).transpose()).clamp_min(0.0)
}

/// The median squared distance between different cells of each class; of all classes where a class has none.
fn medians(within: &[Option<Tensor<2>>]) -> Vec<f64> {
    let median = |mut values: Vec<f32>| {
        let middle = values.len().checked_sub(1)? / 2;
        let (_, median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
        Some(f64::from(*median)).filter(|median| *median > 0.0)
    };
    let pairs: Vec<Vec<f32>> = within.iter().flatten().map(|distances| upper_triangle(distances.clone())).collect();
    let overall = median(pairs.concat()).unwrap_or(1.0);
    let mut pairs = pairs.into_iter();
    let of_class = |distances: &Option<Tensor<2>>| {
        let pairs = distances.as_ref().and_then(|_| pairs.next());
        pairs.and_then(median).unwrap_or(overall)
    };
    within.iter().map(of_class).collect()
}

/// Values above the diagonal.
fn upper_triangle(square: Tensor<2>) -> Vec<f32> {
    let rows = square.dims()[0];
    let values = tensors::to_vec(square);
    (0..rows).flat_map(|row| values[row * rows + row + 1..(row + 1) * rows].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, matching_of};
    use super::*;
    use burn::tensor::Device;

    fn loss(synthetic: &[f32], real: &[f32], real_labels: &[u32], objective: &KernelMatching) -> f64 {
        let rows = |values: &[f32]| tensors::from_rows(values.to_vec(), 1, &Device::flex());
        let labels: Vec<u32> = vec![0; synthetic.len()];
        matching_of(&rows(synthetic), &labels, &rows(real), real_labels, |matching| {
            tensors::scalar(objective.loss(matching))
        })
    }

    #[test]
    fn the_loss_is_the_discrepancy_on_numbers_that_can_be_checked_by_hand() {
        // Real 0 and 2: their squared distance, 4, is the median. Synthetic 1: 1 from both.
        let one_width = KernelMatching::default().widths(&[1.0]);
        let expected = 1.0 - 2.0 * (-0.25f64).exp() + (1.0 + (-1.0f64).exp()) / 2.0;
        let found = loss(&[1.0], &[0.0, 2.0], &[0, 0], &one_width);
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }

    #[test]
    fn it_tells_sets_with_equal_means_apart_and_equal_sets_have_no_distance() {
        let objective = KernelMatching::default();
        assert!(loss(&[0.0, 2.0], &[0.0, 2.0], &[0, 0], &objective).abs() < 1e-6);
        assert!(loss(&[1.0, 1.0], &[0.0, 2.0], &[0, 0], &objective) > 0.1, "equal means, another spread");
    }

    #[test]
    fn a_class_with_one_real_cell_takes_the_median_of_all() {
        let distance = |values: &[f32]| {
            let rows = tensors::from_rows(values.to_vec(), 1, &Device::flex());
            Some(distances(&rows, &rows))
        };
        assert_eq!(medians(&[distance(&[0.0, 2.0]), distance(&[1.0]), None]), [4.0, 4.0, 4.0]);
        assert_eq!(medians(&[distance(&[1.0, 1.0])]), [1.0], "equal cells have no width");
    }

    #[test]
    fn its_gradient_equals_finite_differences() {
        for per_class in [1, 3] {
            let objective = KernelMatching::default().class_weights(ClassWeights::RootFrequency);
            let error = Case::new(per_class).gradient_error(&objective);
            assert!(error < 1e-3, "{per_class} per class: {error}");
        }
    }
}
