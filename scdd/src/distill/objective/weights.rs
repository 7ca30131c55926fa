//! Class weights of objectives that sum over classes.

use serde::{Deserialize, Serialize};

/// The weight of each class in an objective's sum. Weights have a mean of 1, so that one learning rate suits all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClassWeights {
    /// All classes alike, rare ones too; the paper's sum.
    #[default]
    Equal,
    /// As the square root of a class's training cells: between the other two (our choice).
    RootFrequency,
    /// As a class's training cells (our choice): it favours scores over all cells, such as accuracy, above scores over classes,
    /// such as macro-F1.
    Frequency,
}

impl ClassWeights {
    /// Its part of a name in tables; None for equal weights, the default.
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
