//! What validation cells say of codes, with each share of marker genes that models on expression may see.

use burn::tensor::Tensor;
use ndarray::Array2;

use super::validation::ValidationScore;
use crate::distill::codes::Codes;
use crate::distill::engine::Run;
use crate::distill::engine::forward_backward::Seen;
use crate::distill::error::DistillError;
use crate::distill::markers::{mask, mask_expression};
use crate::distill::path::Pipeline;
use crate::tensors;

impl Run<'_> {
    /// How models trained on what was made of the codes do on the validation cells.
    pub(in crate::distill) fn score(
        &self,
        seen: &Seen,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
    ) -> crate::Result<Option<ValidationScore>> {
        let Some(validation) = self.validation else { return Ok(None) };
        let makes_expression = self.passes.path.pipeline() != Pipeline::Embeddings;
        let mut shares: Vec<f64> =
            self.config().marker_fractions.iter().map(|share| share.min(self.step_share())).collect();
        shares.dedup();
        if !(validation.sees_expression() && makes_expression) {
            // Linear heads see all genes, so that the first share is as good as any.
            let score = validation.score(&seen.features, None, self.passes.labels())?;
            return Ok(Some(ValidationScore { marker_fraction: shares[0], ..score }));
        }
        let expression = match &seen.expression {
            Some(expression) => tensors::array(expression.clone()),
            None => self.passes.make(codes, noise)?,
        };
        let mut best: Option<ValidationScore> = None;
        for marker_fraction in shares {
            let masked = match self.best_markers(&expression, marker_fraction) {
                Some(markers) => mask_expression(expression.clone(), &markers),
                None => expression.clone(),
            };
            let masked = tensors::tensor(&masked, &self.device());
            let score = validation.score(&seen.features, Some(&masked), self.passes.labels())?;
            if best.is_none_or(|best| score.is_better_than(&best)) {
                best = Some(ValidationScore { marker_fraction, ..score });
            }
        }
        Ok(best)
    }

    /// Share of the genes that the objective sees.
    pub(in crate::distill) fn step_share(&self) -> f64 {
        self.config().step_marker_fractions[0]
    }

    /// The best markers of expression `[rows, genes]`; None where all genes count.
    pub(in crate::distill) fn best_markers(&self, expression: &Array2<f32>, share: f64) -> Option<Vec<bool>> {
        let markers = self.markers.as_ref().filter(|_| share < 1.0)?;
        Some(markers.best(expression, self.passes.labels(), share))
    }

    /// Those that the objective sees, as `[1, genes]` of 1 and 0.
    pub(in crate::distill) fn step_markers(&self, seen: &Seen) -> Option<Tensor<2>> {
        let expression = tensors::array(seen.expression.clone().filter(|_| self.step_share() < 1.0)?);
        Some(mask(&self.best_markers(&expression, self.step_share())?, &self.device()))
    }

    /// How good models are that were trained on what is made of codes before any step.
    pub(in crate::distill) fn score_at(&self, start: &Codes) -> crate::Result<Option<ValidationScore>> {
        let codes = tensors::tensor(&start.values, &self.device());
        let noise = self.passes.noise(0);
        let seen = self.passes.see(&codes, noise.as_ref(), false, false)?;
        self.score(&seen, &codes, noise.as_ref())
    }

    /// The objective's loss at the start of the codes.
    pub(in crate::distill) fn loss_at_start(&self) -> Result<f64, DistillError> {
        let codes = tensors::tensor(&self.passes.start.values, &self.device());
        let seen = self.passes.see(&codes, self.passes.noise(0).as_ref(), self.compares_expression(), false)?;
        Ok(self.compare(&seen, self.step_markers(&seen).as_ref(), 0)?.0)
    }
}
