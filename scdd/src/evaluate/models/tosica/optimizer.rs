//! One optimiser for both parts of the network: Burn's for the transformer, and the same on the host for the masked layer.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, ModuleOptimizer, SgdConfig};

use crate::distill::Optimizer;

/// Adam's averages of gradients and of their squares, and what keeps it from dividing by zero (Burn's defaults).
const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-5;

pub(super) fn of_network(optimizer: Optimizer, weight_decay: f64) -> ModuleOptimizer {
    match optimizer {
        Optimizer::Adam => AdamWConfig::new().with_weight_decay(weight_decay as f32).init(),
        Optimizer::Sgd { momentum } => SgdConfig::new()
            .with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)))
            .with_momentum(Some(MomentumConfig::new().with_momentum(momentum).with_dampening(0.0)))
            .init(),
    }
}

/// The same for weights on the host.
pub(super) struct HostOptimizer {
    optimizer: Optimizer,
    decay: f32,
    first: Vec<f32>,
    second: Vec<f32>,
    step: i32,
}

impl HostOptimizer {
    pub(super) fn new(optimizer: Optimizer, weight_decay: f64, weights: usize) -> Self {
        let second = if optimizer == Optimizer::Adam { vec![0.0; weights] } else { Vec::new() };
        Self { optimizer, decay: weight_decay as f32, first: vec![0.0; weights], second, step: 0 }
    }

    pub(super) fn step(&mut self, weights: &mut [f32], gradient: &[f32], rate: f64) {
        self.step += 1;
        let (rate, decay) = (rate as f32, self.decay);
        match self.optimizer {
            Optimizer::Adam => {
                let [first, second] = BETAS.map(|beta| 1.0 / (1.0 - beta.powi(self.step)));
                let averages = self.first.iter_mut().zip(&mut self.second);
                for ((weight, gradient), (mean, square)) in weights.iter_mut().zip(gradient).zip(averages) {
                    *mean += (1.0 - BETAS[0]) * (gradient - *mean);
                    *square += (1.0 - BETAS[1]) * (gradient * gradient - *square);
                    *weight -= rate * (decay * *weight + *mean * first / ((*square * second).sqrt() + EPSILON));
                }
            }
            Optimizer::Sgd { momentum } => {
                for ((weight, gradient), velocity) in weights.iter_mut().zip(gradient).zip(&mut self.first) {
                    *velocity = momentum as f32 * *velocity + gradient + decay * *weight;
                    *weight -= rate * *velocity;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::nn::Linear;
    use burn::optim::GradientsParams;
    use burn::tensor::Device;

    use super::*;
    use crate::{seed, tensors};

    #[test]
    fn the_host_takes_the_steps_of_burn() {
        for optimizer in [Optimizer::Adam, Optimizer::Sgd { momentum: 0.9 }] {
            let device = Device::flex().autodiff();
            let mut layer: Linear = tensors::linear(5, 3, &mut seed::stream(1, "host optimiser"), &device);
            let mut weights = tensors::to_vec(layer.weight.val());
            let input = tensors::from_rows((0..10).map(|i| i as f32 / 3.0 - 1.0).collect(), 5, &device);
            let (mut burn, mut host) = (of_network(optimizer, 0.1), HostOptimizer::new(optimizer, 0.1, weights.len()));
            for step in 0..5 {
                let gradients = layer.forward(input.clone()).powi_scalar(2).sum().backward();
                let gradient = layer.weight.val().grad(&gradients).map(tensors::to_vec).unwrap();
                let gradients = GradientsParams::from_grads(gradients, &layer);
                let rate = 0.01 / (1 + step) as f64;
                layer = burn.step(rate, layer, gradients);
                host.step(&mut weights, &gradient, rate);
                for (ours, theirs) in weights.iter().zip(tensors::to_vec(layer.clone().valid().weight.val())) {
                    assert!((ours - theirs).abs() < 1e-5, "{optimizer:?}, step {step}: {ours} {theirs}");
                }
            }
        }
    }
}
