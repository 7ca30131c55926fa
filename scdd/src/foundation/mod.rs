//! Foundation models: frozen encoders (and decoders) between expression and latents.
//!
//! [`FoundationModel`] is what the rest of the pipeline needs of one, [`Foundation`] a handle on any of them.
//! [`Scimilarity`] has the form of SCimilarity (Heimberg et al. 2024): an encoder and a decoder of three hidden layers,
//! latents of length one. It is pretrained here with SCimilarity's loss, or read from released weights. [`Pca`],
//! [`GeneSpace`] and [`Precomputed`] embeddings stand beside it, to compare with and for encoders of other tools. A
//! [`Reference`] annotates cells by their nearest neighbours and finds similar ones.

mod annotate;
mod bridge;
mod cache;
mod components;
mod decoder;
mod dense;
#[cfg(target_arch = "x86_64")]
mod dense_tiles;
mod doubt;
mod epochs;
mod error;
mod fastest;
mod frozen;
mod gene_kernel;
mod gene_space;
mod gene_sums;
mod handle;
mod model;
mod neighbours;
mod network;
mod packed;
mod packed_kernel;
mod packed_order;
mod packed_sampled;
mod pca;
mod precomputed;
mod pretrain;
mod query;
mod reference;
mod register;
mod round_trip;
mod scimilarity;
mod seen;
mod sides;
mod sparse;
mod sparse_kernel;
#[cfg(target_arch = "x86_64")]
mod tile_products;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod usual_sides;
mod weights;

pub use annotate::{Annotate, Annotation};
pub use decoder::{DecoderConfig, DecoderHistory, Likelihood};
pub use error::FoundationError;
pub use gene_space::GeneSpace;
pub use handle::Foundation;
pub use model::{EncoderLayer, FoundationModel};
pub use network::NetworkConfig;
pub use pca::{Pca, PcaBuilder};
pub use precomputed::Precomputed;
pub use pretrain::{Card, CardSet, Corpus, Ended, Pretraining, PretrainingConfig, PretrainingHistory};
pub use query::{Hit, Hits, Query};
pub use reference::Reference;
pub use register::Registered;
#[doc(hidden)]
pub use round_trip::RoundTrip;
pub use scimilarity::Scimilarity;
pub use seen::SeenCells;
pub use weights::WeightsError;

pub(crate) use cache::EmbeddingCache;
pub(crate) use components::{Components, fit as principal_components};
pub(crate) use decoder::{DecoderTraining, Pairs, Redecoded};
pub(crate) use neighbours::{Distance, nearest, nearest_itself_first};
pub(crate) use network::unit_length;
pub(crate) use round_trip::{Crossed, Trip};
