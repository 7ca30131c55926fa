//! Optimisers of tensors, of synthetic codes and of networks: Adam, or SGD with momentum.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
use serde::{Deserialize, Serialize};

/// An optimiser of codes or of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    /// Adam with its usual moments .9 and .999 (ours): one learning rate suits objectives whose gradients differ a
    /// hundredfold.
    #[default]
    Adam,
    /// Steps along the gradient with momentum, as PyTorch takes them: v = momentum v + g, z = z - rate v (the original
    /// codes of gradient and distribution matching, with 0.5).
    Sgd {
        /// Momentum, from 0 to below 1.
        momentum: f64,
    },
}

impl Optimizer {
    /// Without weight decay.
    pub(crate) fn init(self) -> ModuleOptimizer {
        match self {
            Self::Adam => AdamConfig::new().init(),
            Self::Sgd { momentum } if momentum > 0.0 => {
                SgdConfig::new().with_momentum(Some(without_dampening(momentum))).init()
            }
            Self::Sgd { .. } => SgdConfig::new().init(),
        }
    }

    /// With weight decay: decoupled in Adam (AdamW), added to the gradient in SGD.
    pub(crate) fn init_with_decay(self, weight_decay: f64) -> ModuleOptimizer {
        match self {
            Self::Adam => AdamWConfig::new().with_weight_decay(weight_decay as f32).init(),
            Self::Sgd { momentum } => SgdConfig::new()
                .with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)))
                .with_momentum(Some(without_dampening(momentum)))
                .init(),
        }
    }
}

fn without_dampening(momentum: f64) -> MomentumConfig {
    MomentumConfig::new().with_momentum(momentum).with_dampening(0.0)
}
