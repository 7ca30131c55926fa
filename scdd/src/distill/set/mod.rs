//! The distilled set: synthetic cells or embeddings with their recipe, and their .h5ad file.

pub(super) mod distillation;
pub(super) mod distilled;
pub(super) mod distilled_embeddings;
mod read;
mod write;

pub use distillation::Distillation;
pub use distilled::Distilled;
pub use distilled_embeddings::DistilledEmbeddings;
