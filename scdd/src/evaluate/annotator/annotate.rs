//! Settings of an annotation.

use super::{Annotated, Annotator, LEAST_GENES};
use crate::cells::{Cells, LogNormalized};
use crate::error::SettingError;
use crate::evaluate::{EvaluateError, largest};

/// Opens an annotation: [`Annotator::annotate`].
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct AnnotateBuilder {
    annotator: Annotator,
    cells: Cells<LogNormalized>,
    threshold: f64,
    least_genes: f64,
}

impl AnnotateBuilder {
    pub(super) fn new(annotator: &Annotator, cells: &Cells<LogNormalized>) -> Self {
        Self { annotator: annotator.clone(), cells: cells.clone(), threshold: 0.0, least_genes: LEAST_GENES }
    }

    /// Cells whose most probable class is less probable than this are "unassigned"; 0, the default, assigns all. CellTypist's
    /// own threshold is 0.5.
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// Share of the model's genes that the cells must have; 0.5 (ours).
    pub fn least_genes(mut self, share: f64) -> Self {
        self.least_genes = share;
        self
    }

    /// Annotates.
    ///
    /// # Errors
    /// When cells and model share too few genes, the threshold is not within 0 and 1, or a linear head lacks the foundation
    /// model that it was trained through.
    pub fn run(&self) -> crate::Result<Annotated> {
        for (name, value) in [("threshold", self.threshold), ("least_genes", self.least_genes)] {
            if !(0.0..=1.0).contains(&value) {
                let (value, expected) = (value.to_string(), "0 to 1");
                return Err(EvaluateError::Setting(SettingError::new(name, value, expected)).into());
            }
        }
        let (input, missing) = self.annotator.input(&self.cells, self.least_genes)?;
        let trained = &self.annotator.parts.trained;
        let (decisions, probabilities) = (trained.decide(&input)?, trained.probabilities(&input)?);
        Ok(Annotated::new(&self.annotator, &self.cells, largest(&decisions), probabilities, self.threshold, missing))
    }
}
