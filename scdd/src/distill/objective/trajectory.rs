//! Trajectory matching (MTT): training on synthetic cells should give a head the weights that training on real cells gives it
//! (Cazenavette et al. 2022, equation 2).
//!
//! || theta_N(S) - theta_M(T) ||^2 / || theta_0 - theta_M(T) ||^2: both trajectories start at theta_0, a head after some steps on
//! real cells; theta_M(T) has taken M more steps on real cells, theta_N(S) N steps on synthetic ones. The gradient of each step
//! is hand-derived (`network.rs`), so that autodiff goes through all N.

use burn::tensor::Tensor;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::matching::{Matching, MatchingObjective};
use super::names::{head, qualified};
use super::network::Network;
use super::rows::Rows;
use super::weights::ClassWeights;
use crate::distill::DistillError;
use crate::error::SettingError;
use crate::seed;
use crate::study::Study;

/// Matches the weights of heads that train on latents of synthetic and of real cells.
///
/// The original trains its experts once, on all data, and stores them. Steps of a head on latents cost little, so here each
/// step draws a new head and trains it on the step's batch of real cells, with whole-batch gradient descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrajectoryMatching {
    /// Widths of the head's hidden layers, with ReLU; none, a linear head (our choice: evaluation trains one).
    pub hidden: Vec<usize>,
    /// The most steps on real cells that theta_0 has taken, drawn from 0 to this in each step; 20 (our choice). On the
    /// FACS-sorted blood cells' validation cells, at most 0, 10 and 20 steps did alike, and 50 worse at high rates.
    pub start_steps: usize,
    /// Steps M on real cells, to the target; 20 (our choice).
    pub expert_steps: usize,
    /// Steps N on synthetic cells; 10 (our choice).
    pub surrogate_steps: usize,
    /// Learning rate on real cells, on latents at scale sqrt(latent); 0.01 (as the heads of gradient matching and of the
    /// evaluation). On those validation cells, 0.02 and 0.05 gave heads of higher cross-entropy.
    pub expert_learning_rate: f64,
    /// Learning rate on synthetic cells; 0.02 (our choice: N of these steps then go as far as M on real cells. The
    /// original learns it).
    pub surrogate_learning_rate: f64,
    /// Weights of the classes in both cross-entropies; equal (our choice: there are as many synthetic cells of each class).
    pub class_weights: ClassWeights,
}

impl Default for TrajectoryMatching {
    fn default() -> Self {
        Self {
            hidden: Vec::new(),
            start_steps: 20,
            expert_steps: 20,
            surrogate_steps: 10,
            expert_learning_rate: 0.01,
            surrogate_learning_rate: 0.02,
            class_weights: ClassWeights::Equal,
        }
    }
}

impl TrajectoryMatching {
    /// Widths of the head's hidden layers; none, a linear head, unless set.
    #[must_use]
    pub fn hidden(mut self, widths: &[usize]) -> Self {
        self.hidden = widths.to_vec();
        self
    }

    /// The most steps before the start of the trajectories, steps on real cells, and steps on synthetic ones; 20, 20 and 10
    /// unless set.
    #[must_use]
    pub fn steps(mut self, start: usize, expert: usize, surrogate: usize) -> Self {
        (self.start_steps, self.expert_steps, self.surrogate_steps) = (start, expert, surrogate);
        self
    }

    /// Learning rates of the head on real and on synthetic cells; 0.01 and 0.02 unless set.
    #[must_use]
    pub fn head_learning_rates(mut self, expert: f64, surrogate: f64) -> Self {
        (self.expert_learning_rate, self.surrogate_learning_rate) = (expert, surrogate);
        self
    }

    /// Weights of the classes in both cross-entropies; equal unless set.
    #[must_use]
    pub fn class_weights(mut self, weights: ClassWeights) -> Self {
        self.class_weights = weights;
        self
    }
}

impl MatchingObjective for TrajectoryMatching {
    fn name(&self) -> String {
        "trajectory matching".to_owned()
    }

    fn short_name(&self) -> String {
        qualified("MTT", [head(&self.hidden), self.class_weights.name()])
    }

    fn compares_expression(&self) -> bool {
        false
    }

    /// Of 0.01 to 100 at 2 per class on Baron's validation cells, 10 and 100 gave heads of the lowest cross-entropy.
    fn sgd_learning_rate(&self) -> f64 {
        10.0
    }

    fn check(&self, _study: &Study) -> crate::Result<()> {
        let fail = |setting, found: String, expected: &str| {
            Err(DistillError::Setting(SettingError::new(setting, found, expected)).into())
        };
        if self.hidden.contains(&0) {
            return fail("hidden", format!("{:?}", self.hidden), "widths of at least 1");
        }
        if self.expert_steps == 0 || self.surrogate_steps == 0 {
            let found = format!("{} and {}", self.expert_steps, self.surrogate_steps);
            return fail("expert_steps and surrogate_steps", found, "at least 1 each");
        }
        let rates = [self.expert_learning_rate, self.surrogate_learning_rate];
        if !rates.iter().all(|rate| rate.is_finite() && *rate > 0.0) {
            return fail("head_learning_rates", format!("{rates:?}"), "two numbers above 0");
        }
        Ok(())
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let latent = matching.real_embeddings().dims()[1];
        let scale = (latent as f64).sqrt();
        let weights = self.class_weights.of(matching.class_counts());
        let real = Rows::balanced(matching.real_embeddings() * scale, matching.real_labels(), &weights);
        let synthetic = Rows::balanced(matching.synthetic_embeddings() * scale, matching.synthetic_labels(), &weights);
        let mut rng = seed::stream(matching.seed(), &format!("trajectory of step {}", matching.step()));
        let mut widths = vec![latent];
        widths.extend(&self.hidden);
        widths.push(matching.classes());
        let mut start = Network::random(&widths, &mut rng, &matching.device());
        let train = |network: &mut Network, rows: &Rows, steps: usize, rate: f64| {
            let rates = network.rates(rate, rate);
            for _ in 0..steps {
                network.descend(&rows.data, &rates);
            }
        };
        train(&mut start, &real, rng.random_range(0..=self.start_steps), self.expert_learning_rate);
        let (mut expert, mut surrogate) = (start.clone(), start.clone());
        train(&mut expert, &real, self.expert_steps, self.expert_learning_rate);
        train(&mut surrogate, &synthetic, self.surrogate_steps, self.surrogate_learning_rate);
        // Against a division by zero where the target is the start.
        surrogate.squared_distance(&expert) / start.squared_distance(&expert).add_scalar(1e-12)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, matching_of};
    use super::*;
    use crate::{seed, tensors};
    use burn::tensor::Device;

    #[test]
    fn its_gradient_equals_finite_differences_through_all_unrolled_steps() {
        let linear = TrajectoryMatching::default().steps(5, 8, 4).head_learning_rates(0.1, 0.2);
        for objective in [linear.clone(), linear.clone().hidden(&[16]), linear.class_weights(ClassWeights::Frequency)] {
            for per_class in [1, 2] {
                let error = Case::new(per_class).gradient_error(&objective);
                assert!(error < 3e-3, "{objective:?}, {per_class} per class: {error}");
            }
        }
    }

    #[test]
    fn equal_cells_give_equal_weights_and_cells_without_a_gradient_are_at_distance_one() {
        let device = Device::flex();
        let cells = tensors::normal(4, 3, &mut seed::stream(1, "cells"), &device);
        let labels = [0, 0, 1, 1];
        let objective = TrajectoryMatching::default().steps(10, 6, 6).head_learning_rates(0.1, 0.1);
        let loss = |synthetic: &Tensor<2>| {
            let loss = |matching: &Matching| tensors::scalar(objective.loss(matching));
            matching_of(synthetic, &labels, &cells, &labels, loss)
        };
        assert!(loss(&cells) < 1e-9, "{}", loss(&cells));
        assert!((loss(&cells.zeros_like()) - 1.0).abs() < 1e-6);
    }
}
