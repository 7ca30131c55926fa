//! Errors of distilling.

use std::path::PathBuf;

use crate::checkpoints::CheckpointProblem;

/// Errors of distilling.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistillError {
    /// No synthetic cells were asked for.
    #[error("per_class is 0; ask for at least 1 synthetic cell per class")]
    NoCells,
    /// The foundation model can't be differentiated.
    #[error(
        "the foundation model '{0}' has no encoder that can be differentiated, and matching needs the gradient of the \
         synthetic cells' latents; distil with a model that has one, such as Foundation::pretrain(...), or take \
         study.distill_embeddings(...), which needs none"
    )]
    NoEncoder(String),
    /// Latents can't become expression.
    #[error(
        "the foundation model '{0}' has no decoder, and latents need one to become expression; train one with \
         study.train_decoder(), take a model that has one, such as Foundation::pretrain(...), or \
         study.distill_embeddings(...), which makes no expression"
    )]
    NoDecoder(String),
    /// Gradients by the encoder's weights were asked for, and the model doesn't give its layers.
    #[error(
        "the foundation model '{0}' doesn't give its encoder's layers, and GradientMatching::unfrozen() matches gradients \
         by their weights; take a model of SCimilarity's form, such as Foundation::pretrain(...), or leave .unfrozen() out"
    )]
    NoEncoderLayers(String),
    /// An initialisation that needs a generator.
    #[error(
        "Init::Generated draws codes from SCDG, and this pipeline has none; use scdg.distill(...), or \
         Init::RandomReal, ClassMean, Medoid or KMeans"
    )]
    NothingGenerated,
    /// A file of a distilled set that doesn't fit a study.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong, and how to fix it.
        problem: String,
    },
    /// A class without training cells.
    #[error("class '{0}' has no training cells; drop it with cells.without(...), or lower the test fraction")]
    EmptyClass(String),
    /// Something is to be chosen on validation cells, and there are none.
    #[error(
        "there are no validation cells to choose on; set .validation_fraction(0.1) on the study, or leave \
         choose_learning_rate, early_stopping, n_init and several marker fractions out"
    )]
    NoValidation,
    /// A loss that is not one value.
    #[error("the loss of {objective} has {found} values; give one, such as a .sum() or .mean()")]
    LossShape {
        /// Which objective.
        objective: String,
        /// How many values the loss had.
        found: usize,
    },
    /// An objective that compares expression, of a pipeline that makes none.
    #[error(
        "{objective} compares expression, and {pipeline} makes none; use study.distill_expression(...), \
         study.distill_decoder(...) or scdg.distill(...)"
    )]
    NoExpression {
        /// Which objective.
        objective: String,
        /// Which pipeline.
        pipeline: String,
    },
    /// More synthetic cells than real ones.
    #[error(
        "per_class is {per_class}, and {classes} of the classes have fewer training cells: {list}. Ask for at most \
         {smallest} per class, or let small classes give fewer with .small_classes(SmallClasses::TakeAll)"
    )]
    MoreThanReal {
        /// What was asked for.
        per_class: usize,
        /// How many classes are too small.
        classes: usize,
        /// Those classes with their training cells.
        list: String,
        /// Training cells of the smallest class.
        smallest: usize,
    },
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] crate::error::SettingError),
    /// The checkpoints of a distillation can't be used.
    #[error("checkpoint {}: {problem}", path.display())]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// What was found, and how to fix it.
        problem: String,
    },
    /// The objective's gradient did not stay finite, though its loss did.
    #[error(
        "the gradient of {objective} became {norm} in step {step} of {steps}; lower the learning rate (it is \
         {learning_rate}), or look for a square root or a division at 0 in the objective"
    )]
    Gradient {
        /// Which objective.
        objective: String,
        /// The L2 norm of the gradient that was found.
        norm: f64,
        /// The step that it was found in.
        step: usize,
        /// How many steps there were to be.
        steps: usize,
        /// The rate that was used.
        learning_rate: f64,
    },
    /// The objective did not stay finite.
    #[error(
        "the loss of {objective} became {loss} in step {step} of {steps}; lower the learning rate (it is {learning_rate})"
    )]
    Diverged {
        /// Which objective.
        objective: String,
        /// The loss that was found.
        loss: f64,
        /// The step that it was found in.
        step: usize,
        /// How many steps there were to be.
        steps: usize,
        /// The rate that was used.
        learning_rate: f64,
    },
}

impl From<CheckpointProblem> for DistillError {
    fn from(CheckpointProblem { path, problem }: CheckpointProblem) -> Self {
        Self::Checkpoint { path, problem }
    }
}
