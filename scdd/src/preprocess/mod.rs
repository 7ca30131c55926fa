//! From counts to log-normalised cells: filter, normalise, select genes, split.

mod class_markers;
mod dispersion;
mod error;
mod most_variable;
mod normalize;
mod split;

pub use class_markers::top_variable_genes_per_class;
pub(crate) use dispersion::means_and_squares;
pub use dispersion::{VariableGenes, highly_variable_genes};
pub use error::PreprocessError;
pub use most_variable::most_variable_genes;
pub use normalize::{PreprocessBuilder, PreprocessConfig, PreprocessPlan};
pub use split::{Split, TestCells, TrainingCells, stratified_split};
