//! The optimiser of the masked layer, whose weights are on the host: the steps of Burn's for the rest of the network.

use scdd_compute::optim::{AdamW, Sgd};

use crate::optimizer::Optimizer;

/// Burn's defaults of Adam.
const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-5;

pub(super) struct HostOptimizer {
    optimizer: Optimizer,
    weight_decay: f32,
    /// First moments of Adam, velocities of SGD.
    first: Vec<f32>,
    /// Second moments; none of SGD.
    second: Vec<f32>,
    step: usize,
}

impl HostOptimizer {
    pub(super) fn new(optimizer: Optimizer, weight_decay: f64, weights: usize) -> Self {
        let second = if optimizer == Optimizer::Adam { vec![0.0; weights] } else { Vec::new() };
        Self { optimizer, weight_decay: weight_decay as f32, first: vec![0.0; weights], second, step: 0 }
    }

    pub(super) fn step(&mut self, weights: &mut [f32], gradient: &[f32], rate: f64) {
        self.step += 1;
        let weight_decay = self.weight_decay;
        match self.optimizer {
            Optimizer::Adam => AdamW { betas: BETAS, epsilon: EPSILON, weight_decay }.step(self.step, rate).update(
                weights,
                gradient,
                &mut self.first,
                &mut self.second,
            ),
            Optimizer::Sgd { momentum } => {
                let sgd = Sgd { momentum: momentum as f32, weight_decay };
                sgd.update(rate as f32, weights, gradient, &mut self.first);
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
            let (mut burn, mut host) =
                (optimizer.init_with_decay(0.1), HostOptimizer::new(optimizer, 0.1, weights.len()));
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
