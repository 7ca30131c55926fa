//! The foundation models that there are, one per file.

mod gene_space;
mod pca;
mod precomputed;
mod scimilarity;

pub use gene_space::GeneSpace;
pub use pca::{Pca, PcaBuilder};
pub use precomputed::Precomputed;
pub use scimilarity::Scimilarity;
