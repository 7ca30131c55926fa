//! Settings of a distillation, and what happened in one.

use serde::{Deserialize, Serialize};

use super::codes::SmallClasses;
use super::error::DistillError;
use super::init::Init;
use super::optimizer::{Optimizer, Steps};
use super::path::Chain;
use super::selection::validation::{EarlyStopping, ValidationModels, ValidationScore};
use crate::error::SettingError;
use crate::scdg::Noise;
use crate::seed;

/// How cells are distilled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistillConfig {
    /// Synthetic cells per class; 1.
    pub per_class: usize,
    /// What is done about classes with fewer training cells; refuse (ours).
    pub small_classes: SmallClasses,
    /// Where codes start; random real cells (the paper).
    pub init: Init,
    /// Starts that are drawn, of which the one whose set trains the best models for the validation cells is taken; 1.
    #[serde(default = "one")]
    pub n_init: usize,
    /// Steps K; 50 (the axis of the paper's table VII).
    pub steps: usize,
    /// What moves the codes; Adam (ours).
    pub optimizer: Optimizer,
    /// Whether the classes' codes are moved at once or one class after the other; at once (ours).
    #[serde(default)]
    pub step_order: Steps,
    /// Learning rate of the codes; None takes the objective's for this optimiser (ours). For Adam that is 0.05 on every
    /// pipeline: on Baron's validation cells, 1 and 5 per class, rates from 0.01 to 0.2 differ by a cell or two.
    pub learning_rate: Option<f64>,
    /// Learning rates of which the best on validation cells is taken; None takes the one above.
    pub candidate_rates: Option<Vec<f64>>,
    /// When to look at validation cells and to keep the best step; None keeps the last.
    pub early_stopping: Option<EarlyStopping>,
    /// The models whose scores on validation cells decide; linear heads.
    #[serde(default)]
    pub validation_models: ValidationModels,
    /// By how much a step has to beat the start on validation cells to be delivered in its place, in standard errors of an
    /// accuracy on as many cells, .5 / sqrt(cells); 0. It keeps a good start from being left by chance (ours).
    #[serde(default)]
    pub min_improvement: f64,
    /// Shares of the genes, the best markers of classes, that models on expression are trained with; the others are masked for
    /// them. Of several the best on validation cells is taken at each look, where these ask models on expression; 1, all genes.
    #[serde(default = "all_genes")]
    pub marker_fractions: Vec<f64>,
    /// Shares of the genes that the objective sees of synthetic expression while codes are moved. Of several each gets a run of
    /// its own, and the best run on validation cells is taken; 1, all genes. Objectives on latents see all.
    #[serde(default = "all_genes")]
    pub step_marker_fractions: Vec<f64>,
    /// Real cells of each class in a step's batch; 256 (Zhao and Bilen), or all where there are fewer.
    pub real_batch: usize,
    /// Step t of the noise schedule that codes are noised to; None is a tenth of the schedule, such as 100 of 1,000 with
    /// alpha_bar 0.90 (ours). SCDG only.
    pub noise_step: Option<usize>,
    /// Which noise; fixed for each code (ours). SCDG only.
    pub noise: Noise,
    /// Guidance w of the denoiser, D_null + (1 + w) (D_c - D_null); 0, which is none. SCDG only, and only where it was
    /// trained with condition dropout.
    #[serde(default)]
    pub guidance: f64,
    /// The chain of denoising steps; [`scdg.distill_chain`](crate::Scdg::distill_chain) only.
    #[serde(default)]
    pub chain: Chain,
    /// Synthetic cells that go through generator and encoder at a time, which bounds the graph; 512 (ours). More of them go
    /// through twice in a step.
    pub chunk: usize,
    /// Seed of codes, batches, heads and noise.
    pub seed: u64,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self {
            per_class: 1,
            small_classes: SmallClasses::Refuse,
            init: Init::RandomReal,
            n_init: 1,
            steps: 50,
            optimizer: Optimizer::Adam,
            step_order: Steps::Joint,
            learning_rate: None,
            candidate_rates: None,
            early_stopping: None,
            validation_models: ValidationModels::LinearHead,
            min_improvement: 0.0,
            marker_fractions: all_genes(),
            step_marker_fractions: all_genes(),
            real_batch: 256,
            noise_step: None,
            noise: Noise::Fixed,
            guidance: 0.0,
            chain: Chain::default(),
            chunk: 512,
            seed: seed::DEFAULT_SEED,
        }
    }
}

impl DistillConfig {
    /// Checks what no pipeline can run with, and the learning rates.
    pub(super) fn check(&self, rates: &[f64]) -> Result<(), DistillError> {
        let fail = |setting, found: String, expected: &str| {
            Err(DistillError::Setting(SettingError::new(setting, found, expected)))
        };
        if rates.is_empty() {
            return fail("choose_learning_rate", "an empty list".to_owned(), "at least 1 learning rate");
        }
        if let Some(rate) = rates.iter().find(|rate| !(rate.is_finite() && **rate > 0.0)) {
            return fail("learning_rate", rate.to_string(), "a number above 0");
        }
        if self.n_init == 0 {
            return fail("n_init", "0".to_owned(), "at least 1 start");
        }
        if self.chunk == 0 || self.real_batch == 0 {
            let found = format!("{} and {}", self.chunk, self.real_batch);
            return fail("chunk and real_batch", found, "at least 1 cell each");
        }
        if !(self.min_improvement.is_finite() && self.min_improvement >= 0.0) {
            return fail("min_improvement", self.min_improvement.to_string(), "0 standard errors or more");
        }
        for (setting, shares) in
            [("marker_fractions", &self.marker_fractions), ("step_marker_fractions", &self.step_marker_fractions)]
        {
            if shares.is_empty() {
                return fail(setting, "an empty list".to_owned(), "at least 1 share of the genes");
            }
            if let Some(share) = shares.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
                return fail(setting, share.to_string(), "shares above 0 and up to 1, all genes");
            }
        }
        if self.marker_fractions.len() > 1 && self.validation_models == ValidationModels::LinearHead {
            let found =
                format!("{} shares, and linear heads to choose, which see all genes", self.marker_fractions.len());
            return fail("marker_fractions", found, "one share, or .validation_models(ValidationModels::Surrogates)");
        }
        if let Optimizer::Sgd { momentum } = self.optimizer
            && !(0.0..1.0).contains(&momentum)
        {
            return fail("momentum", momentum.to_string(), "from 0 to below 1");
        }
        if let Some(EarlyStopping { every, patience }) = self.early_stopping
            && (every == 0 || patience == 0)
        {
            let found = format!("every {every} steps with patience {patience}");
            return fail("early_stopping", found, "at least 1 each");
        }
        Ok(())
    }

    /// Whether validation cells are needed.
    pub(super) fn chooses(&self) -> bool {
        self.candidate_rates.is_some()
            || self.early_stopping.is_some()
            || self.n_init > 1
            || self.marker_fractions.len() > 1
            || self.step_marker_fractions.len() > 1
    }

    /// Whether models on expression may see markers alone.
    pub(super) fn masks_genes(&self) -> bool {
        self.marker_fractions != [1.0] || self.step_marker_fractions != [1.0]
    }
}

fn one() -> usize {
    1
}

fn all_genes() -> Vec<f64> {
    vec![1.0]
}

/// What happened in each step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DistillHistory {
    /// The objective's loss; with [`Steps::PerClass`] before the first class of the step is moved.
    pub loss: Vec<f64>,
    /// Length of the gradient of all codes.
    pub gradient: Vec<f64>,
    /// Scores on validation cells, of the steps that were looked at; empty when nothing was chosen.
    pub validation: Vec<ValidationScore>,
    /// Steps that had been taken when the delivered set was made.
    pub kept_step: usize,
    /// Share of the genes, the best markers, in which the delivered cells differ; None is all genes.
    #[serde(default)]
    pub marker_fraction: Option<f64>,
    /// Scores on validation cells of the starts that were drawn, when one was chosen among several that differ.
    #[serde(default)]
    pub starts: Vec<ValidationScore>,
    /// The runs that were tried, when one was chosen among several.
    pub runs: Vec<RunTried>,
    /// Whether it was stopped before its last step; so many steps were done as there are losses.
    #[serde(default)]
    pub interrupted: bool,
    /// Seconds that all steps took, of all learning rates, and the choice of a start; those of the last run when it was resumed.
    pub seconds: f64,
}

/// A run that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunTried {
    /// Its learning rate.
    pub learning_rate: f64,
    /// Share of the genes in which cells differed for the objective.
    pub step_marker_fraction: f64,
    /// The best score that it reached; None when it diverged.
    pub score: Option<ValidationScore>,
}
