//! A frozen decoder and encoder fused on the host: latents to latents again, without the expression between them.
//!
//! An objective that compares embeddings needs no expression. Then the layers at the genes, nearly all of the work, are one
//! [`ReluJunction`], and the layers before and after it ([`DenseLayer`](scdd_compute::DenseLayer)) need no autodiff graph either.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use scdd_compute::layer::{Below, multiply_slope};
use scdd_compute::{Flipped, ReferencePattern, ReluJunction};

use super::frozen::FrozenStack;
use crate::tensors;

/// A frozen decoder and encoder that can be fused. Models make it; there is nothing in it for users. Cheap to clone.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct DecodeEncode(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    decoder: FrozenStack,
    encoder: FrozenStack,
    /// The bias of the decoder's last layer.
    bias: Vec<f32>,
}

/// Decoder and encoder fused around a reference activation pattern. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FusedDecodeEncode {
    parts: Arc<Parts>,
    pattern: Arc<ReferencePattern>,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub(crate) struct FusedTrace {
    /// Of the decoder's layers but the last.
    decoder: Vec<Below>,
    genes: Flipped,
    /// Of the encoder's layers.
    encoder: Vec<Below>,
}

impl DecodeEncode {
    /// None where the networks are not on the host, or the decoder has no hidden layer.
    pub(crate) fn new(encoder: &FrozenStack, decoder: &FrozenStack) -> Option<Self> {
        let on_host = encoder.device() == Device::flex() && decoder.device() == Device::flex();
        let last = decoder.len() - 1;
        let possible = on_host && last > 0 && decoder.slope(last).is_none();
        possible.then(|| {
            let (decoder, encoder) = (decoder.clone(), encoder.clone());
            Self(Arc::new(Parts { bias: decoder.bias(last), decoder, encoder }))
        })
    }

    /// Chooses the reference pattern from sample latents `[rows, latent]`. It affects speed, not results: cells like these are
    /// fastest.
    pub(crate) fn with_pattern_of(self, latents: Tensor<2>) -> FusedDecodeEncode {
        let pattern = self.0.junction().reference_pattern(&self.0.hidden(latents).0);
        FusedDecodeEncode { parts: self.0, pattern: Arc::new(pattern) }
    }
}

impl FusedDecodeEncode {
    /// Latents `[rows, latent]`, without a graph, to the encoder's embedding of the decoded cells, before it is scaled to unit
    /// length `[rows, latent]`.
    pub(crate) fn forward(&self, latents: Tensor<2>) -> (Tensor<2>, FusedTrace) {
        let ([rows, _], device) = (latents.dims(), latents.device());
        let stack = &self.parts.encoder;
        let (hidden, decoder) = self.parts.hidden(latents);
        let (products, genes) = self.parts.junction().forward(&self.pattern, &hidden);
        let (first, below) = stack.activate_first(products);
        let mut encoder = vec![below];
        let embeddings = (1..stack.len()).fold(first, |rows, layer| {
            let (rows, below) = stack.dense(layer).forward(&rows);
            encoder.push(below);
            rows
        });
        let width = embeddings.len() / rows.max(1);
        (tensors::from_rows(embeddings, width, &device), FusedTrace { decoder, genes, encoder })
    }

    /// Gradients by the embeddings to gradients by the latents.
    pub(crate) fn backward(&self, trace: &FusedTrace, gradient: Tensor<2>) -> Tensor<2> {
        let (device, Parts { decoder, encoder, .. }) = (gradient.device(), &*self.parts);
        let later = (1..encoder.len()).rev();
        let mut gradient = later.fold(tensors::to_vec(gradient), |gradient, layer| {
            encoder.dense(layer).backward(&trace.encoder[layer], gradient)
        });
        multiply_slope(&mut gradient, &trace.encoder[0], encoder.slope(0));
        let by_hidden = self.parts.junction().backward(&self.pattern, &trace.genes, gradient);
        let gradient = (0..decoder.len() - 1)
            .rev()
            .fold(by_hidden, |gradient, layer| decoder.dense(layer).backward(&trace.decoder[layer], gradient));
        let [width, _] = decoder.shapes()[0];
        tensors::from_rows(gradient, width, &device)
    }
}

impl Parts {
    /// The decoder's last hidden layer `[rows, hidden]`.
    fn hidden(&self, latents: Tensor<2>) -> (Vec<f32>, Vec<Below>) {
        let decoder = &self.decoder;
        let mut all_below = Vec::new();
        let hidden = (0..decoder.len() - 1).fold(tensors::to_vec(latents), |rows, layer| {
            let (rows, below) = decoder.dense(layer).forward(&rows);
            all_below.push(below);
            rows
        });
        (hidden, all_below)
    }

    fn junction(&self) -> ReluJunction<'_> {
        let Self { decoder, encoder, bias } = self;
        ReluJunction { decoder: decoder.last_weights(), bias, encoder: encoder.first_weights() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frozen::HostLayer;
    use super::*;
    use crate::seed;

    fn stack(sizes: &[usize], seed: u64) -> FrozenStack {
        let (mut rng, last) = (seed::stream(seed, "test"), sizes.len() - 2);
        let layers = sizes.windows(2).enumerate().map(|(layer, sizes)| {
            let mut draw = |rows| tensors::to_vec(tensors::normal(rows, sizes[1], &mut rng, &Device::flex()));
            let slope = (layer < last).then_some(0.25);
            Ok::<_, std::convert::Infallible>(HostLayer { weight: draw(sizes[0]), bias: draw(1), slope })
        });
        FrozenStack::try_new(layers, &Device::flex()).unwrap_or_else(|never| match never {})
    }

    #[test]
    fn cells_of_the_pattern_have_no_flipped_gene_and_another_pattern_changes_no_result() {
        let opened = DecodeEncode::new(&stack(&[300, 20, 6], 1), &stack(&[6, 20, 300], 2)).unwrap();
        let latents = tensors::normal(2, 6, &mut seed::stream(3, "test"), &Device::flex());
        let one = |row| latents.clone().narrow(0, row, 1);
        let (own, other) = (opened.clone().with_pattern_of(one(0)), opened.with_pattern_of(one(1)));
        let ((made, trace), (again, other_trace)) = (own.forward(one(0)), other.forward(one(0)));
        assert_eq!(trace.genes.count(), 0);
        assert!(other_trace.genes.count() > 30, "{} genes", other_trace.genes.count());
        let near = |a: Tensor<2>, b: Tensor<2>| {
            let norm = |rows: Tensor<2>| tensors::scalar(rows.powi_scalar(2).sum()).sqrt();
            let (apart, norm) = (norm(a.clone() - b.clone()), norm(b));
            // Products in bf16 tiles are within 1e-5 of the exact ones, and sums of several are compared.
            assert!(apart < 1e-4 * norm, "{apart} of {norm}");
        };
        let gradient = made.ones_like();
        near(made, again);
        near(own.backward(&trace, gradient.clone()), other.backward(&other_trace, gradient));
    }
}
