//! Foundation models: frozen encoders (and decoders) between expression and latents.
//!
//! [`FoundationModel`] is what the rest of the pipeline needs of one, [`Foundation`] a handle on any of them.
//! [`Scimilarity`] has the form of SCimilarity (Heimberg et al. 2024): an encoder and a decoder of three hidden layers,
//! latents of length one. It is pretrained here with SCimilarity's loss, or read from released weights. [`Pca`],
//! [`GeneSpace`] and [`Precomputed`] embeddings stand beside it, to compare with and for encoders of other tools. A
//! [`Reference`] annotates cells by their nearest neighbours and finds similar ones.

mod annotate;
mod cache;
mod components;
mod decoder;
mod error;
mod handle;
mod model;
mod models;
mod neighbours;
mod network;
mod pretrain;
mod query;
mod reference;
mod register;
mod seen;
mod weights;

pub use annotate::{Annotate, Annotation};
pub use decoder::{DecoderConfig, DecoderHistory, Likelihood};
pub use error::FoundationError;
pub use handle::Foundation;
pub use model::{EncoderLayer, FoundationModel};
pub use models::{GeneSpace, Pca, PcaBuilder, Precomputed, Scimilarity};
#[doc(hidden)]
pub use network::DecodeEncode;
pub use network::NetworkConfig;
pub use pretrain::{Card, CardSet, Corpus, Ended, Pretraining, PretrainingConfig, PretrainingHistory};
pub use query::{Hit, Hits, Query};
pub use reference::Reference;
pub use register::Registered;
pub use seen::SeenCells;
pub use weights::WeightsError;

pub(crate) use cache::EmbeddingCache;
pub(crate) use components::{Components, fit as principal_components};
pub(crate) use decoder::{DecoderTraining, Pairs, Redecoded};
pub(crate) use neighbours::{Distance, nearest, nearest_itself_first};
pub(crate) use network::{FusedDecodeEncode, FusedTrace, unit_length};
