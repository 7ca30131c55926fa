//! How much each class counts in an objective that sums over classes.

use serde::{Deserialize, Serialize};

/// The weight of each class in an objective's sum. Weights have a mean of 1, so that one learning rate suits all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClassWeights {
    /// All classes alike, rare ones too; the paper's sum.
    #[default]
    Equal,
    /// As the square root of a class's training cells: between the other two (ours).
    RootFrequency,
    /// As a class's training cells: a score of all cells alike, such as accuracy, then counts more than one of all
    /// classes alike (ours).
    Frequency,
}

impl ClassWeights {
    /// What tells it from equal weights in the names of tables; nothing for these.
    pub(super) fn name(self) -> Option<String> {
        let name = match self {
            Self::Equal => return None,
            Self::RootFrequency => "root frequency",
            Self::Frequency => "frequency",
        };
        Some(name.to_owned())
    }

    /// A weight for each class from its training cells, 0 for a class without any.
    ///
    /// ```
    /// use scdd::distill::ClassWeights;
    /// assert_eq!(ClassWeights::Equal.of(&[900, 100]), [1.0, 1.0]);
    /// assert_eq!(ClassWeights::RootFrequency.of(&[900, 100]), [1.5, 0.5]);
    /// assert_eq!(ClassWeights::Frequency.of(&[900, 100]), [1.8, 0.2]);
    /// ```
    pub fn of(self, training_cells: &[usize]) -> Vec<f64> {
        let raw = |&cells: &usize| match self {
            Self::Equal => f64::from(u8::from(cells > 0)),
            Self::RootFrequency => (cells as f64).sqrt(),
            Self::Frequency => cells as f64,
        };
        let weights: Vec<f64> = training_cells.iter().map(raw).collect();
        let classes = training_cells.iter().filter(|&&cells| cells > 0).count();
        let sum: f64 = weights.iter().sum();
        if sum > 0.0 { weights.iter().map(|weight| weight * classes as f64 / sum).collect() } else { weights }
    }
}
