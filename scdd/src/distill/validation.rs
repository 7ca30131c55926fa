//! Choices on validation cells: how good a linear head is that was trained on a distilled set. Test cells are not asked.

use burn::tensor::Tensor;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::error::DistillError;
use crate::evaluate::{Protocol, Scores, train_heads};
use crate::seed;
use crate::study::Study;

/// Networks whose scores are averaged (ours): their order of cells and initial weights are those of chance.
const NETWORKS: usize = 3;

/// How linear heads trained on the synthetic cells of one step do on the validation cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationScore {
    /// The step, from 0 (where codes start) to the number of steps.
    pub step: usize,
    /// Mean macro-F1, which choices are made by (ours: accuracy alone hides rare classes).
    pub macro_f1: f64,
    /// Mean accuracy.
    pub accuracy: f64,
    /// Mean cross-entropy, which decides between equal macro-F1.
    pub cross_entropy: f64,
}

impl ValidationScore {
    /// Whether it is better than another.
    pub fn is_better_than(&self, other: &Self) -> bool {
        (self.macro_f1, -self.cross_entropy) > (other.macro_f1, -other.cross_entropy)
    }
}

/// When a distillation looks at validation cells, and when it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Steps from one look to the next; the start and the end are always looked at.
    pub every: usize,
    /// Looks without a better score until it stops.
    pub patience: usize,
}

/// The validation cells of a study.
pub(super) struct Validation {
    features: Array2<f32>,
    truth: Vec<u32>,
    classes: usize,
    protocol: Protocol,
}

impl Validation {
    pub(super) fn new(study: &Study, seed: u64) -> Result<Self, DistillError> {
        let training = study.training_cells();
        let cells = training.validation();
        if cells.is_empty() {
            return Err(DistillError::NoValidation);
        }
        let truth = cells.iter().map(|&cell| training.labels().of_cell[cell]).collect();
        let seed = seed::number(seed, "validation heads");
        let protocol = Protocol { networks: NETWORKS, seed, ..Protocol::default() };
        Ok(Self { features: study.embeddings_of(cells), truth, classes: study.classes().len(), protocol })
    }

    /// Trains heads on features `[rows, latent]` and scores them; the step is the caller's to fill in.
    pub(super) fn score(&self, features: &Array2<f32>, labels: &[u32]) -> crate::Result<ValidationScore> {
        let heads = train_heads(features, labels, self.classes, &self.protocol)?;
        let mut mean = ValidationScore { step: 0, macro_f1: 0.0, accuracy: 0.0, cross_entropy: 0.0 };
        let share = 1.0 / heads.len() as f64;
        for head in &heads {
            let scores = Scores::new(&self.truth, &head.predict(&self.features)?, self.classes)?;
            let probabilities = head.probabilities(&self.features)?;
            let surprise = |(cell, &class): (usize, &u32)| {
                -f64::from(probabilities[[cell, class as usize]].max(f32::MIN_POSITIVE)).ln()
            };
            let sum: f64 = self.truth.iter().enumerate().map(surprise).sum();
            mean.macro_f1 += share * scores.macro_f1;
            mean.accuracy += share * scores.accuracy;
            mean.cross_entropy += share * sum / self.truth.len() as f64;
        }
        Ok(mean)
    }
}

/// Keeps the best of what was looked at.
pub(super) struct Watch {
    stopping: Option<EarlyStopping>,
    steps: usize,
    best: Option<(ValidationScore, Tensor<2>)>,
    scores: Vec<ValidationScore>,
    in_vain: usize,
}

impl Watch {
    pub(super) fn new(stopping: Option<EarlyStopping>, steps: usize) -> Self {
        Self { stopping, steps, best: None, scores: Vec::new(), in_vain: 0 }
    }

    /// Whether a step is looked at.
    pub(super) fn due(&self, step: usize) -> bool {
        self.stopping.is_some_and(|stopping| step == self.steps || step.is_multiple_of(stopping.every))
    }

    /// Looks at the codes before a step; false when it is time to stop.
    pub(super) fn look(&mut self, step: usize, codes: &Tensor<2>, score: Option<ValidationScore>) -> bool {
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
    pub(super) fn resumed(mut self, scores: Vec<ValidationScore>, codes: Option<Tensor<2>>) -> Self {
        let mut best = None;
        for score in scores {
            if self.note(score) {
                best = Some(score);
            }
        }
        self.best = best.zip(codes);
        self
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopping.is_some_and(|stopping| self.in_vain >= stopping.patience)
    }

    /// The best step and the codes before it.
    pub(super) fn best(&self) -> Option<(usize, Tensor<2>)> {
        self.best.as_ref().map(|(score, codes)| (score.step, codes.clone()))
    }

    /// The scores so far.
    pub(super) fn looks(&self) -> &[ValidationScore] {
        &self.scores
    }

    pub(super) fn scores(self) -> Vec<ValidationScore> {
        self.scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(macro_f1: f64, cross_entropy: f64) -> Option<ValidationScore> {
        Some(ValidationScore { step: 0, macro_f1, accuracy: 0.0, cross_entropy })
    }

    #[test]
    fn the_best_step_is_kept_and_patience_ends_a_run_that_gets_no_better() {
        let device = burn::tensor::Device::flex();
        let made = |value| crate::tensors::from_rows(vec![value], 1, &device);
        let mut watch = Watch::new(Some(EarlyStopping { every: 5, patience: 2 }), 23);
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
}
