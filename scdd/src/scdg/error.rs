//! Errors of training and using SCDG.

use std::path::PathBuf;

use crate::checkpoints::CheckpointProblem;
use crate::text::first_few;

/// Errors of training and using SCDG.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScdgError {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] crate::error::SettingError),
    /// Asked to stop before its first step.
    #[error(transparent)]
    Stopped(#[from] crate::progress::Stopped),
    /// A column of obs that can't be a condition.
    #[error("SCDG can't be conditioned on obs column '{column}': {problem}")]
    Condition {
        /// The column.
        column: String,
        /// What was found, and how to fix it.
        problem: String,
    },
    /// A class, a condition or a value that no training cell has.
    #[error("'{found}' is no {what} of the training cells; there are {}", first_few(known))]
    Unknown {
        /// What it should be.
        what: String,
        /// What was asked for.
        found: String,
        /// All that there are.
        known: Vec<String>,
    },
    /// No training cell has this class together with these conditions, and the sampler starts from real cells.
    #[error(
        "no training cell is {asked}, and {sampler} starts from real ones; Sampler::Ddim {{ steps: 50 }} starts from \
         noise"
    )]
    NoSuchCells {
        /// Class and conditions.
        asked: String,
        /// The sampler.
        sampler: String,
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
    /// The checkpoints of a training can't be used.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// What was found, and how to fix it.
        problem: String,
    },
    /// The foundation model can't turn latents into expression.
    #[error(
        "the foundation model '{0}' has no decoder, and SCDG's latents need one to become expression: train one with \
         study.train_decoder(), pretrain a model (leave .foundation() out), or give Foundation::pca(&training_cells); \
         study.evaluate() and study.reference() need no decoder"
    )]
    NoDecoder(String),
}

impl From<CheckpointProblem> for ScdgError {
    fn from(CheckpointProblem { path, problem }: CheckpointProblem) -> Self {
        Self::Checkpoint { path, problem }
    }
}
