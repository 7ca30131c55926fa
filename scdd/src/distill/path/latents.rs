//! Latents as codes: their scale, the decoder behind them, and the vector-Jacobian product from latents back to codes.

use burn::tensor::Tensor;
use ndarray::Array2;

use crate::distill::error::DistillError;
use crate::study::Study;
use crate::tensors;

/// Latents `[rows, latent]` that a decoder takes, without a graph, and the vector-Jacobian product back to the codes that
/// they were made of.
pub struct Latents {
    pub(in crate::distill) values: Tensor<2>,
    backward: Box<dyn FnOnce(Tensor<2>) -> Tensor<2>>,
}

impl Latents {
    pub(super) fn new(values: Tensor<2>, backward: impl FnOnce(Tensor<2>) -> Tensor<2> + 'static) -> Self {
        Self { values, backward: Box::new(backward) }
    }

    /// By autodiff, with a graph from the codes to the latents.
    pub(super) fn in_graph(codes: &Tensor<2>, make: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let codes = codes.clone().autodiff().require_grad();
        let made = make(codes.clone());
        Self::new(made.clone().inner(), move |gradient| {
            let by_codes = codes.grad(&(made * gradient).sum().backward());
            by_codes.unwrap_or_else(|| codes.inner().zeros_like())
        })
    }

    /// From gradients by the latents to gradients by the codes.
    pub(in crate::distill) fn backward(self, gradient: Tensor<2>) -> Tensor<2> {
        (self.backward)(gradient)
    }
}

/// Latents of codes at scale sqrt(latent).
pub(super) fn unscaled(codes: Tensor<2>) -> Tensor<2> {
    let scale = (codes.dims()[1] as f64).sqrt();
    codes / scale
}

/// Expression `[rows, genes]` of codes at scale sqrt(latent), through the decoder alone.
pub(in crate::distill) fn decode(study: &Study, codes: Tensor<2>) -> Result<Tensor<2>, DistillError> {
    decode_latents(study, unscaled(codes))
}

/// Expression of embeddings `[rows, latent]`, for TextDistill.
pub(in crate::distill) fn decode_embeddings(
    study: &Study,
    embeddings: &Array2<f32>,
) -> Result<Array2<f32>, DistillError> {
    decode_latents(study, tensors::tensor(embeddings, study.device())).map(tensors::array)
}

fn decode_latents(study: &Study, latents: Tensor<2>) -> Result<Tensor<2>, DistillError> {
    let foundation = study.foundation();
    foundation.decode(latents).ok_or_else(|| DistillError::NoDecoder(foundation.name()))
}

/// Refuses a model that can't decode, before anything runs.
pub(super) fn check_decoder(study: &Study) -> Result<(), DistillError> {
    let foundation = study.foundation();
    if foundation.can_decode() { Ok(()) } else { Err(DistillError::NoDecoder(foundation.name())) }
}

/// Refuses a model whose encoder can't be differentiated, before anything runs.
pub(super) fn check_encoder(study: &Study) -> Result<(), DistillError> {
    let foundation = study.foundation();
    if foundation.decode_encode().is_some() {
        return Ok(());
    }
    let zeros = Tensor::zeros([1, study.cells().genes()], &foundation.device());
    foundation.encode(zeros).map(|_| ()).ok_or_else(|| DistillError::NoEncoder(foundation.name()))
}
