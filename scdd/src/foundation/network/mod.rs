//! Networks of SCimilarity's form: while they train (`autoencoder.rs`), frozen (`frozen.rs`), and decoder and encoder fused into
//! one step without the genes between them (`fused.rs`). What trainings in epochs share is in `epochs.rs`.

mod autoencoder;
pub(super) mod epochs;
mod frozen;
mod fused;

pub use autoencoder::NetworkConfig;
pub(crate) use autoencoder::unit_length;
pub(super) use autoencoder::{Autoencoder, Stack};
pub(super) use frozen::{FrozenStack, HostLayer, Normalization};
pub use fused::DecodeEncode;
pub(crate) use fused::{FusedDecodeEncode, FusedTrace};
