//! A distillation from its builder: checks, initialisation, a run of each candidate, and what is delivered.

use std::time::Instant;

use itertools::iproduct;

use super::builder::DistillBuilder;
use super::codes::Codes;
use super::config::DistillConfig;
use super::engine::{Made, Run, checkpoint};
use super::error::DistillError;
use super::history::DistillHistory;
use super::init::Init;
use super::path::{AnyPath, GeneratorPath};
use super::selection::ValidationScore;
use super::selection::candidates::{Candidate, best_of, diverged};
use super::selection::validation::Validation;
use super::set::{Distillation, Distilled, DistilledEmbeddings};
use crate::optimizer::Optimizer;
use crate::progress::Progress;

impl<Set, P: Clone + Into<AnyPath>> DistillBuilder<Set, P> {
    fn distil(&self) -> crate::Result<(Distillation, Made)> {
        let AnyPath(path) = self.path.clone().into();
        let (path, config) = (&*path, &self.config);
        let rates = self.rates(path);
        self.check(path, &rates)?;
        path.check_model()?;
        let mut codes = config.initial_codes(path, 0)?;
        let validation = config
            .chooses()
            .then(|| Validation::new(path.study(), config.validation_models, config.seed))
            .transpose()?;
        let started = Instant::now();
        let initialisations = self.choose_init(path, &mut codes, validation.as_ref())?;
        let choosing = started.elapsed().as_secs_f64();
        // An objective on latents sees all genes whatever the fraction.
        let fractions = match self.objective.compares_expression() && path.makes_expression() {
            true => &config.step_marker_fractions[..],
            false => &config.step_marker_fractions[..1],
        };
        let candidate = |(&step_marker_fraction, &learning_rate)| Candidate { learning_rate, step_marker_fraction };
        let candidates: Vec<Candidate> = iproduct!(fractions, &rates).map(candidate).collect();
        let mut written = Vec::new();
        let run = |Candidate { learning_rate, step_marker_fraction }| {
            let config = &DistillConfig { step_marker_fractions: vec![step_marker_fraction], ..config.clone() };
            let run = Run::new(path, &*self.objective, config, learning_rate, &codes, validation.as_ref());
            let folder = self.checkpoints.clone().map(|folder| match fractions.len() {
                1 => folder,
                _ => folder.join(format!("markers-{step_marker_fraction}")),
            });
            let folder = folder.map(|folder| match config.candidate_rates {
                Some(_) => folder.join(format!("rate-{learning_rate}")),
                None => folder,
            });
            let checkpoints = folder.map(|folder| checkpoint::open(&folder, run.origin()?)).transpose()?;
            match (run.optimise(checkpoints.as_ref(), &self.interrupt), checkpoints) {
                // It would diverge again from where it was.
                (Err(problem), Some(checkpoints)) if diverged(&problem) => {
                    checkpoints.done().map_err(DistillError::from)?;
                    Err(problem)
                }
                (result, checkpoints) => {
                    written.extend(checkpoints);
                    result
                }
            }
        };
        let mut best = best_of(&candidates, config.candidate_rates.is_some(), &self.interrupt, run)?;
        if !best.history.interrupted {
            for checkpoints in &written {
                checkpoints.done().map_err(DistillError::from)?;
            }
        }
        best.history.initialisations = initialisations;
        best.history.seconds += choosing;
        Ok((self.distillation(path, best.candidate.learning_rate, codes, best.history), best.made))
    }

    /// Refuses what can't run, as far as that costs nothing to know.
    pub(super) fn check(&self, path: &dyn GeneratorPath, rates: &[f64]) -> crate::Result<()> {
        let (config, study) = (&self.config, path.study());
        config.budget(study)?;
        if config.init == Init::Generated && path.scdg().is_none() {
            return Err(DistillError::NothingGenerated.into());
        }
        config.check(rates)?;
        path.check_settings()?;
        if config.chooses() && study.training_cells().validation().is_empty() {
            return Err(DistillError::NoValidation.into());
        }
        self.objective.check(study)
    }

    /// Replaces the codes by the best of all initialisations; the scores of those that differ.
    fn choose_init(
        &self,
        path: &dyn GeneratorPath,
        codes: &mut Codes,
        validation: Option<&Validation>,
    ) -> crate::Result<Vec<ValidationScore>> {
        let config = &self.config;
        let (Some(validation), 2..) = (validation, config.n_init) else { return Ok(Vec::new()) };
        let first = codes.clone();
        let run = Run::new(path, &*self.objective, config, self.rate(path), &first, Some(validation));
        let mut progress = Progress::new("choosing an initialisation", config.n_init);
        let (mut scores, mut best): (Vec<ValidationScore>, Option<ValidationScore>) = (Vec::new(), None);
        for draw in 0..config.n_init {
            let drawn = if draw == 0 { first.clone() } else { config.initial_codes(path, draw)? };
            if self.interrupt.requested() || (draw == 1 && drawn.values == first.values) {
                break;
            }
            let Some(score) = run.score_initial(&drawn)? else { break };
            if best.is_none_or(|best| score.is_better_than(&best)) {
                (*codes, best) = (drawn, Some(score));
            }
            scores.push(score);
            progress.step(|| best.map_or_else(String::new, |best| format!("best {:.3}", best.value())));
        }
        progress.finish(|| best.map_or_else(String::new, |best| format!("best {:.3}", best.value())));
        Ok(if scores.len() > 1 { scores } else { Vec::new() })
    }

    /// The learning rates that are tried.
    pub(super) fn rates(&self, path: &dyn GeneratorPath) -> Vec<f64> {
        self.config.candidate_rates.clone().unwrap_or_else(|| vec![self.rate(path)])
    }

    /// The learning rate where none is chosen.
    fn rate(&self, path: &dyn GeneratorPath) -> f64 {
        let default = match self.config.optimizer {
            Optimizer::Adam => path.learning_rate().unwrap_or_else(|| self.objective.learning_rate()),
            Optimizer::Sgd { .. } => self.objective.sgd_learning_rate(),
        };
        self.config.learning_rate.unwrap_or(default)
    }

    fn distillation(&self, path: &dyn GeneratorPath, rate: f64, codes: Codes, history: DistillHistory) -> Distillation {
        Distillation {
            pipeline: path.pipeline(),
            study: path.study().clone(),
            scdg: path.scdg().cloned(),
            objective: self.objective.name(),
            short_name: self.objective.short_name(),
            config: self.config.clone(),
            denoising: path.denoising(),
            learning_rate: Some(rate),
            preparation_seconds: path.preparation_seconds(),
            labels: codes.labels,
            history,
        }
    }
}

impl<P: Clone + Into<AnyPath>> DistillBuilder<Distilled, P> {
    /// Distils.
    ///
    /// # Errors
    /// When no cells are asked for, or more per class than there are training cells; when a setting is out of range, or
    /// something is to be chosen and there are no validation cells; when the foundation model lacks what the pipeline needs;
    /// when the loss is not one value or does not stay finite; when the checkpoints are of another distillation or can't
    /// be written.
    pub fn run(&self) -> crate::Result<Distilled> {
        let (made, Made { values, markers }) = self.distil()?;
        Ok(Distilled::new(made, values, markers))
    }
}

impl DistillBuilder<DistilledEmbeddings> {
    /// Distils.
    ///
    /// # Errors
    /// As for cells; also when the objective compares expression, of which there is none.
    pub fn run(&self) -> crate::Result<DistilledEmbeddings> {
        let (made, Made { values, .. }) = self.distil()?;
        Ok(DistilledEmbeddings::new(made, values))
    }
}
