//! What can be wrong with a foundation model.

/// Errors of foundation models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoundationError {
    /// Reading or writing weights.
    #[error(transparent)]
    Weights(#[from] super::WeightsError),
    /// Cells and model do not have the same genes.
    #[error(
        "the cells have {found} genes and the model {expected}; register the cells with the model first: foundation.register(&cells)"
    )]
    Genes {
        /// Genes of the cells.
        found: usize,
        /// Genes of the model.
        expected: usize,
    },
    /// Cells and model share too few genes.
    #[error(
        "the cells share {found} of their {cell_genes} genes with the {model_genes} of {model}; it needs at least \
         {expected}. The first genes of the cells are {of_cells}, of the model {of_model}: name the cells' genes the same \
         way (gene symbols, or Ensembl ids), or take a model of their species"
    )]
    Overlap {
        /// Name of the model.
        model: String,
        /// Genes that both have.
        found: usize,
        /// Genes of the cells.
        cell_genes: usize,
        /// Genes of the model.
        model_genes: usize,
        /// Fewest that are needed.
        expected: usize,
        /// The first genes of the cells.
        of_cells: String,
        /// The first genes of the model.
        of_model: String,
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
