//! What can be wrong with an evaluation.

/// Errors of training and scoring evaluation models, and of picking baseline cells.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] crate::error::SettingError),
    /// A classifier of one class learns nothing.
    #[error(
        "all {cells} training cells have label {class}; a classifier needs two classes or more: choose another \
         label column or keep more classes"
    )]
    OneClass {
        /// The only class.
        class: u32,
        /// How many training cells have it.
        cells: usize,
    },
    /// A NaN or an infinity among the features.
    #[error(
        "cell {cell}, feature {feature} is {value}; features must be finite: look for a division by zero or \
         a distillation that diverged (a lower rate mends that)"
    )]
    NotFinite {
        /// Row.
        cell: usize,
        /// Column.
        feature: usize,
        /// What stood there.
        value: f32,
    },
    /// A label at or above the number of classes.
    #[error("cell {cell} has label {label}, but there are {classes} classes, 0 to {}; give the number of classes of \
             the whole study, not of one part", .classes.saturating_sub(1))]
    LabelOutOfRange {
        /// Position of the label.
        cell: usize,
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// Rows and labels, or true and predicted labels, differ in number.
    #[error("{found} {what} for {expected} labels; each needs exactly one label")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// Number of labels.
        expected: usize,
    },
    /// No cell or no feature to train on.
    #[error("training features are {cells} cells x {features} features; at least one of both is needed")]
    EmptyTraining {
        /// Rows.
        cells: usize,
        /// Columns.
        features: usize,
    },
    /// No test cell.
    #[error("no test cells to score; raise the test fraction, or keep classes large enough to be split")]
    EmptyTest,
    /// No validation cell.
    #[error("no validation cells to score; set .validation_fraction(0.1) on the study, or leave on_validation() out")]
    EmptyValidation,
    /// No evaluation model.
    #[error("no model to train on the sets; give one, such as LinearProbe, or leave models(...) out")]
    NoModels,
    /// Test features are not those that the model was trained on.
    #[error(
        "cells have {found} features, but the model was trained on {expected}; embed both with the same foundation"
    )]
    Width {
        /// Columns given.
        found: usize,
        /// Columns expected.
        expected: usize,
    },
    /// Softmax regression that ran away.
    #[error(
        "training of network {network} diverged in epoch {epoch}: loss {loss}; lower learning_rate ({learning_rate}) or \
         embedding_scale ({embedding_scale})"
    )]
    Diverged {
        /// Which network.
        network: usize,
        /// First epoch without a finite loss, counted from 0; the number of epochs when it is the last update's.
        epoch: usize,
        /// That loss.
        loss: f64,
        /// The rate it was trained with.
        learning_rate: f64,
        /// What the features were multiplied with.
        embedding_scale: f32,
    },
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
    /// A file that holds no trained model, or one that can't be written.
    #[error("{path}: {problem}")]
    ModelFile {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A model that can't be written.
    #[error(
        "'{model}' does not say what it consists of, so it can't be written: implement TrainedModel::save for it, \
         or take one of scdd's"
    )]
    NotSaved {
        /// Which model.
        model: String,
    },
    /// Cells to annotate lack too many of a model's genes.
    #[error(
        "the cells have {found} of the {expected} genes that '{model}' was trained on, {needed} are needed; the \
         cells' genes are named like {of_cells}, the model's like {of_model}. Genes are matched by name: rename \
         them, or lower least_genes"
    )]
    MissingGenes {
        /// Which model.
        model: String,
        /// Genes that both have.
        found: usize,
        /// Genes of the model.
        expected: usize,
        /// How many must be there.
        needed: usize,
        /// Some names of the cells.
        of_cells: String,
        /// Some names of the model.
        of_model: String,
    },
    /// A linear head without the foundation model that it was trained through, or with another.
    #[error(
        "'{model}' reads latents of the foundation model {expected}; {found}. Give the very model with \
         .with_foundation(...)"
    )]
    OtherFoundation {
        /// Which model.
        model: String,
        /// Name and checksum of the foundation model that it was trained through.
        expected: String,
        /// What was there in its place.
        found: String,
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
    /// A model or baseline that sees expression, and features that have none.
    #[error(
        "the {rows} features are no cells and have no expression; take a model that sees latents, such as \
         LinearProbe, or cells of the features by .decoded()"
    )]
    NoExpression {
        /// How many there are.
        rows: usize,
    },
    /// A model or baseline that sees latents, and cells that have none.
    #[error("the {cells} cells have expression only; give their latents, or the foundation model that sees them")]
    NoLatents {
        /// How many there are.
        cells: usize,
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

/// Checks that there is one label per row and that none reaches `classes`.
pub(crate) fn check_labels(
    what: &'static str,
    rows: usize,
    labels: &[u32],
    classes: usize,
) -> Result<(), EvaluateError> {
    if rows != labels.len() {
        return Err(EvaluateError::Count { what, found: rows, expected: labels.len() });
    }
    match labels.iter().enumerate().find(|(_, label)| **label as usize >= classes) {
        Some((cell, &label)) => Err(EvaluateError::LabelOutOfRange { cell, label, classes }),
        None => Ok(()),
    }
}
