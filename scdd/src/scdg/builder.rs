//! The builder of SCDG's training: `study.train_scdg()`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use itertools::Itertools;

use super::ScdgError;
use super::checkpoint::{Of, open};
use super::conditions::Condition;
use super::config::ScdgConfig;
use super::generator::Generator;
use super::schedule::{LossWeights, Schedule};
use super::train::Training;
use super::trained::{Parts, Scdg};
use crate::plan::Plan;
use crate::progress::Interrupt;
use crate::study::Study;
use crate::text::{count, grouped};

/// Opens the training: `study.train_scdg()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct ScdgBuilder {
    study: Study,
    config: ScdgConfig,
    checkpoints: Option<PathBuf>,
    interrupt: Interrupt,
}

impl Study {
    /// Opens the training of SCDG on the training cells' latents, conditioned on their class.
    pub fn train_scdg(&self) -> ScdgBuilder {
        let config = ScdgConfig { seed: self.config().seed, ..ScdgConfig::default() };
        ScdgBuilder { study: self.clone(), config, checkpoints: None, interrupt: Interrupt::default() }
    }
}

impl ScdgBuilder {
    /// Training steps; 2,000 (our choice).
    pub fn steps(mut self, steps: usize) -> Self {
        self.config.steps = steps;
        self
    }

    /// AdamW's learning rate; 0.001 (our choice).
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = rate;
        self
    }

    /// Noise schedule; linear in 1,000 steps (Ho et al. 2020).
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.config.schedule = schedule;
        self
    }

    /// How much the steps of the schedule count in the loss; all alike (equation 3).
    pub fn loss_weights(mut self, weights: LossWeights) -> Self {
        self.config.loss_weights = weights;
        self
    }

    /// One more column of `obs` to condition on, beside the class: text or categories. Each value gets its own embedding, and
    /// the embeddings of all conditions are added.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).batches(2).run()?;
    /// let study = cells.preprocess().min_genes(10).run()?.study("cell_type").foundation_epochs(1).run()?;
    /// let scdg = study.train_scdg().condition("batch").steps(5).run()?;
    /// let cells = scdg.generate(4).condition("batch", "batch_2").run()?;
    /// assert_eq!(cells.only("batch", &["batch_2"])?.cells(), 4);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn condition(mut self, column: &str) -> Self {
        self.config.conditions.push(column.to_owned());
        self
    }

    /// Fraction of the latents of a batch that are denoised without class and conditions, which guidance needs; 0 (our choice;
    /// Ho and Salimans 2022 take 0.1 or 0.2).
    pub fn condition_dropout(mut self, fraction: f64) -> Self {
        self.config.condition_dropout = fraction;
        self
    }

    /// Seed; the study's unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// All settings at once, seed and conditions included.
    pub fn config(mut self, config: ScdgConfig) -> Self {
        self.config = config;
        self
    }

    /// A folder that gets a checkpoint every 100 steps and when the training is stopped. When it has one already, the
    /// training continues from there, with the same result as if it had never stopped.
    pub fn checkpoints(mut self, folder: impl AsRef<Path>) -> Self {
        self.checkpoints = Some(folder.as_ref().to_owned());
        self
    }

    /// Lets another thread stop the training at its next step; the weights until then are kept.
    pub fn stop_on(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn plan(&self) -> crate::Result<Plan> {
        let (config, study) = (&self.config, &self.study);
        config.check()?;
        let latents = study.training_cells().train().len();
        let passes = (config.steps * config.batch) as f64 / latents as f64;
        let conditions: String = config.conditions.iter().map(|column| format!(" and '{column}'")).collect();
        let latent = study.foundation().latent();
        Ok(Plan::new("SCDG, a generator of latents")
            .with("steps", format!("{} of {}", grouped(config.steps), count(config.batch, "latent")))
            .with("training cells", format!("{}, {passes:.0} passes over them", grouped(latents)))
            .with("conditions", format!("{}{conditions}", count(study.classes().len(), "class")))
            .with("network", format!("{} between latents of {latent}", config.denoiser.widths.iter().join(" x "))))
    }

    /// Trains.
    ///
    /// # Errors
    /// When the foundation model has no decoder; when a setting is out of range; when a condition is missing, has missing
    /// values or one value among the training cells; when the checkpoints are of another training or can't be written;
    /// when the loss becomes infinite.
    pub fn run(&self) -> crate::Result<Scdg> {
        let (config, study) = (&self.config, &self.study);
        config.check()?;
        let foundation = study.foundation();
        if !foundation.can_decode() {
            return Err(ScdgError::NoDecoder(foundation.name()).into());
        }
        let conditions = Condition::read_all(study, &config.conditions)?;
        let training = study.training_cells();
        let (latents, labels) = (study.embeddings_of(training.train()), training.train_labels());
        let checkpoints = match &self.checkpoints {
            Some(folder) => Some(open(folder, Of::new(config, &latents, &labels, &conditions))?),
            None => None,
        };
        let classes = study.classes().len();
        let training = Training::new(&latents, &labels, classes, &conditions, config, study.device());
        let (denoiser, history) = training.run(checkpoints.as_ref(), &self.interrupt)?;
        if let (Some(checkpoints), false) = (&checkpoints, history.interrupted) {
            checkpoints.done().map_err(ScdgError::from)?;
        }
        let generator = Generator::new(denoiser, study, config, &conditions);
        let parts = Parts { study: study.clone(), config: config.clone(), generator, conditions, history };
        Ok(Scdg { parts: Arc::new(parts) })
    }
}
