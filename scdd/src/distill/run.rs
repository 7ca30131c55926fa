//! A distillation from its builder: checks, the start, the run of each learning rate, and what is delivered.

use std::time::Instant;

use itertools::iproduct;

use super::builder::DistillBuilder;
use super::codes::Codes;
use super::config::{DistillConfig, DistillHistory};
use super::engine::checkpoint;
use super::engine::{Made, Run};
use super::error::DistillError;
use super::init;
use super::optimizer::Optimizer;
use super::path::Pipeline;
use super::selection::candidates::{Trial, best_of, diverged};
use super::selection::validation::{Validation, ValidationScore};
use super::set::distillation::Distillation;
use super::{Distilled, DistilledEmbeddings};
use crate::error::SettingError;
use crate::progress::Progress;

impl<Set> DistillBuilder<Set> {
    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As `run`, for the number of cells and the start.
    pub fn plan(&self) -> crate::Result<String> {
        let codes = init::codes(&*self.path, &self.config)?;
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

    fn made(&self) -> crate::Result<(Distillation, Made)> {
        let (path, config) = (&*self.path, &self.config);
        let rates = config.candidate_rates.clone().unwrap_or_else(|| vec![self.rate()]);
        let mut codes = init::codes(path, config)?;
        config.check(&rates)?;
        self.check_set()?;
        path.check(config)?;
        self.objective.check(path.study())?;
        let validation = config
            .chooses()
            .then(|| Validation::new(path.study(), config.validation_models, config.seed))
            .transpose()?;
        let started = Instant::now();
        let starts = self.choose_start(&mut codes, validation.as_ref())?;
        let choosing = started.elapsed().as_secs_f64();
        // An objective on latents sees all genes whatever the share.
        let shares = match self.objective.compares_expression() && path.pipeline() != Pipeline::Embeddings {
            true => &config.step_marker_fractions[..],
            false => &config.step_marker_fractions[..1],
        };
        let trial = |(&step_marker_fraction, &rate)| Trial { rate, step_marker_fraction };
        let trials: Vec<Trial> = iproduct!(shares, &rates).map(trial).collect();
        let run = |Trial { rate, step_marker_fraction }| {
            let config = &DistillConfig { step_marker_fractions: vec![step_marker_fraction], ..config.clone() };
            let run = Run::new(path, &*self.objective, config, rate, &codes, validation.as_ref());
            let folder = self.checkpoints.clone().map(|folder| match shares.len() {
                1 => folder,
                _ => folder.join(format!("share-{step_marker_fraction}")),
            });
            let folder = folder.map(|folder| match config.candidate_rates {
                Some(_) => folder.join(format!("rate-{rate}")),
                None => folder,
            });
            let checkpoints = folder.map(|folder| checkpoint::open(&folder, &run)).transpose()?;
            match (run.descend(checkpoints.as_ref(), &self.interrupt), checkpoints) {
                // It would diverge again from where it was.
                (Err(problem), Some(checkpoints)) if diverged(&problem) => {
                    checkpoints.done().map_err(DistillError::from)?;
                    Err(problem)
                }
                (ran, checkpoints) => ran.map(|(made, history)| (made, history, checkpoints)),
            }
        };
        let mut best = best_of(&trials, config.candidate_rates.is_some(), &self.interrupt, run)?;
        best.history.starts = starts;
        best.history.seconds += choosing;
        Ok((self.distillation(best.trial.rate, codes, best.history), best.made))
    }

    /// Replaces the codes by the best of all starts that are drawn; the scores of those that differ.
    fn choose_start(&self, codes: &mut Codes, validation: Option<&Validation>) -> crate::Result<Vec<ValidationScore>> {
        let (path, config) = (&*self.path, &self.config);
        let (Some(validation), 2..) = (validation, config.n_init) else { return Ok(Vec::new()) };
        let first = codes.clone();
        let run = Run::new(path, &*self.objective, config, self.rate(), &first, Some(validation));
        let mut progress = Progress::new("choosing a start", config.n_init);
        let (mut scores, mut best): (Vec<ValidationScore>, Option<ValidationScore>) = (Vec::new(), None);
        for draw in 0..config.n_init {
            let drawn = if draw == 0 { first.clone() } else { init::drawn(path, config, draw)? };
            if self.interrupt.requested() || (draw == 1 && drawn.values == first.values) {
                break;
            }
            let Some(score) = run.score_at(&drawn)? else { break };
            if best.is_none_or(|best| score.is_better_than(&best)) {
                (*codes, best) = (drawn, Some(score));
            }
            scores.push(score);
            progress.step(|| best.map_or_else(String::new, |best| format!("best {:.3}", best.value())));
        }
        progress.finish(|| best.map_or_else(String::new, |best| format!("best {:.3}", best.value())));
        Ok(if scores.len() > 1 { scores } else { Vec::new() })
    }

    /// Refuses what was set and has no effect on this pipeline.
    fn check_set(&self) -> Result<(), DistillError> {
        let pipeline = self.path.pipeline();
        let without_scdg = self.path.scdg().is_none();
        let refused = [
            ("noise", self.noise_set && without_scdg, "adds none", "only scdg.distill(...) has noise"),
            (
                "guidance",
                self.config.guidance != 0.0 && without_scdg,
                "has none",
                "only scdg.distill(...) has guidance",
            ),
            (
                "chain",
                self.chain_set && pipeline != Pipeline::DiffusionChain,
                "has none",
                "only scdg.distill_chain(...) has a chain",
            ),
            (
                "marker_fractions",
                self.config.masks_genes() && pipeline == Pipeline::Embeddings,
                "makes no expression",
                "only cells have marker genes",
            ),
        ];
        match refused.into_iter().find(|(_, refused, ..)| *refused) {
            Some((setting, _, has, only)) => {
                let found = format!("set, and {} {has}", pipeline.name(&self.objective.short_name()));
                Err(DistillError::Setting(SettingError::new(setting, found, format!("it to be left out: {only}"))))
            }
            None => Ok(()),
        }
    }

    /// The learning rate without a choice.
    fn rate(&self) -> f64 {
        let usual = match self.config.optimizer {
            Optimizer::Adam => self.path.learning_rate().unwrap_or_else(|| self.objective.learning_rate()),
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
            config: DistillConfig { noise_step: self.path.noise_step(&self.config), ..self.config.clone() },
            learning_rate: Some(rate),
            preparation_seconds: self.path.preparation_seconds(),
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
    /// when the loss is not one value or does not stay finite; when the checkpoints are of another distillation or can't
    /// be written.
    pub fn run(&self) -> crate::Result<Distilled> {
        let (made, Made { values, markers }) = self.made()?;
        Ok(Distilled::new(made, values, markers))
    }
}

impl DistillBuilder<DistilledEmbeddings> {
    /// Distils.
    ///
    /// # Errors
    /// As for cells; also when the objective compares expression, of which there is none.
    pub fn run(&self) -> crate::Result<DistilledEmbeddings> {
        let (made, features) = self.made()?;
        Ok(DistilledEmbeddings::new(made, features.values))
    }
}
