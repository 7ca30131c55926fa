//! Which of the steps that were looked at is delivered.

use burn::tensor::Tensor;

use super::validation::{EarlyStopping, ValidationScore};

/// Keeps the best of what was looked at.
pub(in crate::distill) struct Watch {
    stopping: Option<EarlyStopping>,
    steps: usize,
    /// By how much a score has to be better than the start's, and the codes of the start.
    margin: f64,
    start: Tensor<2>,
    best: Option<(ValidationScore, Tensor<2>)>,
    scores: Vec<ValidationScore>,
    in_vain: usize,
}

impl Watch {
    pub(in crate::distill) fn new(
        stopping: Option<EarlyStopping>,
        steps: usize,
        margin: f64,
        start: Tensor<2>,
    ) -> Self {
        Self { stopping, steps, margin, start, best: None, scores: Vec::new(), in_vain: 0 }
    }

    /// Whether a step is looked at.
    pub(in crate::distill) fn due(&self, step: usize) -> bool {
        self.stopping.is_some_and(|stopping| step == self.steps || step.is_multiple_of(stopping.every))
    }

    /// Looks at the codes before a step; false when it is time to stop.
    pub(in crate::distill) fn look(&mut self, step: usize, codes: &Tensor<2>, score: Option<ValidationScore>) -> bool {
        let Some(score) = score.map(|score| ValidationScore { step, ..score }) else { return true };
        if self.note(score) {
            self.best = Some((score, codes.clone()));
        }
        !self.stopped()
    }

    /// Whether a score is better than those before it.
    fn note(&mut self, score: ValidationScore) -> bool {
        let better = self.scores.iter().all(|earlier| score.is_better_than(earlier));
        self.in_vain = if better { 0 } else { self.in_vain + 1 };
        self.scores.push(score);
        better
    }

    /// Where it was after these looks, of which the best had these codes.
    pub(in crate::distill) fn resumed(mut self, scores: Vec<ValidationScore>, codes: Option<Tensor<2>>) -> Self {
        let mut best = None;
        for score in scores {
            if self.note(score) {
                best = Some(score);
            }
        }
        self.best = best.zip(codes);
        self
    }

    pub(in crate::distill) fn stopped(&self) -> bool {
        self.stopping.is_some_and(|stopping| self.in_vain >= stopping.patience)
    }

    /// The best step and the codes before it.
    pub(in crate::distill) fn best(&self) -> Option<(usize, Tensor<2>)> {
        self.best.as_ref().map(|(score, codes)| (score.step, codes.clone()))
    }

    /// The best look, or that at the start where it is no better by the margin, and its codes.
    pub(in crate::distill) fn kept(&self) -> Option<(ValidationScore, Tensor<2>)> {
        let (first, (best, codes)) = (self.scores.first()?, self.best.as_ref()?);
        if first.step == 0 && best.value() < first.value() + self.margin {
            return Some((*first, self.start.clone()));
        }
        Some((*best, codes.clone()))
    }

    /// The scores so far.
    pub(in crate::distill) fn looks(&self) -> &[ValidationScore] {
        &self.scores
    }

    pub(in crate::distill) fn scores(self) -> Vec<ValidationScore> {
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
        let mut watch = Watch::new(Some(EarlyStopping { every: 5, patience: 2 }), 23, 0.0, made(-1.0));
        let due: Vec<usize> = (0..=23).filter(|&step| watch.due(step)).collect();
        assert_eq!(due, [0, 5, 10, 15, 20, 23]);
        assert!(watch.look(0, &made(0.0), score(0.5, 1.0)));
        assert!(watch.look(5, &made(5.0), score(0.5, 0.9)), "equal macro-F1, smaller cross-entropy: better");
        assert!(watch.look(10, &made(10.0), score(0.4, 0.1)));
        assert!(!watch.look(15, &made(15.0), score(0.5, 0.9)), "two looks in vain");
        let (step, best) = watch.best().unwrap();
        assert_eq!((step, crate::tensors::to_vec(best)), (5, vec![5.0]));
        assert_eq!(watch.scores().iter().map(|score| score.step).collect::<Vec<_>>(), [0, 5, 10, 15]);
    }

    #[test]
    fn a_step_that_beats_the_start_by_less_than_the_margin_is_not_delivered() {
        let device = burn::tensor::Device::flex();
        let made = |value| crate::tensors::from_rows(vec![value], 1, &device);
        let kept = |later: f64| {
            let mut watch = Watch::new(None, 20, 0.02, made(-1.0));
            watch.look(0, &made(0.0), score(0.5, 1.0));
            watch.look(20, &made(20.0), score(later, 1.0));
            let (look, codes) = watch.kept().unwrap();
            (look.step, crate::tensors::to_vec(codes)[0])
        };
        // Half of what macro-F1 gains: accuracy stays at 0.
        assert_eq!(kept(0.53), (0, -1.0));
        assert_eq!(kept(0.55), (20, 20.0));
        assert_eq!(kept(0.4), (0, -1.0));
    }
}
