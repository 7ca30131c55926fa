//! Weights of the denoiser under AdamW (Loshchilov and Hutter 2019), and their exponential moving average, which makes better
//! latents than the last weights.

use rayon::prelude::*;
use scdd_compute::optim::AdamW;

/// Burn's defaults.
const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-5;
/// Weights that a thread averages at a time.
const PART: usize = 16_384;

/// Weights, their moving average, and the moments of their gradients.
#[derive(Clone, Debug)]
pub(super) struct Moving {
    pub(super) weights: Vec<f32>,
    pub(super) average: Vec<f32>,
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
}

impl Moving {
    /// Weights before the first step.
    pub(super) fn new(weights: Vec<f32>) -> Self {
        let zeros = vec![0.0; weights.len()];
        Self { average: weights.clone(), weights, first: zeros.clone(), second: zeros }
    }

    /// Step number `step`, from 1, along a gradient.
    pub(super) fn step(&mut self, gradient: &[f32], step: usize, rate: f64, weight_decay: f32) {
        let step = AdamW { betas: BETAS, epsilon: EPSILON, weight_decay }.step(step, rate);
        step.update_parallel(&mut self.weights, gradient, &mut self.first, &mut self.second);
    }

    /// average * decay + weights * (1 - decay).
    pub(super) fn mix(&mut self, decay: f64) {
        let (old, new) = (decay as f32, (1.0 - decay) as f32);
        let parts = self.average.par_chunks_mut(PART).zip(self.weights.par_chunks(PART));
        parts.for_each(|(average, weights)| {
            average.iter_mut().zip(weights).for_each(|(average, weight)| *average = *average * old + weight * new);
        });
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use burn::optim::{AdamWConfig, GradientsParams};
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::{seed, tensors};

    #[derive(Module, Debug)]
    struct Weights {
        weights: Param<Tensor<2>>,
    }

    #[test]
    fn ten_steps_are_those_of_burns_adamw() {
        let device = Device::flex().autodiff();
        let mut rng = seed::stream(1, "test");
        let start = tensors::normal(1, 50, &mut rng, &device);
        let mut moving = Moving::new(tensors::to_vec(start.clone()));
        let mut module = Weights { weights: Param::from_tensor(start) };
        let mut optimizer = AdamWConfig::new().with_weight_decay(0.1).init();
        for step in 1..=10 {
            let gradient = tensors::normal(1, 50, &mut rng, &device);
            moving.step(&tensors::to_vec(gradient.clone()), step, 0.01, 0.1);
            let gradients = GradientsParams::from_grads((module.weights.val() * gradient).sum().backward(), &module);
            module = optimizer.step(0.01, module, gradients);
        }
        assert_eq!(moving.weights.len(), 50);
        for (found, expected) in moving.weights.iter().zip(tensors::to_vec(module.weights.val())) {
            assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
        }
    }

    #[test]
    fn the_average_moves_by_its_decay() {
        let mut moving = Moving::new(vec![1.0, 2.0]);
        moving.weights = vec![2.0, 0.0];
        moving.mix(0.75);
        assert_eq!(moving.average, [1.25, 1.5]);
    }
}
