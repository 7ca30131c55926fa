//! What can be wrong with a study.

/// Errors of setting up a study.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The foundation model was pretrained on test cells of the study.
    #[error(
        "{model} was pretrained on {seen} of the {test} test cells: what it says of them proves nothing. Pretrain it \
         without them (cells.without(...), or Foundation::pretrain(&study.training_cells())), or study other cells"
    )]
    Leak {
        /// Name of the model.
        model: String,
        /// Test cells that it has seen; up to one in a hundred is taken for chance.
        seen: usize,
        /// All test cells.
        test: usize,
    },
    /// Label columns that can't be combined.
    #[error("label column '{column}': {problem}")]
    Label {
        /// The column.
        column: String,
        /// What is wrong, and the mend.
        problem: String,
    },
    /// A foundation model chooses the genes, and a number of variable genes was asked for as well.
    #[error(
        "variable_genes was set, and {model} was given, which sees all genes that it shares with the cells; leave \
         .variable_genes() out, or .foundation()"
    )]
    VariableGenes {
        /// Name of the model.
        model: String,
    },
    /// A foundation model is on one device, and the study was asked to be on another.
    #[error(
        "{model} is on {on}, and the study was asked to run on {asked}; leave .device() out, or read the model there \
         (Scimilarity::read_on), or set BURN_DEVICE before it is made"
    )]
    Device {
        /// Name of the model.
        model: String,
        /// Where it is.
        on: String,
        /// What was asked for.
        asked: String,
    },
    /// A model or baseline on expression, and embeddings that have none.
    #[error(
        "the {rows} features are no cells and have no expression; take a model that sees latents, such as \
         LinearProbe, or cells of the features by .decoded()"
    )]
    NoExpression {
        /// How many there are.
        rows: usize,
    },
    /// A model or baseline on latents, and cells that have none.
    #[error("the {cells} cells have expression only; give their latents, or the foundation model that embeds them")]
    NoLatents {
        /// How many there are.
        cells: usize,
    },
}
