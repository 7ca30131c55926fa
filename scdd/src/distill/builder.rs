//! The builder of a distillation: `scdg.distill(objective)`, `study.distill_expression(objective)` and the others.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Distilled;
use super::codes::SmallClasses;
use super::config::DistillConfig;
use super::init::Init;
use super::objective::MatchingObjective;
use super::optimizer::{Optimizer, Steps};
use super::path::{Chain, GeneratorPath};
use super::selection::validation::{EarlyStopping, ValidationModels};
use crate::progress::Interrupt;
use crate::scdg::Noise;

/// Opens a distillation of one pipeline: `scdg.distill(GradientMatching::default())`. `Set` is what it makes: cells, or
/// features that are no cells.
#[must_use = "call .run()"]
pub struct DistillBuilder<Set = Distilled> {
    pub(super) path: Arc<dyn GeneratorPath>,
    pub(super) objective: Arc<dyn MatchingObjective>,
    pub(super) config: DistillConfig,
    pub(super) noise_set: bool,
    pub(super) chain_set: bool,
    pub(super) checkpoints: Option<PathBuf>,
    pub(super) interrupt: Interrupt,
    set: PhantomData<fn() -> Set>,
}

impl<Set> Clone for DistillBuilder<Set> {
    fn clone(&self) -> Self {
        Self {
            path: self.path.clone(),
            objective: self.objective.clone(),
            config: self.config.clone(),
            noise_set: self.noise_set,
            chain_set: self.chain_set,
            checkpoints: self.checkpoints.clone(),
            interrupt: self.interrupt.clone(),
            set: PhantomData,
        }
    }
}

impl<Set> DistillBuilder<Set> {
    pub(super) fn new(path: Arc<dyn GeneratorPath>, objective: impl MatchingObjective) -> Self {
        let config = DistillConfig { seed: path.study().config().seed, ..DistillConfig::default() };
        Self {
            path,
            objective: Arc::new(objective),
            config,
            noise_set: false,
            chain_set: false,
            checkpoints: None,
            interrupt: Interrupt::default(),
            set: PhantomData,
        }
    }

    /// Other defaults, of a pipeline.
    pub(super) fn with(mut self, change: impl FnOnce(DistillConfig) -> DistillConfig) -> Self {
        self.config = change(self.config);
        self
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
    pub fn init(mut self, init: Init) -> Self {
        self.config.init = init;
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

    /// Whether a step moves the codes of all classes at once or one class after the other; at once.
    pub fn step_order(mut self, order: Steps) -> Self {
        self.config.step_order = order;
        self
    }

    /// Learning rate of the codes; the objective's for this optimiser unless set.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = Some(rate);
        self.config.candidate_rates = None;
        self
    }

    /// Tries each learning rate, and takes the one whose set trains the best models for the validation cells (mean of
    /// accuracy and macro-F1). Rates that diverge are left out.
    pub fn choose_learning_rate(mut self, rates: &[f64]) -> Self {
        self.config.candidate_rates = Some(rates.to_vec());
        self
    }

    /// Trains models ([`validation_models`](Self::validation_models)) on the set at the start, at the end and each `every`
    /// steps, scores it on the validation cells, and delivers the best of these steps. Stops after `patience` scores that are
    /// no better.
    pub fn early_stopping(mut self, every: usize, patience: usize) -> Self {
        self.config.early_stopping = Some(EarlyStopping { every, patience });
        self
    }

    /// The models whose scores on validation cells decide; linear heads.
    pub fn validation_models(mut self, models: ValidationModels) -> Self {
        self.config.validation_models = models;
        self
    }

    /// Draws so many starts and takes the one whose set trains the best models for the validation cells (mean of accuracy
    /// and macro-F1); 1. Starts that don't depend on chance, such as class means, are drawn once.
    pub fn n_init(mut self, n_init: usize) -> Self {
        self.config.n_init = n_init;
        self
    }

    /// By how much a step has to beat the start on validation cells to be delivered in its place, in standard errors of an
    /// accuracy on as many cells; 0.
    pub fn min_improvement(mut self, standard_errors: f64) -> Self {
        self.config.min_improvement = standard_errors;
        self
    }

    /// Shares of the genes, the best markers of classes, that models on expression are trained with; `&[1.0]`, all genes. The
    /// others are masked for them, so that no model learns from differences that are chance; the set keeps all genes
    /// ([`Distilled::markers`]), and foundation models see all. Of several shares the best on validation cells is taken, at each
    /// look anew, which takes [`ValidationModels::Surrogates`]. Steps see all genes then, unless
    /// [`step_marker_fractions`](Self::step_marker_fractions) is called after it.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let opened = study.distill_decoder(DistributionMatching::default()).steps(4);
    /// let opened = opened.validation_models(scdd::distill::ValidationModels::Surrogates);
    /// let distilled = opened.marker_fractions(&[1.0, 0.25]).run()?;
    /// assert!([Some(1.0), Some(0.25)].contains(&distilled.history().marker_fraction));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn marker_fractions(mut self, shares: &[f64]) -> Self {
        self.config.marker_fractions = shares.to_vec();
        self.config.step_marker_fractions = vec![1.0];
        self
    }

    /// Shares of the genes that the objective sees of synthetic expression while codes are moved; `&[1.0]`, all genes. Each
    /// share gets a run of its own, and the best run on validation cells is delivered; objectives on latents see all genes.
    pub fn step_marker_fractions(mut self, shares: &[f64]) -> Self {
        self.config.step_marker_fractions = shares.to_vec();
        self
    }

    /// Which noise codes get, and to which step of the schedule; fixed, a tenth of its steps. Only SCDG has noise.
    pub fn noise(mut self, noise: Noise, step: usize) -> Self {
        self.config.noise = noise;
        self.config.noise_step = Some(step);
        self.noise_set = true;
        self
    }

    /// Guidance w of the denoiser: latents are D_null + (1 + w) (D_c - D_null); 0, which is none. Needs an SCDG that was
    /// trained with [`condition_dropout`](crate::scdg::ScdgBuilder::condition_dropout).
    pub fn guidance(mut self, w: f64) -> Self {
        self.config.guidance = w;
        self
    }

    /// The chain of [`scdg.distill_chain`](crate::Scdg::distill_chain); 10 steps with skips.
    pub fn chain(mut self, chain: Chain) -> Self {
        self.config.chain = chain;
        self.chain_set = true;
        self
    }

    /// A folder that gets a checkpoint every 10 steps and when the distillation is stopped. When it has one already, the
    /// distillation goes on from there, with the same result as if it had never stopped. A choice of the learning rate has
    /// a folder in it for each.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let distilled = study.distill_decoder(GradientMatching::default()).steps(12).checkpoints(folder).run()?;
    /// assert!(!distilled.history().interrupted);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checkpoints(mut self, folder: impl AsRef<Path>) -> Self {
        self.checkpoints = Some(folder.as_ref().to_owned());
        self
    }

    /// Lets another thread stop it at its next step. The set is then that of the best step on validation cells, where there
    /// is a choice, or else that of the last; [`history().interrupted`](super::DistillHistory::interrupted) says so.
    pub fn stop_on(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
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
}
