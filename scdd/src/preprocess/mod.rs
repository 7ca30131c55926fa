//! From counts to log-normalised cells, and their split.

mod error;
mod most_variable;
mod normalize;
mod parts;
mod split;
mod variable_genes;

pub use error::PreprocessError;
pub use most_variable::most_variable_genes;
pub use normalize::{PreprocessBuilder, PreprocessConfig, PreprocessPlan};
pub(crate) use parts::parts;
pub use parts::{TestCells, TrainingCells};
pub use split::{Split, stratified_split};
pub(crate) use variable_genes::means_and_squares;
pub use variable_genes::{VariableGenes, highly_variable_genes, top_variable_genes_per_class};
