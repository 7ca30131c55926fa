//! The builder of a distillation: `scdg.distill(objective)`, `study.distill_expression(objective)` and the others.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Distilled;
use super::codes::SmallClasses;
use super::config::DistillConfig;
use super::init::Init;
use super::objective::MatchingObjective;
use super::path::{AnyPath, Calls, ScdgPath};
use super::selection::{EarlyStopping, ValidationModels};
use super::step_order::StepOrder;
use crate::optimizer::Optimizer;
use crate::progress::Interrupt;
use crate::study::Study;

/// Opens a distillation of one pipeline: `scdg.distill(GradientMatching::default())`.
///
/// `Set` is what it makes: cells, or embeddings that are no cells. `P` is the generator path; builders whose path has settings
/// of its own have methods for them: [`noise`](Self::noise), [`guidance`](Self::guidance) and [`chain`](Self::chain) of SCDG.
/// For a list of builders of several pipelines, `.into()` makes any of them a `DistillBuilder<Set>`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct DistillBuilder<Set = Distilled, P = AnyPath> {
    pub(super) path: P,
    pub(super) objective: Arc<dyn MatchingObjective>,
    pub(super) config: DistillConfig,
    pub(super) checkpoints: Option<PathBuf>,
    pub(super) interrupt: Interrupt,
    set: PhantomData<fn() -> Set>,
}

impl<Set, C: Calls> From<DistillBuilder<Set, ScdgPath<C>>> for DistillBuilder<Set> {
    fn from(builder: DistillBuilder<Set, ScdgPath<C>>) -> Self {
        let DistillBuilder { path, objective, config, checkpoints, interrupt, set } = builder;
        Self { path: path.into(), objective, config, checkpoints, interrupt, set }
    }
}

impl<Set, P> DistillBuilder<Set, P> {
    pub(super) fn new(study: &Study, path: P, objective: impl MatchingObjective) -> Self {
        let config = DistillConfig { seed: study.config().seed, ..DistillConfig::default() };
        let (checkpoints, interrupt) = (None, Interrupt::default());
        Self { path, objective: Arc::new(objective), config, checkpoints, interrupt, set: PhantomData }
    }

    /// Other defaults, of a pipeline.
    pub(super) fn with(mut self, change: impl FnOnce(DistillConfig) -> DistillConfig) -> Self {
        self.config = change(self.config);
        self
    }

    /// Synthetic cells of each class; 1.
    pub fn per_class(mut self, per_class: usize) -> Self {
        self.config.per_class = per_class;
        self
    }

    /// What happens to classes with fewer training cells than that; an error lists them (our choice).
    pub fn small_classes(mut self, small_classes: SmallClasses) -> Self {
        self.config.small_classes = small_classes;
        self
    }

    /// How codes are initialised; at random real cells (the paper).
    pub fn init(mut self, init: Init) -> Self {
        self.config.init = init;
        self
    }

    /// Optimisation steps; 50 (the axis of the paper's table VII).
    pub fn steps(mut self, steps: usize) -> Self {
        self.config.steps = steps;
        self
    }

    /// The optimiser of the codes; Adam (our choice).
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.config.optimizer = optimizer;
        self
    }

    /// Whether a step updates the codes of all classes at once or one class after the other; at once (our choice).
    pub fn step_order(mut self, order: StepOrder) -> Self {
        self.config.step_order = order;
        self
    }

    /// Learning rate of the codes; the objective's for this optimiser unless set.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = Some(rate);
        self.config.candidate_rates = None;
        self
    }

    /// Runs once with each of these learning rates, and delivers the set that trains the best models for the validation
    /// cells (mean of accuracy and macro-F1). Rates that diverge are left out.
    pub fn choose_learning_rate(mut self, rates: &[f64]) -> Self {
        self.config.candidate_rates = Some(rates.to_vec());
        self
    }

    /// Scores the initial set, the last, and that of each `every` steps on the validation cells, by
    /// [`validation_models`](Self::validation_models) that are trained on it. The best of these sets is delivered, and the
    /// run stops after `patience` checks without a better one.
    pub fn early_stopping(mut self, every: usize, patience: usize) -> Self {
        self.config.early_stopping = Some(EarlyStopping { every, patience });
        self
    }

    /// The models that sets are scored by on validation cells; linear heads (our choice).
    pub fn validation_models(mut self, models: ValidationModels) -> Self {
        self.config.validation_models = models;
        self
    }

    /// How many initialisations are drawn; 1. Of several, the run begins at the one whose set trains the best models for the
    /// validation cells (mean of accuracy and macro-F1). An [`Init`] without randomness, such as class means, is drawn once.
    pub fn n_init(mut self, n_init: usize) -> Self {
        self.config.n_init = n_init;
        self
    }

    /// The least improvement for which a later step is delivered in the place of the initial set: how much better its score
    /// on the validation cells must be, in standard errors of an accuracy on that many cells, .5 / sqrt(cells). Default 0:
    /// any improvement counts. On few validation cells a higher one keeps a good initialisation from being replaced by
    /// chance (our choice).
    pub fn min_improvement(mut self, standard_errors: f64) -> Self {
        self.config.min_improvement = standard_errors;
        self
    }

    /// A folder that gets a checkpoint every 10 steps and when the distillation is stopped. When it has one already, the
    /// distillation continues from there, with the same result as if it had never stopped. When a learning rate is chosen,
    /// each rate has its own folder inside.
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

    /// Lets another thread stop the run at its next step. The delivered set is then that of the best step on validation
    /// cells where steps are scored, or else that of the last step;
    /// [`history().interrupted`](super::DistillHistory::interrupted) is true.
    pub fn stop_on(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// Seed of codes, batches, heads and noise; the study's unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// All settings at once, seed included.
    pub fn config(mut self, config: DistillConfig) -> Self {
        self.config = config;
        self
    }
}

/// Settings of pipelines that make cells: embeddings have no marker genes.
///
/// ```compile_fail,E0599
/// # use scdd::prelude::*;
/// # fn skip(study: &Study) {
/// study.distill_embeddings(DistributionMatching::default()).marker_fractions(&[0.5]);
/// # }
/// ```
impl<P> DistillBuilder<Distilled, P> {
    /// Fractions of the genes, the best markers of classes, that models on expression are trained with; `&[1.0]`, all genes
    /// (our choice). The other genes are masked, so that no model learns from differences that are chance; the set keeps all
    /// genes ([`Distilled::markers`]), and foundation models see all. Of several fractions each validation check takes the
    /// best, which needs [`ValidationModels::Surrogates`]. Steps see all genes then, unless
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
    pub fn marker_fractions(mut self, fractions: &[f64]) -> Self {
        self.config.marker_fractions = fractions.to_vec();
        self.config.step_marker_fractions = vec![1.0];
        self
    }

    /// Fractions of the genes, the best markers, that the objective compares; `&[1.0]`, all genes (our choice). There is a
    /// run with each fraction, and the best on validation cells is delivered. Objectives on latents see all genes.
    pub fn step_marker_fractions(mut self, fractions: &[f64]) -> Self {
        self.config.step_marker_fractions = fractions.to_vec();
        self
    }
}
