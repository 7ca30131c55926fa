//! Training of SCDG: equation 3, L = E || z0 - D_theta(z_t, t, tau(c)) ||^2.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use ndarray::{Array2, Axis};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::ScdgError;
use super::average::moving_average;
use super::checkpoint::Checkpoints;
use super::conditions::Condition;
use super::config::{ScdgConfig, ScdgHistory};
use super::denoiser::{Conditioned, Denoiser, time_embedding};
use super::schedule::LossWeights;
use crate::progress::{Interrupt, Progress};
use crate::{seed, tensors};

/// Steps between two updates of the moving average, which costs a tenth of a step.
const AVERAGE_EVERY: usize = 10;

/// Steps between two checkpoints, which are weights, optimiser and average: a hundredth of the time of the steps.
const CHECKPOINT_EVERY: usize = 100;

/// One training: what stays the same over its steps.
pub(super) struct Training<'a> {
    /// Latents `[cells, latent]` at scale sqrt(latent). Unit latents would drown in the noise of the schedule's first
    /// steps; at this scale a coordinate varies by one.
    scaled: Array2<f32>,
    labels: &'a [u32],
    classes: usize,
    conditions: &'a [Condition],
    config: &'a ScdgConfig,
    alpha_bars: Vec<f64>,
    device: Device,
}

/// What changes: all that a checkpoint holds.
pub(super) struct State {
    pub(super) network: Denoiser,
    /// Moving average of the weights.
    pub(super) average: Denoiser,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) rng: ChaCha8Rng,
    pub(super) history: ScdgHistory,
}

impl State {
    /// Steps that are done.
    pub(super) fn steps(&self) -> usize {
        self.history.loss.len()
    }
}

impl<'a> Training<'a> {
    /// On latents `[cells, latent]` of length one with their classes and conditions.
    pub(super) fn new(
        latents: &Array2<f32>,
        labels: &'a [u32],
        classes: usize,
        conditions: &'a [Condition],
        config: &'a ScdgConfig,
        device: &Device,
    ) -> Self {
        let scaled = latents * (latents.ncols() as f32).sqrt();
        let (alpha_bars, device) = (config.schedule.alpha_bars(), device.clone().autodiff());
        Self { scaled, labels, classes, conditions, config, alpha_bars, device }
    }

    /// Trains to the last step, or until it is stopped; gives the averaged network.
    pub(super) fn run(
        &self,
        checkpoints: Option<&Checkpoints>,
        interrupt: &Interrupt,
    ) -> Result<(Denoiser, ScdgHistory), ScdgError> {
        let mut state = self.fresh();
        if let Some(checkpoints) = checkpoints {
            state = state.resume(checkpoints)?;
        }
        let steps = self.config.steps;
        let mut progress = Progress::new("training SCDG", steps.saturating_sub(state.steps()));
        progress.go_on()?;
        while state.steps() < steps && !interrupt.requested() {
            let value;
            (state, value) = self.step(state)?;
            let done = state.steps();
            if done.is_multiple_of(AVERAGE_EVERY) || done == steps {
                state = self.averaged(state);
            }
            if let Some(checkpoints) = checkpoints
                && done.is_multiple_of(CHECKPOINT_EVERY)
                && done < steps
            {
                state.write(checkpoints)?;
            }
            progress.step_with_loss(value, || format!("loss {value:.3}"));
        }
        let interrupted = state.steps() < steps;
        if interrupted {
            if let Some(checkpoints) = checkpoints
                && state.steps() > 0
            {
                state.write(checkpoints)?;
            }
            state = self.averaged(state);
        }
        let mut history = state.history;
        let last = &history.loss[history.loss.len().saturating_sub(100)..];
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        history.seconds = progress.finish(|| format!("loss {mean:.3}"));
        history.interrupted = interrupted;
        Ok((state.average, history))
    }

    fn fresh(&self) -> State {
        let config = self.config;
        let mut rng = seed::stream(config.seed, "scdg");
        let conditioned = Conditioned {
            classes: self.classes,
            conditions: self.conditions.iter().map(|one| (one.column(), one.values().len())).collect(),
            dropped: config.condition_dropout > 0.0,
            seed: config.seed,
        };
        let network = Denoiser::new(self.scaled.ncols(), &conditioned, &config.denoiser, &mut rng, &self.device);
        let average = network.valid();
        let optimizer = AdamWConfig::new().with_weight_decay(config.weight_decay).init();
        State { network, average, optimizer, rng, history: ScdgHistory::default() }
    }

    /// One step on a batch, with its loss.
    fn step(&self, mut state: State) -> Result<(State, f64), ScdgError> {
        let (config, device, rng) = (self.config, &self.device, &mut state.rng);
        let cells: Vec<usize> = (0..config.batch).map(|_| rng.random_range(0..self.labels.len())).collect();
        let times: Vec<usize> = cells.iter().map(|_| rng.random_range(1..=config.schedule.steps)).collect();
        let clean = tensors::tensor(&self.scaled.select(Axis(0), &cells), device);
        let column = |values: Vec<f32>| tensors::from_rows(values, 1, device);
        let at_times =
            |value: &dyn Fn(f64) -> f64| column(times.iter().map(|&t| value(self.alpha_bars[t]) as f32).collect());
        let noise = tensors::normal(config.batch, self.scaled.ncols(), rng, device);
        let noised = clean.clone() * at_times(&f64::sqrt) + noise * at_times(&|bar| (1.0 - bar).sqrt());
        let mut tau = self.tau(&state.network, &cells);
        if let Some(null) = state.network.null() {
            let drop = |_| f32::from(rng.random::<f64>() < config.condition_dropout);
            let dropped = column((0..config.batch).map(drop).collect());
            tau = tau * (dropped.clone().neg() + 1.0) + null * dropped;
        }
        let time = time_embedding(&times, config.denoiser.embedding, device);
        let squared = (state.network.forward(noised, time, tau) - clean).powi_scalar(2);
        let loss = match config.loss_weights {
            LossWeights::Uniform => squared.mean(),
            weights => (squared * at_times(&|bar| weights.at(bar))).mean(),
        };
        let (value, step) = (tensors::scalar(loss.clone()), state.steps());
        if !value.is_finite() {
            return Err(ScdgError::Diverged { loss: value, step, learning_rate: config.learning_rate });
        }
        state.history.loss.push(value);
        let gradients = GradientsParams::from_grads(loss.backward(), &state.network);
        state.network = state.optimizer.step(config.learning_rate, state.network, gradients);
        Ok((state, value))
    }

    /// tau(c) `[cells, embedding]` of training cells.
    fn tau(&self, network: &Denoiser, cells: &[usize]) -> Tensor<2> {
        let of_cells =
            |numbers: &[u32]| tensors::indices(cells.iter().map(|&cell| numbers[cell] as usize), &self.device);
        let values = self.conditions.iter().map(|condition| of_cells(&condition.labels.of_cell));
        network.tau(of_cells(self.labels), values.collect())
    }

    /// Moves the average towards the weights.
    fn averaged(&self, mut state: State) -> State {
        // A young average follows the weights more closely.
        let step = state.steps().saturating_sub(1) as f64;
        let decay = self.config.average_decay.powi(AVERAGE_EVERY as i32).min(step / (100.0 + step));
        state.average = moving_average(state.average, &state.network.valid(), decay);
        state
    }
}
