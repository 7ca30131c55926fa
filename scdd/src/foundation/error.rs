//! What can be wrong with a foundation model.

use crate::cells::Expression;

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
    /// A checkpoint that can't be used, read or written.
    #[error("{}: {problem}", path.display())]
    Checkpoint {
        /// The folder.
        path: std::path::PathBuf,
        /// What was found, and the mend.
        problem: String,
    },
    /// Training did not stay finite.
    #[error(
        "the loss became {loss} in step {step} of training {task}; lower the learning rate (it is {learning_rate})"
    )]
    Diverged {
        /// What was trained.
        task: &'static str,
        /// The loss that was found.
        loss: f64,
        /// The step that it was found in.
        step: usize,
        /// The rate that was used.
        learning_rate: f64,
    },
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] crate::error::SettingError),
    /// Cells that do not differ, or are all zero.
    #[error(
        "the {cells} cells x {genes} numbers do not vary or are all zero, so there is no direction to see them along; \
         look at the cells that were kept, and at the key of the embeddings"
    )]
    NoVariance {
        /// Cells.
        cells: usize,
        /// Genes, or dimensions of the embeddings.
        genes: usize,
    },
    /// A model without encoder was given expression.
    #[error(
        "{model} holds embeddings of the cells of the file, and {asked} cells of expression were to be embedded: it has \
         no encoder. Made cells (distilled sets, class means, centroids) need one: pretrain a model (leave .foundation() \
         out), or give Foundation::pca(&training_cells)"
    )]
    NoEncoder {
        /// Name of the model.
        model: String,
        /// Cells that were to be embedded.
        asked: usize,
    },
    /// A NaN or an infinity among latents.
    #[error(
        "{what}: cell {cell} ('{name}'), dimension {dimension} is {value}; finite numbers are expected: drop such cells \
         or compute their embedding again"
    )]
    NotFinite {
        /// Whose latents.
        what: String,
        /// Row.
        cell: usize,
        /// Name of the cell.
        name: String,
        /// Column.
        dimension: usize,
        /// What stood there.
        value: f32,
    },
    /// Latents of two models.
    #[error(
        "the latents have {found} dimensions, and {expected} are expected: embed both sets of cells with one model"
    )]
    Width {
        /// Dimensions that were found.
        found: usize,
        /// Dimensions of the model or reference.
        expected: usize,
    },
    /// Asked to stop, with nothing to hand back.
    #[error(transparent)]
    Stopped(#[from] crate::progress::Stopped),
    /// What cells do not have.
    #[error(transparent)]
    Cells(#[from] crate::cells::CellsError),
}

/// Checks that expression has the genes of a model.
pub(super) fn check_genes(expression: &Expression, genes: &[String]) -> Result<(), FoundationError> {
    if expression.genes() != genes.len() {
        return Err(FoundationError::Genes { found: expression.genes(), expected: genes.len() });
    }
    Ok(())
}
