//! What the pipeline needs of a foundation model: the trait that one implements.

use burn::tensor::{Device, Tensor};
use ndarray::Array2;

use super::{DecodeEncode, FoundationError, PretrainingCells, Registered};
use crate::cells::{Cells, Expression, LogNormalized};

/// A layer of an encoder: x W + b, and PReLU in all but the last. Batch normalisation is folded into both.
#[derive(Clone, Debug)]
pub struct EncoderLayer {
    /// Weights W `[inputs, outputs]`, without a graph.
    pub weight: Tensor<2>,
    /// What is added to the sums, `[1, outputs]`.
    pub bias: Tensor<2>,
    /// The slope below zero; none in the last layer.
    pub slope: Option<f64>,
}

/// A frozen model of cells: an encoder, and a decoder where there is one.
///
/// Encoding and decoding are differentiable in their input and never in the weights.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a foundation model",
    note = "implement `scdd::foundation::FoundationModel`: genes, latent size, embed, and encode and decode where they \
            are differentiable"
)]
pub trait FoundationModel: Send + Sync + 'static {
    /// What tables and results call it.
    fn name(&self) -> String;

    /// The genes of its input, in order.
    fn genes(&self) -> &[String];

    /// Dimensions of a latent.
    fn latent(&self) -> usize;

    /// The device that its weights are on.
    fn device(&self) -> Device;

    /// Expression `[cells, genes]` (log1p of counts per 1e4) to latents `[cells, latent]` of length about one. None when
    /// the model can't be differentiated; then cells can be embedded and annotated, but nothing can be distilled.
    fn encode(&self, expression: Tensor<2>) -> Option<Tensor<2>>;

    /// Latents `[cells, latent]` to expression `[cells, genes]`, not negative. None when there is no decoder.
    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>>;

    /// The encoder's layers, each with the weights that it has in use: their output scaled to length one is what
    /// [`encode`](Self::encode) gives. None, the default, where a model is not of that form; gradients by the encoder's
    /// weights then can't be matched.
    fn encoder_layers(&self) -> Option<Vec<EncoderLayer>> {
        None
    }

    /// Decoder and encoder one behind the other, without expression in between. None, the default: both are called in turn.
    #[doc(hidden)]
    fn decode_encode(&self) -> Option<DecodeEncode> {
        None
    }

    /// Latents `[cells, latent]` of many cells, a chunk at a time, without a graph.
    ///
    /// # Errors
    /// When the cells have other genes than the model.
    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError>;

    /// Latents `[cells, latent]` of cells with all that is known of them; the expression's unless a model knows better.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    fn embed_cells(&self, cells: &Cells<LogNormalized>) -> Result<Array2<f32>, FoundationError> {
        self.embed(cells.expression())
    }

    /// Marks of the cells that it was pretrained on; None when that is not known. A study refuses a model that has seen
    /// its test cells.
    fn pretraining_cells(&self) -> Option<&PretrainingCells> {
        None
    }

    /// Identifies the weights: two models with one checksum give the same latents. None, the default: embeddings aren't
    /// cached. A model whose [`embed_cells`](Self::embed_cells) reads more than expression and gene names must leave it so.
    fn checksum(&self) -> Option<String> {
        None
    }

    /// The model as it fits these cells, and the cells with the genes that both know. None, the default, when it takes
    /// its own genes only; [`Foundation::register`](super::Foundation::register) then looks for all of them.
    ///
    /// # Errors
    /// When model and cells share too few genes.
    fn for_cells(&self, cells: &Cells<LogNormalized>) -> crate::Result<Option<Registered>> {
        let _ = cells;
        Ok(None)
    }
}
