//! What can be wrong with a foundation model.

/// Errors of foundation models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoundationError {
    /// Cells and model do not have the same genes.
    #[error("the cells have {found} genes and the model {expected}; study the cells with the genes of the model")]
    Genes {
        /// Genes of the cells.
        found: usize,
        /// Genes of the model.
        expected: usize,
    },
    /// Training did not stay finite.
    #[error("the loss became {loss} in step {step} of pretraining; lower the learning rate (it is {learning_rate})")]
    Diverged {
        /// The loss that was found.
        loss: f64,
        /// The step that it was found in.
        step: usize,
        /// The rate that was used.
        learning_rate: f64,
    },
    /// A setting outside its range.
    #[error("{setting} is {found}; expected {expected}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What it was.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
}
