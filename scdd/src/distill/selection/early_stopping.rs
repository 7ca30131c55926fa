//! Early stopping: the best step by validation scores is kept, and a run ends that gets no better.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::validation::ValidationScore;

/// Which steps are scored on validation cells, and when a run stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Steps between two validation checks; the initial and the last set are always checked.
    pub every: usize,
    /// Checks without a better score after which the run stops.
    pub patience: usize,
}

/// Keeps the best of the codes that were scored.
pub(in crate::distill) struct EarlyStopper {
    stopping: Option<EarlyStopping>,
    steps: usize,
    /// How much better than the initial score a later one has to be, and the initial codes.
    min_improvement: f64,
    initial: Tensor<2>,
    best: Option<(ValidationScore, Tensor<2>)>,
    scores: Vec<ValidationScore>,
    checks_without_better: usize,
}

impl EarlyStopper {
    pub(in crate::distill) fn new(
        stopping: Option<EarlyStopping>,
        steps: usize,
        min_improvement: f64,
        initial: Tensor<2>,
    ) -> Self {
        let (best, scores) = (None, Vec::new());
        Self { stopping, steps, min_improvement, initial, best, scores, checks_without_better: 0 }
    }

    /// Whether a step is scored.
    pub(in crate::distill) fn due(&self, step: usize) -> bool {
        self.stopping.is_some_and(|stopping| step == self.steps || step.is_multiple_of(stopping.every))
    }

    /// Takes the score of the codes before a step; false when it is time to stop.
    pub(in crate::distill) fn check(&mut self, step: usize, codes: &Tensor<2>, score: Option<ValidationScore>) -> bool {
        let Some(score) = score.map(|score| ValidationScore { step, ..score }) else { return true };
        if self.add(score) {
            self.best = Some((score, codes.clone()));
        }
        !self.stopped()
    }

    /// Whether a score is better than those before it.
    fn add(&mut self, score: ValidationScore) -> bool {
        let better = self.scores.iter().all(|earlier| score.is_better_than(earlier));
        self.checks_without_better = if better { 0 } else { self.checks_without_better + 1 };
        self.scores.push(score);
        better
    }

    /// The state after these scores, the best of which these codes have.
    pub(in crate::distill) fn resumed(mut self, scores: Vec<ValidationScore>, codes: Option<Tensor<2>>) -> Self {
        let mut best = None;
        for score in scores {
            if self.add(score) {
                best = Some(score);
            }
        }
        self.best = best.zip(codes);
        self
    }

    pub(in crate::distill) fn stopped(&self) -> bool {
        self.stopping.is_some_and(|stopping| self.checks_without_better >= stopping.patience)
    }

    /// The best step and the codes before it.
    pub(in crate::distill) fn best(&self) -> Option<(usize, Tensor<2>)> {
        self.best.as_ref().map(|(score, codes)| (score.step, codes.clone()))
    }

    /// The score and the codes to deliver: the best, or the initial ones where the improvement is too small.
    pub(in crate::distill) fn kept(&self) -> Option<(ValidationScore, Tensor<2>)> {
        let (first, (best, codes)) = (self.scores.first()?, self.best.as_ref()?);
        if first.step == 0 && best.value() < first.value() + self.min_improvement {
            return Some((*first, self.initial.clone()));
        }
        Some((*best, codes.clone()))
    }

    /// The scores so far.
    pub(in crate::distill) fn scores(&self) -> &[ValidationScore] {
        &self.scores
    }

    pub(in crate::distill) fn into_scores(self) -> Vec<ValidationScore> {
        self.scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(macro_f1: f64, cross_entropy: f64) -> Option<ValidationScore> {
        Some(ValidationScore { step: 0, marker_fraction: 1.0, macro_f1, accuracy: 0.0, cross_entropy })
    }

    #[test]
    fn the_best_step_is_kept_and_patience_ends_a_run_that_gets_no_better() {
        let device = burn::tensor::Device::flex();
        let made = |value| crate::tensors::from_rows(vec![value], 1, &device);
        let mut stopper = EarlyStopper::new(Some(EarlyStopping { every: 5, patience: 2 }), 23, 0.0, made(-1.0));
        let due: Vec<usize> = (0..=23).filter(|&step| stopper.due(step)).collect();
        assert_eq!(due, [0, 5, 10, 15, 20, 23]);
        assert!(stopper.check(0, &made(0.0), score(0.5, 1.0)));
        assert!(stopper.check(5, &made(5.0), score(0.5, 0.9)), "equal macro-F1, smaller cross-entropy: better");
        assert!(stopper.check(10, &made(10.0), score(0.4, 0.1)));
        assert!(!stopper.check(15, &made(15.0), score(0.5, 0.9)), "two checks without a better score");
        let (step, best) = stopper.best().unwrap();
        assert_eq!((step, crate::tensors::to_vec(best)), (5, vec![5.0]));
        assert_eq!(stopper.scores().iter().map(|score| score.step).collect::<Vec<_>>(), [0, 5, 10, 15]);
    }

    #[test]
    fn a_step_that_improves_by_less_than_the_minimum_is_not_delivered() {
        let device = burn::tensor::Device::flex();
        let made = |value| crate::tensors::from_rows(vec![value], 1, &device);
        let kept = |later: f64| {
            let mut stopper = EarlyStopper::new(None, 20, 0.02, made(-1.0));
            stopper.check(0, &made(0.0), score(0.5, 1.0));
            stopper.check(20, &made(20.0), score(later, 1.0));
            let (score, codes) = stopper.kept().unwrap();
            (score.step, crate::tensors::to_vec(codes)[0])
        };
        // Half of what macro-F1 gains: accuracy stays at 0.
        assert_eq!(kept(0.53), (0, -1.0));
        assert_eq!(kept(0.55), (20, 20.0));
        assert_eq!(kept(0.4), (0, -1.0));
    }
}
