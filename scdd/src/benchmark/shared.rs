//! The study, SCDG and metacells of one split, shared by all methods.

use std::cell::OnceCell;

use super::BenchmarkError;
use super::settings::Settings;
use crate::distill::{Metacells, SmallClasses};
use crate::scdg::Scdg;
use crate::study::Study;

/// A study with its SCDG and metacells, which are made at first use.
pub struct Shared {
    study: Study,
    settings: Settings,
    scdg: OnceCell<Result<Scdg, String>>,
    metacells: OnceCell<Result<Metacells, String>>,
}

impl Shared {
    /// The shared parts of a study, with the default settings of a benchmark.
    ///
    /// ```
    /// use scdd::benchmark::{Method, Shared};
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let shared = Shared::of(&study).with_steps(3);
    /// let set = Method::named("scDD+Decoder, DM")?.make(&shared, 2)?.unwrap();
    /// assert_eq!((set.method(), set.labels().len()), ("scDD+Decoder, DM".to_owned(), 6));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn of(study: &Study) -> Self {
        Self::new(study.clone(), &Settings::default())
    }

    /// With so many steps of every distillation.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.settings.steps = Some(steps);
        self
    }

    /// With so many steps of SCDG's training.
    #[must_use]
    pub fn with_scdg_steps(mut self, steps: usize) -> Self {
        self.settings.scdg_steps = Some(steps);
        self
    }

    pub(super) fn new(study: Study, settings: &Settings) -> Self {
        Self { study, settings: settings.clone(), scdg: OnceCell::new(), metacells: OnceCell::new() }
    }

    /// Split cells, embedded by the foundation model.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// SCDG, trained on this study.
    ///
    /// # Errors
    /// When the foundation model has no decoder, or the training fails; every call gives the same error.
    pub fn scdg(&self) -> crate::Result<Scdg> {
        let train = || {
            let opened = self.study.train_scdg();
            let opened = match self.settings.scdg_steps {
                Some(steps) => opened.steps(steps),
                None => opened,
            };
            opened.run().map_err(|problem| problem.to_string())
        };
        Ok(self.scdg.get_or_init(train).clone().map_err(BenchmarkError::Shared)?)
    }

    /// Metacells of this study.
    ///
    /// # Errors
    /// When a class has no training cells.
    pub fn metacells(&self) -> crate::Result<Metacells> {
        let group = || self.study.metacells().run().map_err(|problem| problem.to_string());
        Ok(self.metacells.get_or_init(group).clone().map_err(BenchmarkError::Shared)?)
    }

    /// How to treat classes with fewer training cells than asked for.
    pub fn small_classes(&self) -> SmallClasses {
        self.settings.small_classes
    }

    /// Steps of every distillation, where they were set.
    pub fn steps(&self) -> Option<usize> {
        self.settings.steps
    }
}
