//! Settings of SCDG's training, and the builder that a study opens: `study.train_scdg()`.

use std::sync::Arc;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::ScdgError;
use super::denoiser::DenoiserConfig;
use super::generator::Generator;
use super::schedule::Schedule;
use super::train::train;
use super::trained::{Parts, Scdg};
use crate::seed;
use crate::study::Study;

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
