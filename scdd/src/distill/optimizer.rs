//! What moves the codes.

use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig, momentum::MomentumConfig};
use serde::{Deserialize, Serialize};

/// The optimiser of the codes.
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
    pub(super) fn init(self) -> ModuleOptimizer {
        match self {
            Self::Adam => AdamConfig::new().init(),
            Self::Sgd { momentum } if momentum > 0.0 => {
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0);
                SgdConfig::new().with_momentum(Some(momentum)).init()
            }
            Self::Sgd { .. } => SgdConfig::new().init(),
        }
    }
}
