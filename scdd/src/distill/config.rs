//! Settings of a distillation, each with its default and its source.

use serde::{Deserialize, Serialize};

use super::codes::{Codes, SmallClasses, budget};
use super::error::DistillError;
use super::init::{self, Init};
use super::path::GeneratorPath;
use super::selection::{EarlyStopping, ValidationModels};
use super::step_order::StepOrder;
use crate::error::SettingError;
use crate::optimizer::Optimizer;
use crate::seed;
use crate::study::Study;

/// How cells are distilled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistillConfig {
    /// Synthetic cells of each class; 1.
    pub per_class: usize,
    /// What happens to classes with fewer training cells; an error lists them (our choice).
    pub small_classes: SmallClasses,
    /// How codes are initialised; at random real cells (the paper).
    pub init: Init,
    /// Initialisations that are drawn; 1. Of several, the run begins at the one whose set trains the best models for the
    /// validation cells.
    #[serde(default = "one")]
    pub n_init: usize,
    /// Optimisation steps K; 50 (the axis of the paper's table VII).
    pub steps: usize,
    /// The optimiser of the codes; Adam (our choice).
    pub optimizer: Optimizer,
    /// Whether a step updates the codes of all classes at once or one class after the other; at once (our choice).
    #[serde(default)]
    pub step_order: StepOrder,
    /// Learning rate of the codes; None takes the objective's for this optimiser (our choice). For Adam that is 0.05 on every
    /// pipeline: on Baron's validation cells, 1 and 5 per class, rates from 0.01 to 0.2 differ by a cell or two.
    pub learning_rate: Option<f64>,
    /// Learning rates that are tried, of which the best on validation cells is taken; None takes the one above.
    pub candidate_rates: Option<Vec<f64>>,
    /// Which steps are scored on validation cells, so that the best is delivered; None delivers the last.
    pub early_stopping: Option<EarlyStopping>,
    /// The models that sets are scored by on validation cells; linear heads (our choice).
    #[serde(default)]
    pub validation_models: ValidationModels,
    /// The least improvement over the initial set's validation score for which a later step is delivered, in standard errors
    /// of an accuracy on that many cells, .5 / sqrt(cells); 0. A higher one keeps a good initialisation from being replaced by
    /// chance (our choice).
    #[serde(default)]
    pub min_improvement: f64,
    /// Fractions of the genes, the best markers of classes, that models on expression are trained with; the others are masked.
    /// Of several each validation check takes the best, where it trains models on expression; 1, all genes (our choice).
    #[serde(default = "all_genes")]
    pub marker_fractions: Vec<f64>,
    /// Fractions of the genes that the objective compares of synthetic expression. There is a run with each, and the best on
    /// validation cells is taken; 1, all genes (our choice). Objectives on latents see all.
    #[serde(default = "all_genes")]
    pub step_marker_fractions: Vec<f64>,
    /// Real cells of each class in a step's batch; 256 (Zhao and Bilen), or all where there are fewer.
    pub real_batch: usize,
    /// Synthetic cells that go through generator and encoder at a time, which bounds the graph; 512 (our choice). More of them
    /// go through twice in a step.
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
            step_order: StepOrder::Joint,
            learning_rate: None,
            candidate_rates: None,
            early_stopping: None,
            validation_models: ValidationModels::LinearHead,
            min_improvement: 0.0,
            marker_fractions: all_genes(),
            step_marker_fractions: all_genes(),
            real_batch: 256,
            chunk: 512,
            seed: seed::DEFAULT_SEED,
        }
    }
}

impl DistillConfig {
    /// Synthetic cells of each class of a study.
    pub(super) fn budget(&self, study: &Study) -> Result<Vec<usize>, DistillError> {
        let training = study.training_cells();
        budget(self.per_class, self.small_classes, &training.train_counts(), training.classes())
    }

    /// Codes by the initialisation, one of several draws.
    pub(super) fn initial_codes(&self, path: &dyn GeneratorPath, draw: usize) -> Result<Codes, DistillError> {
        let seed = if draw == 0 { self.seed } else { seed::number(self.seed, &format!("start {draw}")) };
        init::codes(path, self.init, &self.budget(path.study())?, seed)
    }

    /// Refuses settings, and learning rates, that no pipeline can run with.
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
            return fail("n_init", "0".to_owned(), "at least 1 initialisation");
        }
        if self.chunk == 0 || self.real_batch == 0 {
            let found = format!("{} and {}", self.chunk, self.real_batch);
            return fail("chunk and real_batch", found, "at least 1 cell each");
        }
        if !(self.min_improvement.is_finite() && self.min_improvement >= 0.0) {
            return fail("min_improvement", self.min_improvement.to_string(), "0 standard errors or more");
        }
        for (setting, fractions) in
            [("marker_fractions", &self.marker_fractions), ("step_marker_fractions", &self.step_marker_fractions)]
        {
            if fractions.is_empty() {
                return fail(setting, "an empty list".to_owned(), "at least 1 fraction of the genes");
            }
            if let Some(wrong) = fractions.iter().find(|fraction| !(**fraction > 0.0 && **fraction <= 1.0)) {
                return fail(setting, wrong.to_string(), "fractions above 0 and up to 1, all genes");
            }
        }
        if self.marker_fractions.len() > 1 && self.validation_models == ValidationModels::LinearHead {
            let found =
                format!("{} fractions, and linear heads to choose, which see all genes", self.marker_fractions.len());
            return fail(
                "marker_fractions",
                found,
                "one fraction, or .validation_models(ValidationModels::Surrogates)",
            );
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

    /// Whether something is chosen on validation cells.
    pub(super) fn chooses(&self) -> bool {
        self.candidate_rates.is_some()
            || self.early_stopping.is_some()
            || self.n_init > 1
            || self.marker_fractions.len() > 1
            || self.step_marker_fractions.len() > 1
    }

    /// Whether models on expression may be trained with markers alone.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name_with_what_was_found() {
        let with = DistillConfig::default;
        let stopping = |every, patience| Some(EarlyStopping { every, patience });
        let refused = [
            (DistillConfig { n_init: 0, ..with() }, "n_init is 0; expected at least 1 initialisation"),
            (DistillConfig { chunk: 0, ..with() }, "chunk and real_batch is 0 and 256"),
            (DistillConfig { real_batch: 0, ..with() }, "chunk and real_batch is 512 and 0"),
            (DistillConfig { min_improvement: -1.0, ..with() }, "min_improvement is -1"),
            (DistillConfig { marker_fractions: vec![], ..with() }, "marker_fractions is an empty list"),
            (DistillConfig { step_marker_fractions: vec![0.5, 0.0], ..with() }, "step_marker_fractions is 0"),
            (DistillConfig { marker_fractions: vec![1.0, 0.5], ..with() }, "marker_fractions is 2 fractions"),
            (DistillConfig { optimizer: Optimizer::Sgd { momentum: 1.0 }, ..with() }, "momentum is 1"),
            (DistillConfig { early_stopping: stopping(0, 3), ..with() }, "every 0 steps with patience 3"),
            (DistillConfig { early_stopping: stopping(3, 0), ..with() }, "every 3 steps with patience 0"),
        ];
        for (config, expected) in refused {
            let message = config.check(&[0.05]).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        for (rates, expected) in [(&[][..], "at least 1 learning rate"), (&[0.1, f64::NAN], "learning_rate is NaN")] {
            let message = with().check(rates).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(with().check(&[0.05]).is_ok());
    }

    #[test]
    fn validation_cells_are_needed_where_something_is_chosen() {
        let with = DistillConfig::default;
        assert!(!with().chooses() && !with().masks_genes());
        let half = DistillConfig { marker_fractions: vec![0.5], ..with() };
        assert!(half.masks_genes() && !half.chooses());
        for config in [
            DistillConfig { n_init: 2, ..with() },
            DistillConfig { candidate_rates: Some(vec![0.1]), ..with() },
            DistillConfig { early_stopping: Some(EarlyStopping { every: 5, patience: 2 }), ..with() },
            DistillConfig { step_marker_fractions: vec![1.0, 0.5], ..with() },
        ] {
            assert!(config.chooses(), "{config:?}");
        }
    }
}
