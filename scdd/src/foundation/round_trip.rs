//! A frozen decoder and encoder one behind the other on the processor, without the expression between them, there and back.
//!
//! An objective that compares latents needs no expression. Then the layers at the genes, nearly all of the work, are
//! crossed by [`Bridge`], and those before and behind it ([`DenseLayer`](super::dense::DenseLayer)) need no graph either.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::bridge::{Bridge, Unusual};
use super::dense::{Below, derive};
use super::frozen::FrozenStack;
use super::usual_sides::UsualSides;
use crate::tensors;

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
}

/// The same, where it is known on which side of zero genes usually are. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Trip {
    parts: Arc<Parts>,
    usual: Arc<UsualSides>,
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
            Self(Arc::new(Parts { bias: decoder.bias(last), decoder, encoder }))
        })
    }

    /// For latents whose cells have genes about where those of some latents `[rows, latent]` have them. On which ones it is looked
    /// changes how fast the way is, and of what comes of it no more than the rounding.
    pub(crate) fn of_cells_like(self, latents: Tensor<2>) -> Trip {
        let usual = self.0.bridge().usual_sides(&self.0.hidden(latents).0);
        Trip { parts: self.0, usual: Arc::new(usual) }
    }
}

impl Trip {
    /// Latents `[rows, latent]` that a decoder is given to what the encoder makes of their cells, before it is brought to length
    /// one `[rows, latent]`; what is given has no graph.
    pub(crate) fn forward(&self, latents: Tensor<2>) -> (Tensor<2>, Crossed) {
        let ([rows, _], device) = (latents.dims(), latents.device());
        let stack = &self.parts.encoder;
        let (hidden, decoder) = self.parts.hidden(latents);
        let (sums, genes) = self.parts.bridge().forward(&self.usual, &hidden);
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
        let (device, Parts { decoder, encoder, .. }) = (gradient.device(), &*self.parts);
        let behind = (1..encoder.len()).rev();
        let mut gradient = behind.fold(tensors::to_vec(gradient), |gradient, layer| {
            encoder.dense(layer).backward(&crossed.encoder[layer], gradient)
        });
        derive(&mut gradient, &crossed.encoder[0], encoder.slope(0));
        let before = self.parts.bridge().backward(&self.usual, &crossed.genes, gradient);
        let gradient = (0..decoder.len() - 1)
            .rev()
            .fold(before, |gradient, layer| decoder.dense(layer).backward(&crossed.decoder[layer], gradient));
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

    fn bridge(&self) -> Bridge<'_> {
        let Self { decoder, encoder, bias } = self;
        Bridge { decoder: decoder.last_weights(), bias, encoder: encoder.first_weights() }
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
    fn cells_like_those_looked_at_have_no_unusual_gene_and_looking_at_others_changes_no_result() {
        let trip = RoundTrip::new(&stack(&[300, 20, 6], 1), &stack(&[6, 20, 300], 2)).unwrap();
        let latents = tensors::normal(2, 6, &mut seed::stream(3, "test"), &Device::flex());
        let one = |row| latents.clone().narrow(0, row, 1);
        let (like_it, like_another) = (trip.clone().of_cells_like(one(0)), trip.of_cells_like(one(1)));
        let ((made, crossed), (again, crossed_again)) = (like_it.forward(one(0)), like_another.forward(one(0)));
        assert_eq!(crossed.genes.count(), 0);
        assert!(crossed_again.genes.count() > 30, "{} genes", crossed_again.genes.count());
        let near = |a: Tensor<2>, b: Tensor<2>| {
            let length = |rows: Tensor<2>| tensors::scalar(rows.powi_scalar(2).sum()).sqrt();
            let (apart, length) = (length(a.clone() - b.clone()), length(b));
            // Products of halves are within 1e-5 of the exact ones, and sums of several are compared.
            assert!(apart < 1e-4 * length, "{apart} of {length}");
        };
        let gradient = made.ones_like();
        near(made, again);
        near(like_it.backward(&crossed, gradient.clone()), like_another.backward(&crossed_again, gradient));
    }
}
