//! What can be wrong with a study.

/// Errors of setting up a study.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A foundation model chooses the genes, and a number of variable genes was asked for as well.
    #[error(
        "variable_genes was set, and {model} was given, which sees all genes that it shares with the cells; leave \
         .variable_genes() out, or .foundation()"
    )]
    VariableGenes {
        /// Name of the model.
        model: String,
    },
}
