//! Order of the updates in a step: all classes at once, or one class after the other.

use serde::{Deserialize, Serialize};

/// Whether a step updates the codes of all classes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepOrder {
    /// The objective is evaluated once in a step, and its gradient updates all codes.
    #[default]
    Joint,
    /// The codes of one class are updated after those of the other, and the objective is evaluated before each (the order of
    /// algorithm 1 of Zhao, Mopuri and Bilen 2021). A step then costs as many objectives as there are classes. It is the
    /// same as [`Joint`](Self::Joint) where no class's gradient depends on the others' codes, as in distribution
    /// matching; in gradient matching the head is trained on all of them.
    PerClass,
}
