//! Foundation models: frozen encoders (and decoders) between expression and latents.
//!
//! [`FoundationModel`] is what the rest of the pipeline needs of one, [`Foundation`] a handle on any of them.
//! [`Scimilarity`] has the form of SCimilarity (Heimberg et al. 2024): an encoder and a decoder of three hidden layers,
//! latents of length one. It is pretrained here on training cells with SCimilarity's loss,
//! or read from released weights.

mod cache;
mod error;
mod frozen;
mod handle;
mod model;
mod network;
mod pretrain;
mod register;
mod scimilarity;
mod sparse;
mod sparse_kernel;
mod triplet;
mod weights;

pub(crate) use cache::EmbeddingCache;
pub use error::FoundationError;
pub use handle::Foundation;
pub use model::FoundationModel;
pub use network::NetworkConfig;
pub use pretrain::{Pretraining, PretrainingConfig, PretrainingHistory};
pub use register::Registered;
pub use scimilarity::Scimilarity;
pub use weights::WeightsError;
