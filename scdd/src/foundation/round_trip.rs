//! A frozen decoder and encoder one behind the other on the processor, without the expression between them, there and back.
//!
//! An objective that compares latents needs no expression. Then the layers at the genes, nearly all of the work, are
//! crossed by [`Bridge`], and those before and behind it ([`DenseLayer`](super::dense::DenseLayer)) need no graph either.

use burn::tensor::{Device, Tensor};

use super::bridge::{Bridge, Signs};
use super::dense::{Below, derive};
use super::frozen::FrozenStack;
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
#[derive(Debug)]
pub(crate) struct Crossed {
    /// Of the decoder's layers but the last.
    decoder: Vec<Below>,
    genes: Signs,
    /// Of the encoder's layers.
    encoder: Vec<Below>,
}

impl RoundTrip {
    /// None where the networks are not on the processor, or the decoder has no layer before the genes.
    pub(crate) fn new(encoder: &FrozenStack, decoder: &FrozenStack) -> Option<Self> {
        let on_processor = encoder.device() == Device::flex() && decoder.device() == Device::flex();
        let last = decoder.len() - 1;
        let possible = on_processor && last > 0 && decoder.slope(last).is_none();
        possible.then(|| Self { decoder: decoder.clone(), encoder: encoder.clone(), bias: decoder.bias(last) })
    }

    /// Latents `[rows, latent]` that a decoder is given to what the encoder makes of their cells, before it is brought to length
    /// one `[rows, latent]`; what is given has no graph.
    pub(crate) fn forward(&self, latents: Tensor<2>) -> (Tensor<2>, Crossed) {
        let ([rows, _], device) = (latents.dims(), latents.device());
        let (mut decoder, mut encoder) = (Vec::new(), Vec::new());
        let hidden = (0..self.decoder.len() - 1).fold(tensors::to_vec(latents), |rows, layer| {
            let (rows, below) = self.decoder.dense(layer).forward(&rows);
            decoder.push(below);
            rows
        });
        let (sums, genes) = self.bridge().forward(&hidden);
        let (first, below) = self.encoder.first_activated(sums);
        encoder.push(below);
        let made = (1..self.encoder.len()).fold(first, |rows, layer| {
            let (rows, below) = self.encoder.dense(layer).forward(&rows);
            encoder.push(below);
            rows
        });
        let width = made.len() / rows.max(1);
        (tensors::from_rows(made, width, &device), Crossed { decoder, genes, encoder })
    }

    /// Gradients by what was made to gradients by the latents that were given.
    pub(crate) fn backward(&self, crossed: &Crossed, gradient: Tensor<2>) -> Tensor<2> {
        let device = gradient.device();
        let behind = (1..self.encoder.len()).rev();
        let mut gradient = behind.fold(tensors::to_vec(gradient), |gradient, layer| {
            self.encoder.dense(layer).backward(&crossed.encoder[layer], gradient)
        });
        derive(&mut gradient, &crossed.encoder[0], self.encoder.slope(0));
        let before = self.bridge().backward(&crossed.genes, &gradient);
        let gradient = (0..self.decoder.len() - 1)
            .rev()
            .fold(before, |gradient, layer| self.decoder.dense(layer).backward(&crossed.decoder[layer], gradient));
        let [width, _] = self.decoder.shapes()[0];
        tensors::from_rows(gradient, width, &device)
    }

    fn bridge(&self) -> Bridge<'_> {
        let (decoder, encoder) = (self.decoder.last_weights(), self.encoder.first_weights());
        Bridge { decoder, bias: &self.bias, encoder }
    }
}
