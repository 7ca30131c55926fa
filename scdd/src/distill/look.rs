//! What validation cells say of codes, with each share of marker genes that a set may differ in.

use burn::tensor::Tensor;
use ndarray::Array2;

use super::codes::Codes;
use super::engine::Run;
use super::error::DistillError;
use super::passes::{Given, Seen};
use super::path::Pipeline;
use super::validation::ValidationScore;
use crate::tensors;

impl Run<'_> {
    /// How models trained on what was made of the codes do on the validation cells.
    pub(super) fn score(
        &self,
        seen: &Seen,
        codes: &Tensor<2>,
        given: &Given,
    ) -> crate::Result<Option<ValidationScore>> {
        let Some(validation) = self.validation else { return Ok(None) };
        let labels = self.passes.labels;
        let mut shares: Vec<f64> =
            self.config().marker_shares.iter().map(|share| share.min(self.step_share())).collect();
        shares.dedup();
        let makes_expression = self.passes.path.pipeline() != Pipeline::Features;
        let asked = validation.sees_expression() || shares != [self.step_share()];
        // Made once for all shares.
        let expression = match &seen.expression {
            None if asked && makes_expression => {
                Some(tensors::tensor(&self.passes.make(codes, given)?, &self.device()))
            }
            expression => expression.clone(),
        };
        let mut best: Option<ValidationScore> = None;
        for marker_share in shares {
            let score = match &expression {
                Some(expression) if marker_share < self.step_share() => {
                    let muted = self.muted(tensors::array(expression.clone()), marker_share);
                    let muted = tensors::tensor(&muted, &self.device());
                    validation.score(&self.passes.features(&muted)?, Some(&muted), labels)?
                }
                _ => validation.score(&seen.features, expression.as_ref(), labels)?,
            };
            if best.is_none_or(|best| score.is_better_than(&best)) {
                best = Some(ValidationScore { marker_share, ..score });
            }
        }
        Ok(best)
    }

    /// Share of the genes in which cells differ for the objective.
    pub(super) fn step_share(&self) -> f64 {
        self.config().step_marker_shares[0]
    }

    /// What a step has beside codes.
    pub(super) fn given(&self, codes: &Tensor<2>, step: usize) -> Result<Given, DistillError> {
        let noise = self.passes.noise(step);
        let muting = match &self.markers {
            Some(markers) if self.step_share() < 1.0 => {
                let expression = self.passes.make(codes, &noise.as_ref().into())?;
                Some(markers.muting(&expression, self.passes.labels, self.step_share(), &self.device()))
            }
            _ => None,
        };
        Ok(Given { noise, muting })
    }

    /// Only this share of the genes differs between cells.
    pub(super) fn muted(&self, expression: Array2<f32>, share: f64) -> Array2<f32> {
        match &self.markers {
            Some(markers) if share < 1.0 => markers.keep(expression, self.passes.labels, share),
            _ => expression,
        }
    }

    /// How good models are that were trained on what is made of codes before any step.
    pub(super) fn score_at(&self, start: &Codes) -> crate::Result<Option<ValidationScore>> {
        let codes = tensors::tensor(&start.values, &self.device());
        let given = self.given(&codes, 0)?;
        let seen = self.passes.see(&codes, &given, false, false)?;
        self.score(&seen, &codes, &given)
    }

    /// The objective's loss at the start of the codes.
    pub(super) fn loss_at(&self, start: &Codes) -> Result<f64, DistillError> {
        let codes = tensors::tensor(&start.values, &self.device());
        let seen = self.passes.see(&codes, &self.given(&codes, 0)?, self.compares_expression(), false)?;
        Ok(self.compare(&seen, 0)?.0)
    }
}
