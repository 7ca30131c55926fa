//! Generation only: SCDG is sampled once for each synthetic cell and nothing is matched, the counterpart of the row
//! "SDXL-Turbo" of Yu et al. 2025.

use super::generator_path::GeneratorPath;
use super::scdg::{OneCall, ScdgPath};
use super::{Pipeline, decode};
use crate::distill::codes::SmallClasses;
use crate::distill::config::DistillConfig;
use crate::distill::history::DistillHistory;
use crate::distill::set::{Distillation, Distilled};
use crate::distill::{Init, plan};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::scdg::Scdg;
use crate::tensors;

/// Opens a sample: `scdg.sample()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct SampleBuilder {
    scdg: Scdg,
    config: DistillConfig,
}

impl Scdg {
    /// Opens a sample of synthetic cells without any matching: "generation only". Latents are D_theta(eps, T, tau(c)) of
    /// noise eps, one network call each, and go through the decoder.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let sampled = study.train_scdg().steps(20).run()?.sample().per_class(2).run()?;
    /// assert_eq!(sampled.method(), "generation only");
    /// assert_eq!(sampled.labels(), [0, 0, 1, 1, 2, 2]);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn sample(&self) -> SampleBuilder {
        let seed = self.study().config().seed;
        let config = DistillConfig { steps: 0, init: Init::Generated, seed, ..DistillConfig::default() };
        SampleBuilder { scdg: self.clone(), config }
    }
}

impl SampleBuilder {
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

    /// Seed of the noise; the study's unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(&self) -> crate::Result<Plan> {
        let study = self.scdg.study();
        let rows = self.config.budget(study)?.iter().sum();
        let plan = Plan::new(Pipeline::Generation.name("none")).with("synthetic cells", plan::set_size(study, rows));
        Ok(plan.with("network calls", rows))
    }

    /// Samples.
    ///
    /// # Errors
    /// When no cells are asked for, or more per class than there are training cells.
    pub fn run(&self) -> crate::Result<Distilled> {
        let path = ScdgPath::new(&self.scdg, OneCall);
        let progress = Progress::new("sampling SCDG", 1);
        let codes = self.config.initial_codes(&path, 0)?;
        let study = self.scdg.study();
        let expression = tensors::array(decode(study, tensors::tensor(&codes.values, study.device()))?);
        let seconds = progress.finish(|| format!("{} cells", codes.labels.len()));
        let made = Distillation {
            pipeline: Pipeline::Generation,
            study: study.clone(),
            scdg: path.scdg().cloned(),
            objective: "none".to_owned(),
            short_name: "none".to_owned(),
            config: self.config.clone(),
            denoising: None,
            learning_rate: None,
            labels: codes.labels,
            history: DistillHistory { seconds, ..DistillHistory::default() },
            preparation_seconds: path.preparation_seconds(),
        };
        Ok(Distilled::new(made, expression, None))
    }
}
