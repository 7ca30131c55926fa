//! What happened in a distillation: losses, gradients, validation scores and the runs that were tried.

use serde::{Deserialize, Serialize};

use super::selection::ValidationScore;

/// What happened in each step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DistillHistory {
    /// The objective's loss; with [`StepOrder::PerClass`](super::StepOrder::PerClass) before the first class of the step is updated.
    pub loss: Vec<f64>,
    /// L2 norm of the gradient of all codes.
    pub gradient: Vec<f64>,
    /// Scores on validation cells of the steps that were scored; empty when nothing was chosen.
    pub validation: Vec<ValidationScore>,
    /// Steps that had been taken when the delivered set was made.
    pub kept_step: usize,
    /// Fraction of the genes, the best markers, that models on expression are trained with; None is all genes.
    #[serde(default)]
    pub marker_fraction: Option<f64>,
    /// Scores on validation cells of the initialisations, when one was chosen among several that differ.
    #[serde(default)]
    pub initialisations: Vec<ValidationScore>,
    /// The runs that were tried, when one was chosen among several.
    pub runs: Vec<RunTried>,
    /// Whether it was stopped before its last step; `loss` has a value for each step that was done.
    #[serde(default)]
    pub interrupted: bool,
    /// Seconds of all steps, with all learning rates, and of the choice of an initialisation; those of the last run when it was
    /// resumed.
    pub seconds: f64,
}

/// A run that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunTried {
    /// Its learning rate.
    pub learning_rate: f64,
    /// Fraction of the genes that the objective compared.
    pub step_marker_fraction: f64,
    /// The best score that it reached; None when it diverged.
    pub score: Option<ValidationScore>,
}
