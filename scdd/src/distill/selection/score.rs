//! Validation scoring: how well models do on the validation cells that were trained on the synthetic set, with the best of
//! several fractions of marker genes.

use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use ndarray::Array2;

use super::validation::{Validation, ValidationScore};
use crate::distill::codes::Codes;
use crate::distill::config::DistillConfig;
use crate::distill::error::DistillError;
use crate::distill::markers::{Markers, best_markers, mask_expression};
use crate::distill::path::GeneratorPath;
use crate::tensors;

/// Scores a run's set, where something is chosen on validation cells.
pub(in crate::distill) struct ValidationScorer<'a> {
    validation: Option<&'a Validation>,
    /// Fractions of marker genes that models on expression are tried with.
    fractions: Vec<f64>,
    makes_expression: bool,
    labels: &'a [u32],
    markers: Option<Rc<Markers>>,
    device: Device,
}

impl<'a> ValidationScorer<'a> {
    pub(in crate::distill) fn new(
        path: &dyn GeneratorPath,
        config: &DistillConfig,
        initial: &'a Codes,
        markers: Option<Rc<Markers>>,
        validation: Option<&'a Validation>,
    ) -> Self {
        let of_step = config.step_marker_fractions[0];
        let mut fractions: Vec<f64> = config.marker_fractions.iter().map(|fraction| fraction.min(of_step)).collect();
        fractions.dedup();
        let (makes_expression, device) = (path.makes_expression(), path.study().device().clone());
        Self { validation, fractions, makes_expression, labels: &initial.labels, markers, device }
    }

    /// Whether there are scores.
    pub(in crate::distill) fn scores(&self) -> bool {
        self.validation.is_some()
    }

    /// Standard error of an accuracy on as many cells as are scored, at its largest; 0 without validation cells.
    pub(in crate::distill) fn standard_error(&self) -> f64 {
        self.validation.map_or(0.0, |validation| 0.5 / (validation.cells() as f64).sqrt())
    }

    /// The score of a set by its embeddings `[rows, latent]`, and its expression `[rows, genes]` where models need it; None
    /// without validation cells.
    pub(in crate::distill) fn score(
        &self,
        embeddings: &Tensor<2>,
        expression: impl FnOnce() -> Result<Array2<f32>, DistillError>,
    ) -> crate::Result<Option<ValidationScore>> {
        let Some(validation) = self.validation else { return Ok(None) };
        if !(validation.uses_expression() && self.makes_expression) {
            // Linear heads see all genes, so that the first fraction is as good as any.
            let score = validation.score(embeddings, None, self.labels)?;
            return Ok(Some(ValidationScore { marker_fraction: self.fractions[0], ..score }));
        }
        let expression = expression()?;
        let mut best: Option<ValidationScore> = None;
        for &marker_fraction in &self.fractions {
            let masked = match best_markers(self.markers.as_deref(), &expression, self.labels, marker_fraction) {
                Some(markers) => mask_expression(expression.clone(), &markers),
                None => expression.clone(),
            };
            let masked = tensors::tensor(&masked, &self.device);
            let score = validation.score(embeddings, Some(&masked), self.labels)?;
            if best.is_none_or(|best| score.is_better_than(&best)) {
                best = Some(ValidationScore { marker_fraction, ..score });
            }
        }
        Ok(best)
    }
}
