//! Training of SCDG: equation 3, L = E || z0 - D_theta(z_t, t, tau(c)) ||^2.

use std::collections::VecDeque;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Tensor;
use ndarray::{Array2, Axis};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::ScdgError;
use super::denoiser::{Denoiser, DenoiserConfig, time_embedding};
use super::generator::Generator;
use super::schedule::Schedule;
use crate::progress::Progress;
use crate::study::Study;
use crate::{seed, tensors};

/// Steps between two updates of the moving average, which costs a tenth of a step.
const AVERAGE_EVERY: usize = 10;

/// How SCDG is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScdgConfig {
    /// Noise schedule.
    pub schedule: Schedule,
    /// Size of the network.
    pub denoiser: DenoiserConfig,
    /// Training steps; 2,000 (ours).
    pub steps: usize,
    /// Latents in a batch; 128 (scDiffusion).
    pub batch: usize,
    /// AdamW's learning rate; 0.001 (ours; scDiffusion 1e-4 for many more steps).
    pub learning_rate: f64,
    /// AdamW's weight decay; 1e-4 (scDiffusion).
    pub weight_decay: f32,
    /// Decay per step of the moving average of the weights, which is what is used; 0.995 (ours). Updated every 10 steps.
    pub average_decay: f64,
    /// Seed of weights, batches and noise.
    pub seed: u64,
}

impl Default for ScdgConfig {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            denoiser: DenoiserConfig::default(),
            steps: 2_000,
            batch: 128,
            learning_rate: 1e-3,
            weight_decay: 1e-4,
            average_decay: 0.995,
            seed: seed::DEFAULT_SEED,
        }
    }
}

/// Losses of a training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScdgHistory {
    /// Mean squared error of the predicted latent, per coordinate at scale sqrt(latent), one entry per step.
    pub loss: Vec<f64>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Opens the training: `study.train_scdg()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct ScdgBuilder {
    study: Study,
    config: ScdgConfig,
}

impl Study {
    /// Opens the training of SCDG on the training cells' latents, conditioned on their class.
    pub fn train_scdg(&self) -> ScdgBuilder {
        let config = ScdgConfig { seed: self.config().seed, ..ScdgConfig::default() };
        ScdgBuilder { study: self.clone(), config }
    }
}

impl ScdgBuilder {
    /// Training steps; 2,000.
    pub fn steps(mut self, steps: usize) -> Self {
        self.config.steps = steps;
        self
    }

    /// AdamW's learning rate; 0.001.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = rate;
        self
    }

    /// Seed; the study's unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Another config, seed included.
    pub fn config(mut self, config: ScdgConfig) -> Self {
        self.config = config;
        self
    }

    /// What would run, and what it costs.
    pub fn plan(&self) -> String {
        let latents = self.study.training_cells().train().len();
        let passes = (self.config.steps * self.config.batch) as f64 / latents as f64;
        format!(
            "SCDG: {} steps of {} latents ({passes:.0} passes over {latents} training cells), conditioned on {} classes",
            self.config.steps,
            self.config.batch,
            self.study.classes().len()
        )
    }

    /// Trains.
    ///
    /// # Errors
    /// When the foundation model has no decoder, a setting is out of range, or the loss becomes infinite.
    pub fn run(&self) -> crate::Result<Scdg> {
        let (config, study) = (&self.config, &self.study);
        check(config)?;
        let foundation = study.foundation();
        if foundation.decode(Tensor::zeros([1, foundation.latent()], &foundation.device())).is_none() {
            return Err(ScdgError::NoDecoder(foundation.name()).into());
        }
        let training = study.training_cells();
        let (denoiser, history) = train(
            &study.embeddings_of(training.train()),
            &training.train_labels(),
            study.classes().len(),
            config,
            study.device(),
        )?;
        let generator = Generator {
            denoiser: Arc::new(denoiser),
            foundation: foundation.clone(),
            schedule: config.schedule.clone(),
            embedding: config.denoiser.embedding,
        };
        Ok(Scdg { parts: Arc::new(Parts { study: study.clone(), config: config.clone(), generator, history }) })
    }
}

fn check(config: &ScdgConfig) -> Result<(), ScdgError> {
    let fail = |setting, found: String, expected: &str| {
        Err(ScdgError::Setting { setting, found, expected: expected.to_owned() })
    };
    if config.steps == 0 || config.batch == 0 {
        return fail("steps x batch", format!("{} x {}", config.steps, config.batch), "at least 1 x 1");
    }
    if config.denoiser.widths.is_empty() || config.denoiser.embedding < 2 {
        return fail("the denoiser", format!("{:?}", config.denoiser), "a width, and an embedding of at least 2");
    }
    let schedule = &config.schedule;
    if schedule.steps == 0
        || !(0.0 < schedule.beta_min && schedule.beta_min <= schedule.beta_max && schedule.beta_max < 1.0)
    {
        return fail("the schedule", format!("{schedule:?}"), "at least 1 step and 0 < beta_min <= beta_max < 1");
    }
    if !(0.0..1.0).contains(&config.average_decay) {
        return fail("average_decay", config.average_decay.to_string(), "from 0 to below 1");
    }
    Ok(())
}

fn train(
    latents: &Array2<f32>,
    labels: &[u32],
    classes: usize,
    config: &ScdgConfig,
    device: &burn::tensor::Device,
) -> Result<(Denoiser, ScdgHistory), ScdgError> {
    let device = device.clone().autodiff();
    let latent = latents.ncols();
    // Unit latents would drown in the noise of the schedule's first steps; at this scale a coordinate varies by one.
    let scaled = latents * (latent as f32).sqrt();
    let mut rng = seed::stream(config.seed, "scdg");
    let mut network = Denoiser::new(latent, classes, &config.denoiser, &mut rng, &device);
    let mut average = network.valid();
    let mut optimizer = AdamWConfig::new().with_weight_decay(config.weight_decay).init();
    let alpha_bars = config.schedule.alpha_bars();
    let mut progress = Progress::new("training SCDG", config.steps);
    let mut history = ScdgHistory::default();
    for step in 0..config.steps {
        let cells: Vec<usize> = (0..config.batch).map(|_| rng.random_range(0..labels.len())).collect();
        let times: Vec<usize> = cells.iter().map(|_| rng.random_range(1..=config.schedule.steps)).collect();
        let clean = tensors::tensor(&scaled.select(Axis(0), &cells), &device);
        let column = |values: Vec<f32>| tensors::from_rows(values, 1, &device);
        let signal = column(times.iter().map(|&t| alpha_bars[t].sqrt() as f32).collect());
        let spread = column(times.iter().map(|&t| (1.0 - alpha_bars[t]).sqrt() as f32).collect());
        let noise = tensors::normal(config.batch, latent, &mut rng, &device);
        let noised = clean.clone() * signal + noise * spread;
        let classes = tensors::indices(cells.iter().map(|&cell| labels[cell] as usize), &device);
        let time = time_embedding(&times, config.denoiser.embedding, &device);
        let loss = (network.forward(noised, time, classes) - clean).powi_scalar(2).mean();
        let value = tensors::scalar(loss.clone());
        if !value.is_finite() {
            return Err(ScdgError::Diverged { loss: value, step, learning_rate: config.learning_rate });
        }
        history.loss.push(value);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(config.learning_rate, network, gradients);
        if (step + 1).is_multiple_of(AVERAGE_EVERY) || step + 1 == config.steps {
            // A young average follows the weights more closely.
            let decay = config.average_decay.powi(AVERAGE_EVERY as i32).min(step as f64 / (100.0 + step as f64));
            average = moving_average(average, &network.valid(), decay);
        }
        progress.step(|| format!("loss {value:.3}"));
    }
    let last = &history.loss[history.loss.len().saturating_sub(100)..];
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    history.seconds = progress.finish(|| format!("loss {mean:.3}"));
    Ok((average, history))
}

/// average * decay + network * (1 - decay), weight by weight.
fn moving_average(average: Denoiser, network: &Denoiser, decay: f64) -> Denoiser {
    struct Weights(VecDeque<Tensor<1>>);
    impl ModuleVisitor for Weights {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let weights = param.val();
            let count = weights.shape().num_elements();
            self.0.push_back(weights.reshape([count]));
        }
    }
    struct Mix {
        weights: Weights,
        decay: f64,
    }
    impl ModuleMapper for Mix {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(new) = self.weights.0.pop_front() else { return param };
            let decay = self.decay;
            param.map(|old| {
                let shape = old.shape();
                old * decay + new.reshape(shape) * (1.0 - decay)
            })
        }
    }
    let mut weights = Weights(VecDeque::new());
    network.visit(&mut weights);
    average.map(&mut Mix { weights, decay })
}

/// A trained generator over its study. Cheap to clone.
#[derive(Clone)]
pub struct Scdg {
    parts: Arc<Parts>,
}

struct Parts {
    study: Study,
    config: ScdgConfig,
    generator: Generator,
    history: ScdgHistory,
}

impl std::fmt::Debug for Scdg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let history = &self.parts.history;
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let hundred = history.loss.len().min(100);
        write!(
            f,
            "SCDG trained in {} steps, {:.0} s: loss {:.3} -> {:.3}",
            history.loss.len(),
            history.seconds,
            mean(&history.loss[..hundred]),
            mean(&history.loss[history.loss.len() - hundred..])
        )
    }
}

impl Scdg {
    /// The study that it was trained on.
    pub fn study(&self) -> &Study {
        &self.parts.study
    }

    /// How it was trained.
    pub fn config(&self) -> &ScdgConfig {
        &self.parts.config
    }

    /// Its losses.
    pub fn history(&self) -> &ScdgHistory {
        &self.parts.history
    }

    /// The network and the decoder behind it.
    pub fn generator(&self) -> &Generator {
        &self.parts.generator
    }

    /// Shows the training's summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
