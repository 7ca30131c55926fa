//! Foundation models: frozen encoders (and decoders) between expression and latents.
//!
//! [`Foundation`] is what the rest of the pipeline needs of one. [`Scimilarity`] has the form of SCimilarity (Heimberg
//! et al. 2024): an encoder and a decoder of three hidden layers, latents of length one. It is pretrained here on
//! training cells with SCimilarity's loss.

mod error;
mod frozen;
mod network;
mod pretrain;
mod scimilarity;
mod sparse;
mod triplet;

use burn::tensor::{Device, Tensor};
use ndarray::Array2;

pub use error::FoundationError;
pub use network::NetworkConfig;
pub use pretrain::{Pretraining, PretrainingConfig, PretrainingHistory};
pub use scimilarity::Scimilarity;

use crate::cells::Expression;

/// A frozen model of cells: an encoder, and a decoder where there is one.
///
/// Encoding and decoding are differentiable in their input and never in the weights.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a foundation model",
    note = "implement `scdd::foundation::Foundation`: genes, latent size, encode, and decode where there is a decoder"
)]
pub trait Foundation: Send + Sync {
    /// What tables and results call it.
    fn name(&self) -> String;

    /// The genes of its input, in order.
    fn genes(&self) -> &[String];

    /// Dimensions of a latent.
    fn latent(&self) -> usize;

    /// The device that its weights are on.
    fn device(&self) -> Device;

    /// Expression `[cells, genes]` (log1p of counts per 1e4) to latents `[cells, latent]` of length one.
    fn encode(&self, expression: Tensor<2>) -> Tensor<2>;

    /// Latents `[cells, latent]` to expression `[cells, genes]`, not negative. None when there is no decoder.
    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>>;

    /// Latents `[cells, latent]` of many cells, a chunk at a time, without a graph.
    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError>;
}
