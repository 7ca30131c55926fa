//! Settings of an annotation by a trained model.

use scdd_learn::metrics::argmax;

use super::{Annotator, LEAST_GENES};
use crate::annotate::AnnotateError;
use crate::annotate::annotation::{Annotation, Parts};
use crate::cells::{Cells, LogNormalized};
use crate::error::SettingError;
use crate::plan::Plan;
use crate::text::grouped;

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

    /// Fraction of the model's genes that the cells must have; 0.5 (ours).
    pub fn least_genes(mut self, fraction: f64) -> Self {
        self.least_genes = fraction;
        self
    }

    /// What would run.
    ///
    /// # Errors
    /// When the threshold or the fraction of genes is not within 0 and 1.
    pub fn plan(&self) -> crate::Result<Plan> {
        self.check()?;
        let about = &self.annotator.parts.about;
        Ok(Plan::new(format!("annotation by {}", about.model))
            .with("cells", grouped(self.cells.cells()))
            .with("classes", about.classes.len())
            .with("genes of the model", grouped(about.genes.len()))
            .with("unassigned", format!("below a probability of {}", self.threshold)))
    }

    fn check(&self) -> Result<(), AnnotateError> {
        for (name, value) in [("threshold", self.threshold), ("least_genes", self.least_genes)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(AnnotateError::Setting(SettingError::new(name, value, "0 to 1")));
            }
        }
        Ok(())
    }

    /// Annotates.
    ///
    /// # Errors
    /// When cells and model share too few genes, the threshold is not within 0 and 1, or a linear head lacks the foundation
    /// model that it was trained on.
    pub fn run(&self) -> crate::Result<Annotation> {
        self.check()?;
        let (input, missing) = self.annotator.input(&self.cells, self.least_genes)?;
        let trained = &self.annotator.parts.trained;
        let (decisions, probabilities) = (trained.decide(&input)?, trained.probabilities(&input)?);
        let best = argmax(&decisions);
        let rows = best.iter().zip(probabilities.rows());
        let about = &self.annotator.parts.about;
        Ok(Annotation::new(Parts {
            by: about.model.clone(),
            column: about.label.clone(),
            classes: about.classes.clone(),
            cells: self.cells.clone(),
            confidence: rows.map(|(&class, row)| f64::from(row[class as usize])).collect(),
            best,
            probabilities: Some(probabilities),
            neighbours: None,
            threshold: self.threshold,
            missing_genes: missing,
            model_genes: about.genes.len(),
        }))
    }
}
