//! From counts to log-normalised cells: filter, normalise, select genes, split.

mod builder;
mod class_markers;
mod dispersion;
mod error;
mod filter;
mod most_variable;
mod split;

pub use builder::{PreprocessBuilder, PreprocessConfig};
pub use class_markers::top_variable_genes_per_class;
pub(crate) use dispersion::means_and_squares;
pub use dispersion::{VariableGenes, highly_variable_genes};
pub use error::PreprocessError;
pub use most_variable::most_variable_genes;
pub use split::{Split, TestCells, TrainingCells, stratified_split};
