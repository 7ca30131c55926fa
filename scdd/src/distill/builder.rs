//! The builder of a distillation: `scdg.distill(objective)`, `study.distill_expression(objective)` and the others.

use std::marker::PhantomData;
use std::sync::Arc;

use ndarray::Array2;

use super::codes::{Codes, SmallClasses};
use super::config::{DistillConfig, DistillHistory, RateTried};
use super::distillation::Distillation;
use super::engine::Run;
use super::error::DistillError;
use super::objective::MatchingObjective;
use super::optimizer::Optimizer;
use super::path::GeneratorPath;
use super::start::{self, Start};
use super::validation::{EarlyStopping, Validation, ValidationScore};
use super::{Distilled, DistilledFeatures};
use crate::Error;
use crate::evaluate::EvaluateError;
use crate::scdg::Noise;

/// Opens a distillation of one pipeline: `scdg.distill(GradientMatching::default())`. `Set` is what it makes: cells, or
/// features that are no cells.
#[must_use = "call .run()"]
pub struct DistillBuilder<Set = Distilled> {
    path: Arc<dyn GeneratorPath>,
    objective: Arc<dyn MatchingObjective>,
    config: DistillConfig,
    noise_set: bool,
    set: PhantomData<fn() -> Set>,
}

impl<Set> Clone for DistillBuilder<Set> {
    fn clone(&self) -> Self {
        let (path, objective) = (self.path.clone(), self.objective.clone());
        Self { path, objective, config: self.config.clone(), noise_set: self.noise_set, set: PhantomData }
    }
}

impl<Set> DistillBuilder<Set> {
    pub(super) fn new(path: Arc<dyn GeneratorPath>, objective: impl MatchingObjective) -> Self {
        let config = DistillConfig { seed: path.study().config().seed, ..DistillConfig::default() };
        Self { path, objective: Arc::new(objective), config, noise_set: false, set: PhantomData }
    }

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

    /// Where codes start; random real cells.
    pub fn start(mut self, start: Start) -> Self {
        self.config.start = start;
        self
    }

    /// Steps; 50.
    pub fn steps(mut self, steps: usize) -> Self {
        self.config.steps = steps;
        self
    }

    /// What moves the codes; Adam.
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.config.optimizer = optimizer;
        self
    }

    /// Learning rate of the codes; the objective's for this optimiser unless set.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = Some(rate);
        self.config.candidate_rates = None;
        self
    }

    /// Tries each learning rate, and takes the one whose set trains the best linear head on the validation cells
    /// (macro-F1). Rates that diverge are left out.
    pub fn choose_learning_rate(mut self, rates: &[f64]) -> Self {
        self.config.candidate_rates = Some(rates.to_vec());
        self
    }

    /// Trains a linear head on the set at the start, at the end and each `every` steps, scores it on the validation cells,
    /// and delivers the best of these steps. Stops after `patience` scores that are no better.
    pub fn early_stopping(mut self, every: usize, patience: usize) -> Self {
        self.config.early_stopping = Some(EarlyStopping { every, patience });
        self
    }

    /// Which noise codes get, and to which step of the schedule; fixed, 100. Only SCDG has noise.
    pub fn noise(mut self, noise: Noise, step: usize) -> Self {
        self.config.noise = noise;
        self.config.noise_step = step;
        self.noise_set = true;
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
    /// As `run`, for the number of cells and the start.
    pub fn plan(&self) -> crate::Result<String> {
        let codes = start::codes(&*self.path, &self.config)?;
        let study = self.path.study();
        let (rows, width) = codes.values.dim();
        let training = study.training_cells().train().len();
        let mut plan = format!(
            "{} ({}): {rows} synthetic cells of {} classes, {:.1} permille of {training} training cells, codes of {width}; \
             {} steps",
            self.path.pipeline().name(&self.objective.short_name()),
            self.objective.name(),
            study.classes().len(),
            1_000.0 * rows as f64 / training as f64,
            self.config.steps
        );
        if let Some(rates) = &self.config.candidate_rates {
            plan += &format!(" with each of {} learning rates", rates.len());
        }
        Ok(plan)
    }

    fn made(&self) -> crate::Result<(Distillation, Array2<f32>)> {
        let (path, config) = (&*self.path, &self.config);
        let rates = config.candidate_rates.clone().unwrap_or_else(|| vec![self.rate()]);
        let codes = start::codes(path, config)?;
        config.check(&rates)?;
        if self.noise_set && path.scdg().is_none() {
            let pipeline = path.pipeline().name(&self.objective.short_name());
            let found = format!("set, and {pipeline} adds none");
            let expected = "it to be left out: only scdg.distill(...) has noise".to_owned();
            return Err(DistillError::Setting { setting: "noise", found, expected }.into());
        }
        path.check(config)?;
        self.objective.check(path.study())?;
        let validation = config.chooses().then(|| Validation::new(path.study(), config.seed)).transpose()?;
        let run =
            |rate| Run::new(path, &*self.objective, config, rate, &codes.labels, validation.as_ref()).descend(&codes);
        let (rate, made, history) = match &config.candidate_rates {
            Some(rates) => best_of(rates, run)?,
            None => {
                let (made, history) = run(rates[0])?;
                (rates[0], made, history)
            }
        };
        Ok((self.distillation(rate, codes, history), made))
    }

    /// The learning rate without a choice.
    fn rate(&self) -> f64 {
        let usual = match self.config.optimizer {
            Optimizer::Adam => self.objective.learning_rate(),
            Optimizer::Sgd { .. } => self.objective.sgd_learning_rate(),
        };
        self.config.learning_rate.unwrap_or(usual)
    }

    fn distillation(&self, rate: f64, codes: Codes, history: DistillHistory) -> Distillation {
        Distillation {
            pipeline: self.path.pipeline(),
            study: self.path.study().clone(),
            scdg: self.path.scdg().cloned(),
            objective: self.objective.name(),
            short_name: self.objective.short_name(),
            config: self.config.clone(),
            learning_rate: Some(rate),
            labels: codes.labels,
            history,
        }
    }
}

impl DistillBuilder<Distilled> {
    /// Distils.
    ///
    /// # Errors
    /// When no cells are asked for, or more per class than there are training cells; when a setting is out of range, or
    /// a choice is asked for and there are no validation cells; when the foundation model lacks what the pipeline needs;
    /// when the loss is not one value or does not stay finite.
    pub fn run(&self) -> crate::Result<Distilled> {
        let (made, expression) = self.made()?;
        Ok(Distilled::new(made, expression))
    }
}

impl DistillBuilder<DistilledFeatures> {
    /// Distils.
    ///
    /// # Errors
    /// As for cells; also when the objective compares expression, of which there is none.
    pub fn run(&self) -> crate::Result<DistilledFeatures> {
        let (made, features) = self.made()?;
        Ok(DistilledFeatures::new(made, features))
    }
}

/// The learning rate with the best validation score, the first of equals, and its run.
fn best_of(
    rates: &[f64],
    run: impl Fn(f64) -> crate::Result<(Array2<f32>, DistillHistory)>,
) -> crate::Result<(f64, Array2<f32>, DistillHistory)> {
    let (mut tried, mut seconds) = (Vec::new(), 0.0);
    let mut best: Option<(ValidationScore, f64, Array2<f32>, DistillHistory)> = None;
    let mut failed = None;
    for &learning_rate in rates {
        match run(learning_rate) {
            Ok((made, history)) => {
                seconds += history.seconds;
                let score = history.validation.iter().find(|score| score.step == history.kept_step).copied();
                tried.push(RateTried { learning_rate, score });
                if let Some(score) = score
                    && best.as_ref().is_none_or(|(best, ..)| score.is_better_than(best))
                {
                    best = Some((score, learning_rate, made, history));
                }
            }
            Err(problem) if diverged(&problem) => {
                tried.push(RateTried { learning_rate, score: None });
                failed = Some(problem);
            }
            Err(problem) => return Err(problem),
        }
    }
    match (best, failed) {
        (Some((_, rate, made, history)), _) => Ok((rate, made, DistillHistory { rates: tried, seconds, ..history })),
        (None, Some(problem)) => Err(problem),
        (None, None) => Err(DistillError::NoValidation.into()),
    }
}

/// Whether a lower learning rate may mend it.
fn diverged(problem: &Error) -> bool {
    matches!(
        problem,
        Error::Distill(DistillError::Diverged { .. } | DistillError::Gradient { .. })
            | Error::Evaluate(EvaluateError::NotFinite { .. } | EvaluateError::Diverged { .. })
    )
}
