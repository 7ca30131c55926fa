//! Surrogates: small random networks whose outputs, embeddings or gradients an objective can match.
//!
//! A set that is matched through one network suits that network. Surrogates drawn anew in each step stand for the many
//! that will be trained on it (Zhao and Bilen 2023 match the features of random networks).

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};

use super::network::Network;
use super::rows::{Rows, one_hot};
use crate::seed;

/// The shape of surrogates, of which [`draw`](Self::draw) gives some; from
/// [`Matching::surrogates`](super::Matching::surrogates).
#[derive(Clone, Debug)]
#[must_use = "call .draw(n)"]
pub struct Surrogates {
    latent: usize,
    genes: usize,
    classes: usize,
    step: usize,
    seed: u64,
    device: Device,
    hidden: Vec<usize>,
    on_expression: bool,
}

impl Surrogates {
    pub(super) fn new(latent: usize, genes: usize, classes: usize, step: usize, seed: u64, device: Device) -> Self {
        Self { latent, genes, classes, step, seed, device, hidden: Vec::new(), on_expression: false }
    }

    /// Widths of hidden layers with ReLU; none, a linear head, unless set.
    pub fn hidden(mut self, widths: &[usize]) -> Self {
        self.hidden = widths.to_vec();
        self
    }

    /// Surrogates on expression `[rows, genes]` in the place of latents.
    pub fn on_expression(mut self) -> Self {
        self.on_expression = true;
        self
    }

    /// Draws surrogates: others in each step, the same for the same seed and step. Weights are drawn as PyTorch draws
    /// those of linear layers, uniform within 1 / sqrt(inputs).
    pub fn draw(&self, count: usize) -> Vec<Surrogate> {
        let inputs = if self.on_expression { self.genes } else { self.latent };
        let mut widths = vec![inputs];
        widths.extend(&self.hidden);
        widths.push(self.classes);
        let scale = if self.on_expression { 1.0 } else { (self.latent as f64).sqrt() };
        let surrogate = |number| {
            let mut rng = seed::stream(self.seed, &format!("student {number} of step {}", self.step));
            Surrogate { network: Network::random(&widths, &mut rng, &self.device), scale, classes: self.classes }
        };
        (0..count).map(surrogate).collect()
    }
}

/// A small network on latents, which it scales by sqrt(latent), or on expression. Its weights have no graph: its outputs are
/// differentiable in the cells.
#[derive(Clone, Debug)]
pub struct Surrogate {
    network: Network,
    scale: f64,
    classes: usize,
}

impl Surrogate {
    /// Class scores `[rows, classes]`, before softmax.
    pub fn outputs(&self, cells: Tensor<2>) -> Tensor<2> {
        self.network.outputs(cells * self.scale)
    }

    /// The last hidden layer `[rows, width]`; the scaled cells when there is none.
    pub fn features(&self, cells: Tensor<2>) -> Tensor<2> {
        self.network.hidden(cells * self.scale)
    }

    /// Mean cross-entropy of cells of these classes.
    pub fn cross_entropy(&self, cells: Tensor<2>, labels: &[u32]) -> Tensor<1> {
        let one_hot = one_hot(labels, self.classes, &cells.device().inner());
        (log_softmax(self.outputs(cells), 1) * one_hot).sum() / -(labels.len().max(1) as f64)
    }

    /// Gradients of that cross-entropy by each layer's weights, `[outputs, inputs]`, as tensors that are differentiable in
    /// the cells. Rows are sorted by class, as those of [`Matching`](super::Matching) are.
    pub fn gradients(&self, cells: Tensor<2>, labels: &[u32]) -> Vec<Tensor<2>> {
        self.network.gradients(&Rows::new(cells * self.scale, labels, self.classes).data)
    }

    /// The surrogate after steps of gradient descent on these rows, which are taken without their graph.
    #[must_use = "the surrogate itself stays as it was"]
    pub fn trained(&self, cells: Tensor<2>, labels: &[u32], steps: usize, rate: f64) -> Self {
        let rows = Rows::new(cells.inner() * self.scale, labels, self.classes);
        let mut trained = self.clone();
        let rates = trained.network.rates(rate, rate);
        for _ in 0..steps {
            trained.network.descend(&rows.data, &rates);
        }
        trained
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors;

    fn surrogates(step: usize, seed: u64) -> Surrogates {
        Surrogates::new(4, 8, 3, step, seed, Device::flex())
    }

    #[test]
    fn surrogates_are_the_same_for_a_seed_and_a_step_and_differ_between_numbers_steps_and_seeds() {
        let cells = tensors::normal(5, 8, &mut seed::stream(1, "cells"), &Device::flex());
        let outputs = |surrogates: Surrogates| {
            let surrogates = surrogates.on_expression().hidden(&[6]).draw(2);
            surrogates.iter().map(|surrogate| tensors::to_vec(surrogate.outputs(cells.clone()))).collect::<Vec<_>>()
        };
        let usual = outputs(surrogates(3, 1));
        assert_eq!(usual, outputs(surrogates(3, 1)));
        assert_ne!(usual[0], usual[1]);
        assert_ne!(usual[0], outputs(surrogates(4, 1))[0]);
        assert_ne!(usual[0], outputs(surrogates(3, 2))[0]);
    }

    #[test]
    fn training_a_surrogate_lowers_its_cross_entropy_and_the_norm_of_its_gradient() {
        let cells = tensors::normal(6, 4, &mut seed::stream(1, "cells"), &Device::flex());
        let labels = [0, 0, 1, 1, 2, 2];
        for hidden in [&[] as &[usize], &[16]] {
            let fresh = surrogates(0, 1).hidden(hidden).draw(1).remove(0);
            let trained = fresh.trained(cells.clone(), &labels, 100, 0.1);
            let entropy = |surrogate: &Surrogate| tensors::scalar(surrogate.cross_entropy(cells.clone(), &labels));
            assert!(entropy(&trained) < 0.5 * entropy(&fresh), "{} -> {}", entropy(&fresh), entropy(&trained));
            let squared_norm = |surrogate: &Surrogate| {
                let gradients = surrogate.gradients(cells.clone(), &labels);
                assert_eq!(gradients.len(), hidden.len() + 1);
                gradients.into_iter().map(|layer| tensors::scalar(layer.powi_scalar(2).sum())).sum::<f64>()
            };
            assert!(squared_norm(&trained) < squared_norm(&fresh));
        }
    }
}
