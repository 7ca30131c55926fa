//! From counts to log-normalised cells, and their split.

mod variable_genes;

pub use variable_genes::{VariableGenes, highly_variable_genes, top_variable_genes_per_class};

/// Errors of preprocessing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A setting outside its range.
    #[error("{0}")]
    Setting(String),
}
