//! A foundation model with another decoder: what it encodes stays, what it decodes is new.

use burn::tensor::{Device, Tensor, activation::relu};
use ndarray::Array2;

use super::Likelihood;
use crate::cells::{Cells, Expression, LogNormalized};
use crate::foundation::network::FrozenStack;
use crate::foundation::{EncoderLayer, Foundation, FoundationError, FoundationModel, PretrainingCells};

/// Largest logarithm of counts per 1e4 that is made, a bit above that of 1e4: codes that leave what the decoder was trained on
/// would overflow.
pub(super) const MOST: f64 = 9.3;

/// A model whose latents another decoder turns into expression.
pub(crate) struct Redecoded {
    model: Foundation,
    decoder: FrozenStack,
    likelihood: Likelihood,
}

impl Redecoded {
    pub(crate) fn new(model: &Foundation, decoder: FrozenStack, likelihood: Likelihood) -> Self {
        Self { model: model.clone(), decoder, likelihood }
    }
}

/// Expression that a decoder's last layer says under a likelihood.
pub(super) fn expression(last_layer: Tensor<2>, likelihood: Likelihood) -> Tensor<2> {
    match likelihood {
        Likelihood::SquaredError => relu(last_layer),
        Likelihood::Poisson | Likelihood::NegativeBinomial => last_layer.clamp_max(MOST).exp().log1p(),
    }
}

impl FoundationModel for Redecoded {
    fn name(&self) -> String {
        self.model.name()
    }

    fn genes(&self) -> &[String] {
        self.model.genes()
    }

    fn latent(&self) -> usize {
        self.model.latent()
    }

    fn device(&self) -> Device {
        self.model.device()
    }

    fn encode(&self, expression: Tensor<2>) -> Option<Tensor<2>> {
        self.model.encode(expression)
    }

    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>> {
        Some(expression(self.decoder.forward(latents), self.likelihood))
    }

    fn encoder_layers(&self) -> Option<Vec<EncoderLayer>> {
        self.model.encoder_layers()
    }

    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
        self.model.embed(expression)
    }

    fn embed_cells(&self, cells: &Cells<LogNormalized>) -> Result<Array2<f32>, FoundationError> {
        self.model.embed_cells(cells)
    }

    fn pretraining_cells(&self) -> Option<&PretrainingCells> {
        self.model.pretraining_cells()
    }

    fn checksum(&self) -> Option<String> {
        self.model.checksum()
    }
}
