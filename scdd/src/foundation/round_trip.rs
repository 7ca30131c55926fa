//! A frozen decoder and encoder one behind the other, without the expression between them.
//!
//! An objective that compares latents needs no expression. Then the layers at the genes, nearly all of the work, are
//! crossed by [`Bridge`]; those before and behind it are tensors with a graph of their own.

use burn::tensor::{Device, Tensor};

use super::bridge::{Bridge, Signs};
use super::frozen::FrozenStack;
use super::network::unit_length;
use crate::tensors;

/// Latents over genes to latents again. Made by models that can do it; there is nothing in it for users.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct RoundTrip {
    decoder: FrozenStack,
    encoder: FrozenStack,
    /// Of the decoder's last layer.
    bias: Vec<f32>,
}

/// What the way back needs of the way there.
#[derive(Clone, Debug)]
pub(crate) struct Crossed(Signs);

impl RoundTrip {
    /// None where the layers at the genes are not on the processor, or the decoder has none before them.
    pub(crate) fn new(encoder: &FrozenStack, decoder: &FrozenStack) -> Option<Self> {
        let on_processor = encoder.device() == Device::flex() && decoder.device() == Device::flex();
        let last = decoder.len() - 1;
        let possible = on_processor && last > 0 && decoder.slope(last).is_none();
        possible.then(|| Self { decoder: decoder.clone(), encoder: encoder.clone(), bias: decoder.bias(last) })
    }

    /// Latents `[rows, latent]` to the decoder's last hidden layer `[rows, units]`.
    pub(crate) fn hidden(&self, latents: Tensor<2>) -> Tensor<2> {
        self.decoder.before_last_layer(latents)
    }

    /// From there to the sums of the encoder's first layer `[rows, units]`; what is given has no graph.
    pub(crate) fn cross(&self, hidden: Tensor<2>) -> (Tensor<2>, Crossed) {
        let device = hidden.device();
        self.with_bridge(|bridge| {
            let (sums, signs) = bridge.forward(&tensors::to_vec(hidden));
            (tensors::from_rows(sums, bridge.encoder.width(), &device), Crossed(signs))
        })
    }

    /// Gradients by these sums to gradients by the hidden layer.
    pub(crate) fn back(&self, crossed: &Crossed, gradient: Tensor<2>) -> Tensor<2> {
        let device = gradient.device();
        self.with_bridge(|bridge| {
            let gradient = bridge.backward(&crossed.0, &tensors::to_vec(gradient));
            tensors::from_rows(gradient, bridge.decoder.width(), &device)
        })
    }

    /// The encoder's first sums to its latents.
    pub(crate) fn latents(&self, sums: Tensor<2>) -> Tensor<2> {
        unit_length(self.encoder.after_first_layer(sums))
    }

    fn with_bridge<Found>(&self, cross: impl FnOnce(Bridge) -> Found) -> Found {
        let (decoder, encoder) = (self.decoder.last_weights(), self.encoder.first_weights());
        cross(Bridge { decoder, bias: &self.bias, encoder })
    }
}
