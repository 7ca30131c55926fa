//! What can be wrong with a generator.

/// Errors of training and using SCDG.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScdgError {
    /// A setting outside its range.
    #[error("{setting} is {found}; expected {expected}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What it was.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// Training did not stay finite.
    #[error("the loss became {loss} in step {step} of training SCDG; lower the learning rate (it is {learning_rate})")]
    Diverged {
        /// The loss that was found.
        loss: f64,
        /// The step that it was found in.
        step: usize,
        /// The rate that was used.
        learning_rate: f64,
    },
    /// The foundation model can't turn latents into expression.
    #[error(
        "the foundation model '{0}' has no decoder, and SCDG's latents need one to become expression: pretrain a model \
         (leave .foundation() out), or give Foundation::pca(&training_cells); study.evaluate() and study.reference() \
         need no decoder"
    )]
    NoDecoder(String),
}
