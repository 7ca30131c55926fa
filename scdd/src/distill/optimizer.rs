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

/// Whether the codes of all classes are moved at once in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Steps {
    /// The objective is asked once in a step, and all codes are moved by its gradient.
    #[default]
    Joint,
    /// The codes of one class are moved after those of the other, and the objective is asked before each (the order of
    /// algorithm 1 of Zhao, Mopuri and Bilen 2021). A step then costs as many objectives as there are classes. It is the
    /// same as [`Joint`](Self::Joint) where no class's gradient depends on the others' codes, as in distribution
    /// matching; in gradient matching the head is trained on all of them.
    PerClass,
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
