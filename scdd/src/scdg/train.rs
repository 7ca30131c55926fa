//! Training of SCDG: equation 3, L = E || z0 - D_theta(z_t, t, tau(c)) ||^2.

use burn::module::Module;
use burn::tensor::Device;
use ndarray::{Array2, Axis};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::ScdgError;
use super::adamw::Moving;
use super::checkpoint::Checkpoints;
use super::conditions::Condition;
use super::config::{ScdgConfig, ScdgHistory};
use super::network::denoiser::{Conditioned, Denoiser, time_embeddings};
use super::network::forward_backward::{Batch, Trace};
use super::network::gradient::gradient;
use super::network::layout::{Layout, flat_weights, with_weights};
use super::schedule::LossWeights;
use crate::progress::{Interrupt, Progress};
use crate::seed;

/// Steps between two updates of the moving average.
const AVERAGE_EVERY: usize = 10;

/// Steps between two checkpoints, which are weights, optimiser and average.
const CHECKPOINT_EVERY: usize = 100;

/// Rows of a batch that a thread takes through the network: many enough for products, and a batch of 128 has two of them.
const ROWS: usize = 64;

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
    /// Time embeddings of all steps of the schedule, from 0.
    times: Vec<f32>,
    device: Device,
}

/// What changes: all that a checkpoint holds.
pub(super) struct State {
    pub(super) moving: Moving,
    pub(super) rng: ChaCha8Rng,
    pub(super) history: ScdgHistory,
}

/// What the steps of a run use again.
struct Scratch {
    layout: Layout,
    traces: Vec<Trace>,
    gradient: Vec<f32>,
}

impl State {
    /// Steps that are done.
    pub(super) fn steps(&self) -> usize {
        self.history.loss.len()
    }
}

impl<'a> Training<'a> {
    /// On latents `[cells, latent]` of unit norm with their classes and conditions.
    pub(super) fn new(
        latents: &Array2<f32>,
        labels: &'a [u32],
        classes: usize,
        conditions: &'a [Condition],
        config: &'a ScdgConfig,
        device: &Device,
    ) -> Self {
        let scaled = latents * (latents.ncols() as f32).sqrt();
        let times = time_embeddings(0..=config.schedule.steps, config.denoiser.embedding);
        let (alpha_bars, device) = (config.schedule.alpha_bars(), device.clone());
        Self { scaled, labels, classes, conditions, config, alpha_bars, times, device }
    }

    /// Trains to the last step, or until it is stopped; gives the averaged network.
    pub(super) fn run(
        &self,
        checkpoints: Option<&Checkpoints>,
        interrupt: &Interrupt,
    ) -> Result<(Denoiser, ScdgHistory), ScdgError> {
        let (network, mut state) = self.fresh();
        let mut scratch = self.scratch(&network);
        if let Some(checkpoints) = checkpoints {
            state = state.resume(checkpoints)?;
        }
        let steps = self.config.steps;
        let mut progress = Progress::new("training SCDG", steps.saturating_sub(state.steps()));
        progress.check_stop()?;
        while state.steps() < steps && !interrupt.requested() {
            let value = self.step(&mut state, &mut scratch)?;
            let done = state.steps();
            if done.is_multiple_of(AVERAGE_EVERY) || done == steps {
                self.average(&mut state);
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
            self.average(&mut state);
        }
        let mut history = state.history;
        let last = &history.loss[history.loss.len().saturating_sub(100)..];
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        history.seconds = progress.finish(|| format!("loss {mean:.3}"));
        history.interrupted = interrupted;
        Ok((with_weights(network, &state.moving.average, &self.device), history))
    }

    /// The network, of which only the form counts from here on, and the state of no step.
    fn fresh(&self) -> (Denoiser, State) {
        let config = self.config;
        let mut rng = seed::stream(config.seed, "scdg");
        let conditioned = Conditioned {
            classes: self.classes,
            conditions: self.conditions.iter().map(|one| (one.column(), one.values().len())).collect(),
            dropped: config.condition_dropout > 0.0,
            seed: config.seed,
        };
        let (latent, host) = (self.scaled.ncols(), Device::flex());
        let network = Denoiser::new(latent, &conditioned, &config.denoiser, &mut rng, &host).no_grad();
        let moving = Moving::new(flat_weights(&network));
        (network, State { moving, rng, history: ScdgHistory::default() })
    }

    fn scratch(&self, network: &Denoiser) -> Scratch {
        let layout = Layout::of(network);
        let batch = self.config.batch;
        let rows = (0..batch).step_by(ROWS).map(|first| ROWS.min(batch - first));
        let traces = rows.map(|rows| Trace::sized(&layout, rows)).collect();
        let gradient = vec![0.0; layout.weights];
        Scratch { layout, traces, gradient }
    }

    /// One step on a batch, with its loss.
    fn step(&self, state: &mut State, scratch: &mut Scratch) -> Result<f64, ScdgError> {
        let (config, Scratch { layout, traces, gradient: slope }) = (self.config, scratch);
        self.draw(&mut state.rng, traces);
        let (weights, share) = (&state.moving.weights, 1.0 / (config.batch * self.scaled.ncols()) as f64);
        let losses: Vec<f64> = traces
            .par_iter_mut()
            .map(|trace| {
                trace.forward(layout, weights);
                let loss = trace.loss(share);
                trace.backward(layout, weights);
                loss
            })
            .collect();
        let (value, step) = (losses.iter().sum::<f64>() * share, state.steps());
        if !value.is_finite() {
            return Err(ScdgError::Diverged { loss: value, step, learning_rate: config.learning_rate });
        }
        state.history.loss.push(value);
        gradient(layout, traces, slope);
        state.moving.step(slope, step + 1, config.learning_rate, config.weight_decay);
        Ok(value)
    }

    /// Draws a batch: cells, how far they are noised, noise, and which ones are without conditions.
    fn draw(&self, rng: &mut ChaCha8Rng, traces: &mut [Trace]) {
        let (config, embedding) = (self.config, self.config.denoiser.embedding);
        let cells: Vec<usize> = (0..config.batch).map(|_| rng.random_range(0..self.labels.len())).collect();
        let times: Vec<usize> = cells.iter().map(|_| rng.random_range(1..=config.schedule.steps)).collect();
        let parts = || cells.chunks(ROWS).zip(times.chunks(ROWS));
        for (trace, (cells, times)) in traces.iter_mut().zip(parts()) {
            let Batch { noised, clean, time, numbers, weights, .. } = &mut trace.batch;
            [&mut *noised, clean, time, weights].into_iter().for_each(Vec::clear);
            for (&cell, &step) in cells.iter().zip(times) {
                let bar = self.alpha_bars[step];
                let (kept, added) = (bar.sqrt() as f32, (1.0 - bar).sqrt() as f32);
                for &value in self.scaled.index_axis(Axis(0), cell) {
                    let noise: f32 = StandardNormal.sample(rng);
                    clean.push(value);
                    noised.push(value * kept + noise * added);
                }
                time.extend(&self.times[step * embedding..][..embedding]);
                weights.push(match config.loss_weights {
                    LossWeights::Uniform => 1.0,
                    weights => weights.at(bar) as f32,
                });
            }
            let tables = std::iter::once(self.labels);
            let tables = tables.chain(self.conditions.iter().map(|condition| &condition.labels.of_cell[..]));
            *numbers = tables.map(|table| cells.iter().map(|&cell| table[cell] as usize).collect()).collect();
        }
        if config.condition_dropout > 0.0 {
            for trace in traces {
                let rows = trace.batch.weights.len();
                trace.batch.dropped = (0..rows).map(|_| rng.random::<f64>() < config.condition_dropout).collect();
            }
        }
    }

    /// Moves the average towards the weights.
    fn average(&self, state: &mut State) {
        // A young average follows the weights more closely.
        let step = state.steps().saturating_sub(1) as f64;
        state.moving.mix(self.config.average_decay.powi(AVERAGE_EVERY as i32).min(step / (100.0 + step)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::denoiser::DenoiserConfig;
    use super::*;
    use crate::tensors;

    #[test]
    fn training_gives_the_same_bits_on_any_number_of_threads() {
        crate::progress::quiet(true);
        let latents = tensors::array(tensors::normal(90, 7, &mut seed::stream(1, "test"), &Device::flex()));
        let labels: Vec<u32> = (0..90).map(|cell| cell % 3).collect();
        let denoiser = DenoiserConfig { widths: vec![150, 40], embedding: 10 };
        let config = ScdgConfig { denoiser, steps: 25, batch: 150, condition_dropout: 0.2, ..ScdgConfig::default() };
        let train = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let training = Training::new(&latents, &labels, 3, &[], &config, &Device::flex());
            let (network, history) = pool.install(|| training.run(None, &Interrupt::default())).unwrap();
            (flat_weights(&network), history.loss)
        };
        let (weights, loss) = train(1);
        assert!(loss[20..].iter().sum::<f64>() < loss[..5].iter().sum::<f64>(), "{loss:?}");
        for threads in [2, 3, 8] {
            let (other_weights, other_loss) = train(threads);
            assert!(other_loss == loss && other_weights == weights, "{threads} threads");
        }
    }
}
