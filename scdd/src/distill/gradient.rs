//! Gradient matching (DC): equation 5 of Yu et al. 2025, after Zhao, Mopuri and Bilen 2021.
//!
//! Sum over classes and classification epochs of D(grad_theta CE(T_c), grad_theta CE(S_c)), theta a linear head on the
//! frozen foundation model. D sums 1 - <a, b> / (|a| |b| + 1e-6) over the rows of the head, biases left out. For softmax
//! cross-entropy the gradient of the head is (1 / n) sum_i (p_i - onehot_i) h_i^T, written out here, so that ordinary
//! autodiff differentiates the match.

use burn::tensor::{Device, Tensor, activation::softmax};
use serde::{Deserialize, Serialize};

use super::matching::{Matching, MatchingObjective, class_rows};
use crate::{seed, tensors};

/// Matches the gradients that each class gives a linear head.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientMatching {
    /// Classification epochs in each step: matches with the same head while it trains; 5 (ours; the original code has
    /// 1 for one image per class and 10 for ten).
    pub epochs: usize,
    /// Steps of gradient descent that the head takes on the synthetic cells between epochs; 10 (ours, likewise).
    pub head_steps: usize,
    /// Learning rate of the head, on latents at scale sqrt(latent); 0.01 (the original code).
    pub head_learning_rate: f64,
}

impl Default for GradientMatching {
    fn default() -> Self {
        Self { epochs: 5, head_steps: 10, head_learning_rate: 0.01 }
    }
}

impl GradientMatching {
    /// Classification epochs in each step.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Steps of the head between epochs.
    #[must_use]
    pub fn head_steps(mut self, steps: usize) -> Self {
        self.head_steps = steps;
        self
    }
}

impl MatchingObjective for GradientMatching {
    fn name(&self) -> String {
        "gradient matching".to_owned()
    }

    fn short_name(&self) -> String {
        "DC".to_owned()
    }

    fn compares_expression(&self) -> bool {
        false
    }

    /// On Baron's validation cells at 1 per class, 0.1 to 10 differ by a cell or two on every pipeline with expression; 100 is
    /// too much for most.
    fn sgd_learning_rate(&self) -> f64 {
        1.0
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let device = matching.device();
        let scale = |features: Tensor<2>| {
            let latent = features.dims()[1] as f64;
            features * latent.sqrt()
        };
        let real = Rows::new(scale(matching.real_features()), matching.real_labels(), matching.classes());
        let synthetic =
            Rows::new(scale(matching.synthetic_features()), matching.synthetic_labels(), matching.classes());
        let mut head = fresh_head(real.features.dims()[1], matching, &device);
        let mut loss = Tensor::zeros([1], &device);
        for epoch in 0..self.epochs.max(1) {
            for class in 0..matching.classes() as u32 {
                if let (Some(real), Some(synthetic)) = (real.gradient(class, &head), synthetic.gradient(class, &head)) {
                    loss = loss + row_distance(real, synthetic);
                }
            }
            if epoch + 1 < self.epochs {
                let fixed = Rows { features: synthetic.features.clone().inner(), ..synthetic.clone() };
                for _ in 0..self.head_steps {
                    head = head.clone() - fixed.whole_gradient(&head).transpose() * self.head_learning_rate;
                }
            }
        }
        loss
    }
}

/// Features `[rows, latent]` with their labels, sorted by class.
#[derive(Clone)]
struct Rows {
    features: Tensor<2>,
    one_hot: Tensor<2>,
    of_class: Vec<Option<(usize, usize)>>,
}

impl Rows {
    fn new(features: Tensor<2>, labels: &[u32], classes: usize) -> Self {
        let mut values = vec![0.0; labels.len() * classes];
        for (row, &label) in labels.iter().enumerate() {
            values[row * classes + label as usize] = 1.0;
        }
        let one_hot = tensors::from_rows(values, classes, &features.device().inner());
        let mut of_class = vec![None; classes];
        for (class, first, count) in class_rows(labels) {
            of_class[class as usize] = Some((first, count));
        }
        Self { features, one_hot, of_class }
    }

    /// Gradient of the mean cross-entropy of one class's rows by the head `[latent, classes]`: `[classes, latent]`.
    fn gradient(&self, class: u32, head: &Tensor<2>) -> Option<Tensor<2>> {
        let (first, count) = self.of_class[class as usize]?;
        let features = self.features.clone().narrow(0, first, count);
        Some(gradient(features, self.one_hot.clone().narrow(0, first, count), head))
    }

    /// The same over all rows.
    fn whole_gradient(&self, head: &Tensor<2>) -> Tensor<2> {
        gradient(self.features.clone(), self.one_hot.clone(), head)
    }
}

/// (1 / n) sum_i (p_i - onehot_i) h_i^T
fn gradient(features: Tensor<2>, one_hot: Tensor<2>, head: &Tensor<2>) -> Tensor<2> {
    let rows = features.dims()[0];
    let residual = softmax(features.clone().matmul(head.clone()), 1) - one_hot;
    residual.transpose().matmul(features) / rows as f64
}

/// Sum over rows of 1 - <a, b> / (|a| |b| + 1e-6).
fn row_distance(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let rows = a.dims()[0] as f64;
    let length = |rows: Tensor<2>| rows.powi_scalar(2).sum_dim(1).add_scalar(1e-24).sqrt();
    let products = (a.clone() * b.clone()).sum_dim(1);
    let cosines = products / (length(a) * length(b)).add_scalar(1e-6);
    cosines.sum().neg().add_scalar(rows)
}

/// A head `[latent, classes]` drawn anew in each step.
fn fresh_head(latent: usize, matching: &Matching, device: &Device) -> Tensor<2> {
    let mut rng = seed::stream(matching.seed(), &format!("head of step {}", matching.step()));
    tensors::linear(latent, matching.classes(), &mut rng, &device.clone().inner()).weight.val().inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::log_softmax;
    use std::cell::Cell;

    const LABELS: [u32; 6] = [0, 0, 1, 1, 1, 2];

    fn features(seed: u64, device: &Device) -> Tensor<2> {
        tensors::normal(6, 4, &mut seed::stream(seed, "features"), device)
    }

    #[test]
    fn the_closed_form_is_the_gradient_of_cross_entropy() {
        let device = Device::flex().autodiff();
        let head = tensors::normal(4, 3, &mut seed::stream(1, "head"), &device).require_grad();
        let features = features(2, &device);
        let rows = Rows::new(features.clone(), &LABELS, 3);
        let picked = log_softmax(features.matmul(head.clone()), 1) * rows.one_hot.clone().autodiff();
        let gradients = (picked.sum().neg() / 6.0).backward();
        let expected = tensors::to_vec(head.grad(&gradients).unwrap().transpose());
        let found = tensors::to_vec(rows.whole_gradient(&head));
        for (expected, found) in expected.iter().zip(found) {
            assert!((expected - found).abs() < 1e-5, "{expected} and {found}");
        }
    }

    #[test]
    fn equal_gradients_have_no_distance_and_opposite_ones_two_a_row() {
        let device = Device::flex();
        let a = features(3, &device);
        assert!(tensors::scalar(row_distance(a.clone(), a.clone())).abs() < 1e-4);
        assert!((tensors::scalar(row_distance(a.clone(), a.neg())) - 12.0).abs() < 1e-4);
    }

    /// The loss as a function of one coordinate of the synthetic features.
    fn loss(synthetic: Tensor<2>) -> Tensor<1> {
        let device = synthetic.device().inner();
        let matching = Matching {
            synthetic_expression: Some(synthetic.clone()),
            expression_asked: Cell::new(false),
            synthetic_features: synthetic,
            synthetic_labels: &LABELS,
            real_features: features(5, &device),
            real_labels: &LABELS,
            real_expression: &|| features(5, &Device::flex()),
            classes: 3,
            step: 0,
            seed: 1,
        };
        // One epoch: between epochs the head moves with the synthetic cells, which autodiff leaves out on purpose.
        GradientMatching::default().epochs(1).loss(&matching)
    }

    #[test]
    fn its_gradient_equals_finite_differences() {
        let device = Device::flex();
        let start = features(4, &device);
        let leaf = start.clone().autodiff().require_grad();
        let gradient = tensors::to_vec(leaf.grad(&loss(leaf.clone()).backward()).unwrap());
        let values = tensors::to_vec(start);
        let step = 1e-2;
        for (place, gradient) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[place] += by;
                tensors::scalar(loss(tensors::from_rows(values, 4, &device)))
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            assert!(
                (difference - f64::from(*gradient)).abs() < 2e-2 * (1.0 + difference.abs()),
                "{place}: {difference} and {gradient}"
            );
        }
    }
}
