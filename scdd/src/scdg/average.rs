//! Moving average of a network's weights, which makes better latents than the last weights.

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::denoiser::Denoiser;

/// average * decay + network * (1 - decay), weight by weight.
pub(super) fn moving_average(average: Denoiser, network: &Denoiser, decay: f64) -> Denoiser {
    struct Weights(VecDeque<Tensor<1>>);
    impl ModuleVisitor for Weights {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let weights = param.val();
            let count = weights.shape().num_elements();
            self.0.push_back(weights.reshape([count]));
        }
    }
    struct Mix {
        weights: Weights,
        decay: f64,
    }
    impl ModuleMapper for Mix {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(new) = self.weights.0.pop_front() else { return param };
            let decay = self.decay;
            param.map(|old| {
                let shape = old.shape();
                old * decay + new.reshape(shape) * (1.0 - decay)
            })
        }
    }
    let mut weights = Weights(VecDeque::new());
    network.visit(&mut weights);
    average.map(&mut Mix { weights, decay })
}
