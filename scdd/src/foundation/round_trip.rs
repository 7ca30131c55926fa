//! A frozen decoder and encoder one behind the other on the processor, without the expression between them, there and back.
//!
//! An objective that compares latents needs no expression. Then the layers at the genes, nearly all of the work, are
//! crossed by [`Bridge`], and those before and behind it ([`DenseLayer`](super::dense::DenseLayer)) need no graph either.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};

use super::bridge::{Bridge, Unusual};
use super::dense::{Below, derive};
use super::frozen::FrozenStack;
use super::network::unit_length;
use super::usual_sides::UsualSides;
use crate::{seed, tensors};

/// Latents on whose cells it is seen where genes usually are. On which ones changes how fast a crossing is, not what comes of it.
const LOOKED_AT: usize = 64;

/// Latents over genes to latents again. Made by models that can do it; there is nothing in it for users. Cheap to clone.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct RoundTrip(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    decoder: FrozenStack,
    encoder: FrozenStack,
    /// Of the decoder's last layer.
    bias: Vec<f32>,
    usual: OnceLock<UsualSides>,
}

/// What the way back needs of the way there.
#[derive(Debug)]
pub(crate) struct Crossed {
    /// Of the decoder's layers but the last.
    decoder: Vec<Below>,
    genes: Unusual,
    /// Of the encoder's layers.
    encoder: Vec<Below>,
}

impl RoundTrip {
    /// None where the networks are not on the processor, or the decoder has no layer before the genes.
    pub(crate) fn new(encoder: &FrozenStack, decoder: &FrozenStack) -> Option<Self> {
        let on_processor = encoder.device() == Device::flex() && decoder.device() == Device::flex();
        let last = decoder.len() - 1;
        let possible = on_processor && last > 0 && decoder.slope(last).is_none();
        possible.then(|| {
            let (decoder, encoder) = (decoder.clone(), encoder.clone());
            Self(Arc::new(Parts { bias: decoder.bias(last), decoder, encoder, usual: OnceLock::new() }))
        })
    }

    /// Latents `[rows, latent]` that a decoder is given to what the encoder makes of their cells, before it is brought to length
    /// one `[rows, latent]`; what is given has no graph.
    pub(crate) fn forward(&self, latents: Tensor<2>) -> (Tensor<2>, Crossed) {
        let ([rows, _], device) = (latents.dims(), latents.device());
        let Parts { encoder: stack, .. } = &*self.0;
        let (hidden, decoder) = self.hidden(latents);
        let (sums, genes) = self.bridge().forward(self.usual(), &hidden);
        let (first, below) = stack.first_activated(sums);
        let mut encoder = vec![below];
        let made = (1..stack.len()).fold(first, |rows, layer| {
            let (rows, below) = stack.dense(layer).forward(&rows);
            encoder.push(below);
            rows
        });
        let width = made.len() / rows.max(1);
        (tensors::from_rows(made, width, &device), Crossed { decoder, genes, encoder })
    }

    /// Gradients by what was made to gradients by the latents that were given.
    pub(crate) fn backward(&self, crossed: &Crossed, gradient: Tensor<2>) -> Tensor<2> {
        let (device, Parts { decoder, encoder, .. }) = (gradient.device(), &*self.0);
        let behind = (1..encoder.len()).rev();
        let mut gradient = behind.fold(tensors::to_vec(gradient), |gradient, layer| {
            encoder.dense(layer).backward(&crossed.encoder[layer], gradient)
        });
        derive(&mut gradient, &crossed.encoder[0], encoder.slope(0));
        let before = self.bridge().backward(self.usual(), &crossed.genes, gradient);
        let gradient = (0..decoder.len() - 1)
            .rev()
            .fold(before, |gradient, layer| decoder.dense(layer).backward(&crossed.decoder[layer], gradient));
        let [width, _] = decoder.shapes()[0];
        tensors::from_rows(gradient, width, &device)
    }

    /// The decoder's last hidden layer `[rows, hidden]`.
    fn hidden(&self, latents: Tensor<2>) -> (Vec<f32>, Vec<Below>) {
        let decoder = &self.0.decoder;
        let mut all_below = Vec::new();
        let hidden = (0..decoder.len() - 1).fold(tensors::to_vec(latents), |rows, layer| {
            let (rows, below) = decoder.dense(layer).forward(&rows);
            all_below.push(below);
            rows
        });
        (hidden, all_below)
    }

    /// As latents in all directions have it: no data has a say in how a model computes.
    fn usual(&self) -> &UsualSides {
        self.0.usual.get_or_init(|| {
            let [latent, _] = self.0.decoder.shapes()[0];
            let mut rng = seed::stream(seed::DEFAULT_SEED, "usual sides");
            let latents = unit_length(tensors::normal(LOOKED_AT, latent, &mut rng, &self.0.decoder.device()));
            self.bridge().usual_sides(&self.hidden(latents).0)
        })
    }

    fn bridge(&self) -> Bridge<'_> {
        let Parts { decoder, encoder, bias, .. } = &*self.0;
        Bridge { decoder: decoder.last_weights(), bias, encoder: encoder.first_weights() }
    }
}
