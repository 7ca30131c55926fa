//! Errors of evaluations and baselines.

/// Errors of training and scoring evaluation models, and of picking baseline cells.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] crate::error::SettingError),
    /// No test cell.
    #[error("no test cells to score; raise the test fraction, or keep classes large enough to be split")]
    EmptyTest,
    /// No validation cell.
    #[error("no validation cells to score; set .validation_fraction(0.1) on the study, or leave on_validation() out")]
    EmptyValidation,
    /// No evaluation model.
    #[error("no model to train on the sets; give one, such as LinearProbe, or leave models(...) out")]
    NoModels,
    /// A perceptron that ran away.
    #[error(
        "the probabilities of MLP {network} are not finite after training; lower its learning_rate ({learning_rate})"
    )]
    MlpDiverged {
        /// Which network.
        network: usize,
        /// The rate it was trained with.
        learning_rate: f64,
    },
    /// A network that ran away.
    #[error("the probabilities of {model} are not finite after training; lower its learning_rate ({learning_rate})")]
    NetworkDiverged {
        /// Which model.
        model: &'static str,
        /// The rate it was trained with.
        learning_rate: f64,
    },
    /// Gene sets that can't be read, or have no genes of the cells.
    #[error("gene sets: {problem}")]
    GeneSets {
        /// What is wrong.
        problem: String,
    },
    /// A column that can't be evaluated with the study's classes.
    #[error("label '{column}': {problem}")]
    Label {
        /// The column of obs.
        column: String,
        /// What is wrong, and the mend.
        problem: String,
    },
    /// Cells of other genes than those that a model was trained on.
    #[error("cells have {found} genes, but the model was trained on {expected}; take both from the same study")]
    Genes {
        /// Genes given.
        found: usize,
        /// Genes expected.
        expected: usize,
    },
    /// A baseline that decodes, and a foundation model that can't.
    #[error(
        "the baseline '{baseline}' decodes latents, and the foundation model '{model}' has no decoder; leave it out, \
         or take a model that has one, such as Foundation::pretrain(...)"
    )]
    NoDecoder {
        /// The baseline.
        baseline: String,
        /// The foundation model.
        model: String,
    },
    /// A selection chose a cell that there isn't.
    #[error(
        "the selection chose training cell {index} of {cells}; indices from 0 to {} are expected",
        .cells.saturating_sub(1)
    )]
    Chosen {
        /// The index.
        index: usize,
        /// Training cells.
        cells: usize,
    },
    /// Sets of different studies have other test cells, genes or embeddings.
    #[error("the distilled sets belong to different studies; compare sets that were distilled from one study")]
    OtherStudy,
    /// Asked to stop.
    #[error(
        "the evaluation was stopped as asked, after {models} models were trained and scored; a table of a part of the rows \
         would not say what it lacks: run it again, perhaps with fewer models or baselines"
    )]
    Stopped {
        /// Models trained until then.
        models: usize,
    },
    /// The table could not be made.
    #[error("evaluation table: {0}")]
    Table(#[from] polars::error::PolarsError),
}
