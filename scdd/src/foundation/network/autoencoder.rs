//! SCimilarity's network while it trains: encoder and decoder with batch normalisation and dropout.
//!
//! Encoder (genes, hidden x 3, latent): blocks of dropout, linear, batch normalisation and PReLU, then a linear layer
//! whose output is scaled to unit norm. The decoder mirrors it, without dropout in its first block and without an
//! activation at its end (Heimberg et al. 2024, code of `scimilarity`).

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear};
use burn::tensor::{Device, Tensor, activation::prelu};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::tensors::{dropout_mask, linear};

/// Size of a foundation model and its dropout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Dimensions of a latent; 128 (SCimilarity).
    pub latent: usize,
    /// Widths of the encoder's hidden layers; three, as in SCimilarity, of 512 instead of its 1,024 (ours: a tenth of
    /// the genes, a thousandth of the cells).
    pub hidden: Vec<usize>,
    /// Share of the input that is dropped; 0.1 (ours; SCimilarity, with 23 million cells, 0.4).
    pub input_dropout: f64,
    /// Share of the hidden units that is dropped; 0.1 (ours; SCimilarity 0.5).
    pub hidden_dropout: f64,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { latent: 128, hidden: vec![512; 3], input_dropout: 0.1, hidden_dropout: 0.1 }
    }
}

/// Linear, batch normalisation, PReLU with one slope.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) linear: Linear,
    pub(crate) norm: BatchNorm,
    pub(crate) slope: Param<Tensor<1>>,
}

impl Block {
    fn new(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        Self {
            linear: linear(inputs, outputs, rng, device),
            norm: BatchNormConfig::new(outputs).init(device),
            slope: Param::from_tensor(Tensor::full([1], 0.25, device)),
        }
    }

    /// What follows the linear layer.
    fn activate(&self, sums: Tensor<2>) -> Tensor<2> {
        prelu(self.norm.forward(sums), self.slope.val())
    }
}

/// A stack of blocks and a last linear layer: encoder or decoder.
#[derive(Module, Debug)]
pub(crate) struct Stack {
    pub(crate) blocks: Vec<Block>,
    pub(crate) output: Linear,
}

impl Stack {
    pub(crate) fn new(widths: &[usize], rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let blocks = widths.windows(2).take(widths.len() - 2);
        Self {
            blocks: blocks.map(|pair| Block::new(pair[0], pair[1], rng, device)).collect(),
            output: linear(widths[widths.len() - 2], widths[widths.len() - 1], rng, device),
        }
    }

    /// From the first block's products (without bias) to the output; dropout before each later block.
    pub(crate) fn after_first_layer(&self, sums: Tensor<2>, dropout: f64, rng: &mut ChaCha8Rng) -> Tensor<2> {
        let first = &self.blocks[0];
        let bias = first.linear.bias.as_ref().map(|bias| bias.val().unsqueeze::<2>());
        let mut hidden = first.activate(match bias {
            Some(bias) => sums + bias,
            None => sums,
        });
        for block in &self.blocks[1..] {
            let [rows, width] = hidden.dims();
            let mask = dropout_mask(rows, width, dropout, rng, &hidden.device());
            hidden = block.activate(block.linear.forward(hidden * mask));
        }
        self.output.forward(hidden)
    }
}

/// Encoder and decoder, trained together.
#[derive(Module, Debug)]
pub(crate) struct Autoencoder {
    pub(crate) encoder: Stack,
    pub(crate) decoder: Stack,
}

impl Autoencoder {
    pub(crate) fn new(genes: usize, config: &NetworkConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let mut widths = vec![genes];
        widths.extend(&config.hidden);
        widths.push(config.latent);
        let encoder = Stack::new(&widths, rng, device);
        widths.reverse();
        Self { encoder, decoder: Stack::new(&widths, rng, device) }
    }

    /// Training pass: the encoder's first products `[cells, hidden]` to latents `[cells, latent]` of unit norm
    /// and reconstructed expression `[cells, genes]`.
    pub(crate) fn forward(&self, sums: Tensor<2>, dropout: f64, rng: &mut ChaCha8Rng) -> (Tensor<2>, Tensor<2>) {
        let latents = unit_length(self.encoder.after_first_layer(sums, dropout, rng));
        let first = self.decoder.blocks[0].linear.weight.val();
        let expression = self.decoder.after_first_layer(latents.clone().matmul(first), dropout, rng);
        (latents, expression)
    }
}

/// Rows scaled to unit norm.
pub(crate) fn unit_length(rows: Tensor<2>) -> Tensor<2> {
    let length = rows.clone().powi_scalar(2).sum_dim(1).add_scalar(1e-12).sqrt();
    rows / length
}
