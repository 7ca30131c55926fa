//! What can be wrong with an annotation.

/// Errors of annotating cells and of searching similar ones.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotateError {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] crate::error::SettingError),
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
    /// A linear head without the foundation model that it was trained on, or with another.
    #[error(
        "'{model}' reads latents of the foundation model {expected}; {found}. Give the very model with \
         .with_foundation(...)"
    )]
    OtherFoundation {
        /// Which model.
        model: String,
        /// Name and checksum of the foundation model that it was trained on.
        expected: String,
        /// What was there in its place.
        found: String,
    },
    /// A column that an annotation can't be compared with.
    #[error("label '{column}': {problem}")]
    Label {
        /// The column of obs.
        column: String,
        /// What is wrong, and the mend.
        problem: String,
    },
    /// A number of neighbours that the reference can't give.
    #[error("k is {k} and the reference has {cells} cells; from 1 to {cells} are expected: set .k({cells}) or less")]
    NeighbourCount {
        /// Neighbours asked for.
        k: usize,
        /// Cells of the reference.
        cells: usize,
    },
    /// A reference without labels.
    #[error("the reference has no labels to annotate with; make it with foundation.reference(&cells, \"cell_type\")")]
    NoLabels,
}
