//! The training loop of a decoder: latents in, expression out, the encoder not in it.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::redecoded::MOST;
use super::{DecoderConfig, DecoderHistory, Likelihood};
use crate::cells::Expression;
use crate::foundation::network::FrozenStack;
use crate::foundation::network::Stack;
use crate::foundation::network::epochs;
use crate::foundation::{Ended, FoundationError};
use crate::preprocess::means_and_squares;
use crate::progress::{Interrupt, Progress};
use crate::{seed, tensors};

/// AdamW's weight decay, SCimilarity's.
const WEIGHT_DECAY: f32 = 0.01;
/// Cells of the validation loss at a time.
const CHUNK: usize = 512;

/// Latents of cells and the expression that they come from.
pub(crate) struct Pairs {
    pub(crate) latents: Array2<f32>,
    pub(crate) expression: Expression,
}

/// One training of a decoder.
pub(crate) struct DecoderTraining<'a> {
    training: &'a Pairs,
    validation: &'a Pairs,
    config: &'a DecoderConfig,
    /// r of each gene `[1, genes]`, for the negative binomial.
    dispersion: Option<Tensor<2>>,
    device: Device,
    interrupt: &'a Interrupt,
}

struct State {
    decoder: Stack,
    optimizer: ModuleOptimizer,
    best: Option<Stack>,
    history: DecoderHistory,
}

impl<'a> DecoderTraining<'a> {
    pub(crate) fn new(
        training: &'a Pairs,
        validation: &'a Pairs,
        config: &'a DecoderConfig,
        device: &Device,
        interrupt: &'a Interrupt,
    ) -> Self {
        let device = device.clone().autodiff();
        let expression = &training.expression;
        let dispersion = (config.likelihood == Likelihood::NegativeBinomial)
            .then(|| tensors::from_rows(dispersion(expression), expression.genes(), &device));
        Self { training, validation, config, dispersion, device, interrupt }
    }

    /// Trains to the last epoch, or until it is early enough or interrupted; the decoder of the best epoch.
    pub(crate) fn run(&self) -> Result<(FrozenStack, DecoderHistory), FoundationError> {
        let config = self.config;
        let mut state = self.fresh();
        let batches = self.batches();
        let mut progress = Progress::new("training the decoder", config.epochs * batches);
        progress.check_stop()?;
        for epoch in 0..config.epochs {
            if epochs::out_of_patience(config.patience, &state.history.validation, state.history.kept_epoch) {
                state.history.ended = Ended::Early;
                break;
            }
            if !self.epoch(epoch, &mut state, &mut progress)? {
                state.history.ended = Ended::Interrupted;
                break;
            }
        }
        let State { decoder, best, mut history, .. } = state;
        history.seconds = progress.finish(|| history.described());
        Ok((FrozenStack::freeze(&best.unwrap_or(decoder)), history))
    }

    /// A network that starts at each gene's mean.
    fn fresh(&self) -> State {
        let (config, genes) = (self.config, self.training.expression.genes());
        let mut rng = seed::stream(config.seed, "decoder weights");
        let widths = [&[self.training.latents.ncols()], config.hidden.as_slice(), &[genes]].concat();
        let mut decoder = Stack::new(&widths, &mut rng, &self.device);
        let start = starting_bias(&self.training.expression, config.likelihood);
        decoder.output.bias = decoder
            .output
            .bias
            .map(|bias| bias.map(|bias| Tensor::from_data(start.as_slice(), &bias.device()).require_grad()));
        let optimizer = AdamWConfig::new().with_weight_decay(WEIGHT_DECAY).init();
        State { decoder, optimizer, best: None, history: DecoderHistory::default() }
    }

    fn batch(&self) -> usize {
        self.config.batch.min(self.training.expression.cells())
    }

    fn batches(&self) -> usize {
        self.training.expression.cells() / self.batch().max(1)
    }

    /// One pass over the training cells; false when it was interrupted.
    fn epoch(&self, epoch: usize, state: &mut State, progress: &mut Progress) -> Result<bool, FoundationError> {
        let mut rng = seed::stream(self.config.seed, &format!("decoder epoch {epoch}"));
        let mut order: Vec<usize> = (0..self.training.expression.cells()).collect();
        order.shuffle(&mut rng);
        let (batches, mut sum) = (self.batches(), 0.0);
        let steps = self.config.epochs * batches;
        for (number, cells) in order.chunks_exact(self.batch()).enumerate() {
            if self.interrupt.requested() {
                return Ok(false);
            }
            let step = epoch * batches + number;
            let rate = epochs::annealed(self.config.learning_rate, step, steps);
            let loss = self.step(state, cells, rate, &mut rng);
            if !loss.is_finite() {
                return Err(FoundationError::Diverged { task: "the decoder", loss, step, learning_rate: rate });
            }
            sum += loss;
            progress.step_with_loss(loss, || format!("loss {loss:.3}"));
        }
        let history = &mut state.history;
        history.training.push(sum / batches as f64);
        if self.validation.expression.cells() == 0 {
            history.kept_epoch = epoch;
            return Ok(true);
        }
        let lowest = history.validation.iter().copied().fold(f64::INFINITY, f64::min);
        let loss = self.validation_loss(&FrozenStack::freeze(&state.decoder.valid()));
        history.validation.push(loss);
        if loss < lowest {
            history.kept_epoch = epoch;
            state.best = Some(state.decoder.clone());
        }
        Ok(true)
    }

    fn step(&self, state: &mut State, cells: &[usize], rate: f64, rng: &mut ChaCha8Rng) -> f64 {
        let (latents, target) = pairs(self.training, cells, &self.device);
        let first = state.decoder.blocks[0].linear.weight.val();
        let last_layer = state.decoder.after_first_layer(latents.matmul(first), self.config.dropout, rng);
        let loss = self.loss(last_layer, target).mean();
        let value = tensors::scalar(loss.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &state.decoder);
        state.decoder = state.optimizer.step(rate, state.decoder.clone(), gradients);
        value
    }

    /// The loss of each value `[cells, genes]`, of the last layer f and log1p expression x.
    fn loss(&self, f: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        if self.config.likelihood == Likelihood::SquaredError {
            return (f - x).powi_scalar(2);
        }
        let (y, f) = (x.exp().sub_scalar(1.0), f.clamp_max(MOST));
        let Some(r) = &self.dispersion else { return f.clone().exp() - y * f };
        let r = r.clone().to_device(&f.device());
        (y.clone() + r.clone()) * (f.clone().exp() + r).log() - y * f
    }

    fn validation_loss(&self, decoder: &FrozenStack) -> f64 {
        let cells: Vec<usize> = (0..self.validation.expression.cells()).collect();
        let device = self.device.clone().inner();
        let sum: f64 = cells
            .chunks(CHUNK)
            .map(|cells| {
                let (latents, target) = pairs(self.validation, cells, &device);
                tensors::scalar(self.loss(decoder.forward(latents), target).sum())
            })
            .sum();
        sum / (cells.len() * self.validation.expression.genes()).max(1) as f64
    }
}

/// Latents `[cells, latent]` and expression `[cells, genes]` of some cells.
fn pairs(of: &Pairs, cells: &[usize], device: &Device) -> (Tensor<2>, Tensor<2>) {
    let latents = of.latents.select(Axis(0), cells);
    let rows = of.expression.dense_rows(cells);
    (tensors::tensor(&latents, device), tensors::from_rows(rows, of.expression.genes(), device))
}

/// r = mean^2 / (variance - mean) of each gene's counts per 1e4, within bounds beyond which it changes nothing.
fn dispersion(expression: &Expression) -> Vec<f32> {
    let (means, squares) = means_and_squares(expression, f64::exp_m1);
    let cells = expression.cells().max(1) as f64;
    let r = |(mean, squares): (f64, f64)| match squares / cells - mean {
        excess if excess > 0.0 => mean * mean / excess,
        _ => f64::INFINITY,
    };
    means.into_iter().zip(squares).map(|moments| r(moments).clamp(1e-2, 1e3) as f32).collect()
}

/// The last layer's bias that makes every cell the mean: of log1p expression, or the logarithm of mean counts.
fn starting_bias(expression: &Expression, likelihood: Likelihood) -> Vec<f32> {
    let means = |of: fn(f64) -> f64| means_and_squares(expression, of).0.into_iter();
    match likelihood {
        Likelihood::SquaredError => means(|value| value).map(|mean| mean as f32).collect(),
        _ => means(f64::exp_m1).map(|mean| mean.max(1e-4).ln() as f32).collect(),
    }
}
