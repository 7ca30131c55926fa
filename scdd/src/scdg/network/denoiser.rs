//! The denoiser D(z_t, t, tau(c)): predicts the clean latent z0 in one call.
//!
//! Sinusoidal time embedding and the learned embeddings of class and conditions, added, shift and scale residual blocks
//! of linear layers; the widths go down and up again with additive skips (ours, after scDiffusion and cfDiffusion).

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Int, Tensor, activation::silu};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::seed;
use crate::tensors::{self, linear};

/// Size of the denoiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenoiserConfig {
    /// Widths of the down path; 512, 512, 256, 128 (scDiffusion), mirrored in the up path.
    pub widths: Vec<usize>,
    /// Dimensions of the embeddings of time, class and conditions; 64 (ours).
    pub embedding: usize,
}

impl Default for DenoiserConfig {
    fn default() -> Self {
        Self { widths: vec![512, 512, 256, 128], embedding: 64 }
    }
}

/// Linear, scaled and shifted by the condition, layer norm, SiLU.
#[derive(Module, Debug)]
pub(in crate::scdg) struct Block {
    pub(in crate::scdg) linear: Linear,
    pub(in crate::scdg) modulation: Linear,
    pub(in crate::scdg) norm: LayerNorm,
}

impl Block {
    fn new(inputs: usize, outputs: usize, embedding: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        Self {
            linear: linear(inputs, outputs, rng, device),
            modulation: linear(embedding, 2 * outputs, rng, device),
            norm: LayerNormConfig::new(outputs).init(device),
        }
    }

    fn forward(&self, input: Tensor<2>, condition: Tensor<2>) -> Tensor<2> {
        let mut modulation = self.modulation.forward(condition).chunk(2, 1);
        let hidden = self.linear.forward(input);
        let hidden = match (modulation.pop(), modulation.pop()) {
            (Some(shift), Some(scale)) => hidden * scale.add_scalar(1.0) + shift,
            _ => hidden,
        };
        silu(self.norm.forward(hidden))
    }
}

/// The network of equation 3. Latents go in and come out at scale sqrt(latent).
#[derive(Module, Debug)]
pub(crate) struct Denoiser {
    pub(in crate::scdg) time: Vec<Linear>,
    pub(in crate::scdg) classes: Param<Tensor<2>>,
    /// A table of embeddings for each condition beside the class.
    pub(in crate::scdg) conditions: Vec<Param<Tensor<2>>>,
    /// Stands for class and conditions where they are dropped, `[1, embedding]`.
    pub(in crate::scdg) null: Option<Param<Tensor<2>>>,
    pub(in crate::scdg) down: Vec<Block>,
    pub(in crate::scdg) up: Vec<Block>,
    pub(in crate::scdg) output: Linear,
}

/// What the network is conditioned on.
pub(crate) struct Conditioned<'a> {
    /// Number of classes.
    pub(crate) classes: usize,
    /// Column and number of values of each further condition.
    pub(crate) conditions: Vec<(&'a str, usize)>,
    /// Whether they may be dropped.
    pub(crate) dropped: bool,
    /// Seed of the embeddings beside the class's, each of which has a stream of its own.
    pub(crate) seed: u64,
}

impl Denoiser {
    pub(crate) fn new(
        latent: usize,
        conditioned: &Conditioned<'_>,
        config: &DenoiserConfig,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let (widths, embedding) = (&config.widths, config.embedding);
        let time = vec![linear(embedding, embedding, rng, device), linear(embedding, embedding, rng, device)];
        let classes = Param::from_tensor(tensors::normal(conditioned.classes, embedding, rng, device));
        let table = |name: &str, values| {
            let mut rng = seed::stream(conditioned.seed, &format!("scdg condition {name}"));
            Param::from_tensor(tensors::normal(values, embedding, &mut rng, device))
        };
        let conditions = conditioned.conditions.iter().map(|&(column, values)| table(&format!("'{column}'"), values));
        let (conditions, null) = (conditions.collect(), conditioned.dropped.then(|| table("null", 1)));
        let inputs = std::iter::once(&latent).chain(widths);
        let down = inputs.zip(widths).map(|(&from, &to)| Block::new(from, to, embedding, rng, device)).collect();
        let up = widths.iter().rev().zip(widths.iter().rev().skip(1));
        let up = up.map(|(&from, &to)| Block::new(from, to, embedding, rng, device)).collect();
        Self { time, classes, conditions, null, down, up, output: linear(widths[0], latent, rng, device) }
    }

    /// tau(c): the embeddings `[rows, embedding]` of classes `[rows]` and values `[rows]` of each condition, added.
    pub(crate) fn tau(&self, classes: Tensor<1, Int>, conditions: Vec<Tensor<1, Int>>) -> Tensor<2> {
        let class = self.classes.val().select(0, classes);
        let tables = self.conditions.iter().zip(conditions);
        tables.fold(class, |sum, (table, values)| sum + table.val().select(0, values))
    }

    /// The embedding `[1, embedding]` of no condition; None in a network that was trained without dropping them.
    pub(crate) fn null(&self) -> Option<Tensor<2>> {
        self.null.as_ref().map(Param::val)
    }

    /// Noised latents `[rows, latent]`, their time embeddings `[rows, embedding]` (see [`time_embedding`]) and conditions'
    /// embeddings `[rows, embedding]` (see [`tau`](Self::tau)) to clean latents `[rows, latent]`.
    pub(crate) fn forward(&self, noised: Tensor<2>, time: Tensor<2>, tau: Tensor<2>) -> Tensor<2> {
        let time = self.time[1].forward(silu(self.time[0].forward(time)));
        let condition = silu(time + tau);
        let mut skips = Vec::with_capacity(self.down.len());
        let mut hidden = noised;
        for block in &self.down {
            hidden = block.forward(hidden, condition.clone());
            skips.push(hidden.clone());
        }
        skips.pop();
        for block in &self.up {
            hidden = block.forward(hidden, condition.clone());
            if let Some(skip) = skips.pop() {
                hidden = hidden + skip;
            }
        }
        self.output.forward(hidden)
    }
}

/// Sines and cosines of the time at geometric frequencies (Vaswani et al. 2017), `[rows, width]`.
pub(crate) fn time_embedding(steps: &[usize], width: usize, device: &Device) -> Tensor<2> {
    tensors::from_rows(time_embeddings(steps.iter().copied(), width), width, device)
}

/// The same on the host, row by row.
pub(in crate::scdg) fn time_embeddings(steps: impl Iterator<Item = usize>, width: usize) -> Vec<f32> {
    let half = width / 2;
    let mut values = Vec::new();
    for step in steps {
        let angle = |i: usize| step as f32 * (-(10_000f32.ln()) * i as f32 / half as f32).exp();
        values.extend((0..half).map(|i| angle(i).cos()));
        values.extend((0..width - half).map(|i| angle(i).sin()));
    }
    values
}
