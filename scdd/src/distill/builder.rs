//! Settings of a distillation, and the builder that a generator opens: `scdg.distill(objective)`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::codes::{Codes, SmallClasses};
use super::distilled::Distilled;
use super::engine::Run;
use super::error::DistillError;
use super::matching::MatchingObjective;
use crate::scdg::{Noise, Scdg};
use crate::seed;

/// How cells are distilled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistillConfig {
    /// Synthetic cells per class; 1.
    pub per_class: usize,
    /// What is done about classes with fewer training cells; refuse (ours).
    pub small_classes: SmallClasses,
    /// Steps K; 50 (the axis of the paper's table VII).
    pub steps: usize,
    /// Learning rate of the codes (Adam, at scale sqrt(latent)); None takes the objective's (ours).
    pub learning_rate: Option<f64>,
    /// Real cells of each class in a step's batch; 256 (Zhao and Bilen), or all where there are fewer.
    pub real_batch: usize,
    /// Step t of the noise schedule that codes are noised to; 100 of 1,000, alpha_bar 0.90 (ours).
    pub noise_step: usize,
    /// Which noise; fixed for each code (ours).
    pub noise: Noise,
    /// Synthetic cells in a chunk of the second pass; 256 (ours).
    pub chunk: usize,
    /// Seed of codes, batches, heads and noise.
    pub seed: u64,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self {
            per_class: 1,
            small_classes: SmallClasses::Refuse,
            steps: 50,
            learning_rate: None,
            real_batch: 256,
            noise_step: 100,
            noise: Noise::Fixed,
            chunk: 256,
            seed: seed::DEFAULT_SEED,
        }
    }
}

/// What happened in each step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DistillHistory {
    /// The objective's loss.
    pub loss: Vec<f64>,
    /// Length of the gradient of all codes.
    pub gradient: Vec<f64>,
    /// Seconds that all steps took.
    pub seconds: f64,
}

/// Opens a distillation: `scdg.distill(GradientMatching::default())`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct DistillBuilder {
    scdg: Scdg,
    objective: Arc<dyn MatchingObjective>,
    config: DistillConfig,
}

impl Scdg {
    /// Opens a distillation with a matching objective; the seed is the study's unless set.
    pub fn distill(&self, objective: impl MatchingObjective) -> DistillBuilder {
        let config = DistillConfig { seed: self.study().config().seed, ..DistillConfig::default() };
        DistillBuilder { scdg: self.clone(), objective: Arc::new(objective), config }
    }
}

impl DistillBuilder {
    /// Synthetic cells per class; 1.
    pub fn per_class(mut self, per_class: usize) -> Self {
        self.config.per_class = per_class;
        self
    }

    /// What is done about classes with fewer training cells than that; refuse.
    pub fn small_classes(mut self, small_classes: SmallClasses) -> Self {
        self.config.small_classes = small_classes;
        self
    }

    /// Steps; 50.
    pub fn steps(mut self, steps: usize) -> Self {
        self.config.steps = steps;
        self
    }

    /// Learning rate of the codes; the objective's unless set.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = Some(rate);
        self
    }

    /// Which noise codes get, and to which step of the schedule; fixed, 100.
    pub fn noise(mut self, noise: Noise, step: usize) -> Self {
        self.config.noise = noise;
        self.config.noise_step = step;
        self
    }

    /// Seed of codes, batches, heads and noise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Another config, seed included.
    pub fn config(mut self, config: DistillConfig) -> Self {
        self.config = config;
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As [`run`](Self::run), for the number of cells.
    pub fn plan(&self) -> crate::Result<String> {
        let codes = self.codes()?;
        let study = self.scdg.study();
        let (rows, genes) = (codes.labels.len(), study.cells().genes());
        let training = study.training_cells().train().len();
        Ok(format!(
            "{}: {rows} synthetic cells of {} classes, {:.1} permille of {training} training cells, {:.0} kB of \
             expression; {} steps",
            self.objective.name(),
            study.classes().len(),
            1_000.0 * rows as f64 / training as f64,
            (rows * genes * 4) as f64 / 1_000.0,
            self.config.steps
        ))
    }

    fn codes(&self) -> Result<Codes, DistillError> {
        let config = &self.config;
        Codes::random_real(self.scdg.study(), config.per_class, config.small_classes, config.seed)
    }

    /// Distils.
    ///
    /// # Errors
    /// When no cells are asked for, or more per class than there are training cells; when a setting is out of range;
    /// when the loss does not stay finite.
    pub fn run(&self) -> crate::Result<Distilled> {
        let codes = self.codes()?;
        let rate = self.config.learning_rate.unwrap_or(self.objective.learning_rate());
        check(&self.config, rate, self.scdg.config().schedule.steps)?;
        let run = Run::new(&self.scdg, &*self.objective, &self.config, rate, &codes.labels);
        let (expression, history) = run.descend(&codes)?;
        Ok(Distilled::new(
            &self.scdg,
            self.objective.name(),
            self.config.clone(),
            rate,
            expression,
            codes.labels,
            history,
        ))
    }
}

fn check(config: &DistillConfig, rate: f64, schedule_steps: usize) -> Result<(), DistillError> {
    let fail = |setting, found: String, expected: String| Err(DistillError::Setting { setting, found, expected });
    if config.noise_step > schedule_steps {
        return fail("noise_step", config.noise_step.to_string(), format!("0 to {schedule_steps}"));
    }
    if !(rate.is_finite() && rate > 0.0) {
        return fail("learning_rate", rate.to_string(), "a number above 0".to_owned());
    }
    if config.chunk == 0 || config.real_batch == 0 {
        let found = format!("{} and {}", config.chunk, config.real_batch);
        return fail("chunk and real_batch", found, "at least 1 cell each".to_owned());
    }
    Ok(())
}
