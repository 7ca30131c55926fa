//! Foundation models: frozen encoders (and decoders) between expression and latents.
//!
//! [`FoundationModel`] is what the rest of the pipeline needs of one, [`Foundation`] a handle on any of them.
//! [`Scimilarity`] has the form of SCimilarity (Heimberg et al. 2024): an encoder and a decoder of three hidden layers,
//! latents of length one. It is pretrained here with SCimilarity's loss, or read from released weights. [`Pca`],
//! [`GeneSpace`] and [`Precomputed`] embeddings stand beside it, to compare with and for encoders of other tools.

mod cache;
mod decoder;
mod error;
mod handle;
mod model;
mod models;
mod network;
mod pretrain;
mod pretraining_cells;
mod register;
mod weights;

pub use decoder::{DecoderConfig, DecoderHistory, Likelihood};
pub use error::FoundationError;
pub use handle::Foundation;
pub use model::{EncoderLayer, FoundationModel};
pub use models::{GeneSpace, Pca, PcaBuilder, Precomputed, Scimilarity};
#[doc(hidden)]
pub use network::DecodeEncode;
pub use network::NetworkConfig;
pub use pretrain::{Card, CardSet, Corpus, Ended, Pretraining, PretrainingConfig, PretrainingHistory};
pub use pretraining_cells::PretrainingCells;
pub use register::Registered;
pub use weights::WeightsError;

pub(crate) use cache::EmbeddingCache;
pub(crate) use decoder::{DecoderTraining, Pairs, Redecoded};
pub(crate) use network::{FusedDecodeEncode, FusedTrace, unit_length};
