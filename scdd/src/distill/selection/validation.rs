//! Scores on validation cells of models that were trained on a distilled set: linear heads, or surrogates in closed form.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::distill::error::DistillError;
use crate::distill::gene_subsets::GeneSubsets;
use crate::distill::objective::{RidgeSurrogate, SHARPNESS};
use crate::study::Study;
use crate::{seed, tensors};
use scdd_learn::metrics::{Scores, argmax};
use scdd_learn::softmax_regression::{Protocol, train_heads};

/// Networks whose scores are averaged (our choice): their order of cells and initial weights are random.
const NETWORKS: usize = 3;
/// Validation cells whose expression is dense at a time.
const DENSE: usize = 1024;

/// The models that sets are scored by on validation cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValidationModels {
    /// Linear heads on the frozen foundation model, by DC-BENCH's protocol.
    #[default]
    LinearHead,
    /// All surrogates in closed form, [`RidgeSurrogate::ALL`], on expression and on latents, and linear ones on random subsets
    /// of the genes, as a split of a random forest or a gene set of TOSICA has them (our choice). Where a pipeline makes no
    /// expression, the surrogate on latents alone.
    Surrogates,
}

/// Scores on the validation cells of models trained on the synthetic cells of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationScore {
    /// The step, from 0 (initial codes) to the number of steps.
    pub step: usize,
    /// Fraction of the genes, the best markers, that models on expression were trained with: the best of the config's.
    #[serde(default = "one")]
    pub marker_fraction: f64,
    /// Mean macro-F1.
    pub macro_f1: f64,
    /// Mean accuracy.
    pub accuracy: f64,
    /// Mean cross-entropy, which decides between equal scores.
    pub cross_entropy: f64,
}

impl ValidationScore {
    /// The mean of accuracy and macro-F1, by which choices are made (our choice). Accuracy alone hides rare classes, and
    /// macro-F1 alone depends on classes of a few validation cells.
    pub fn value(&self) -> f64 {
        (self.accuracy + self.macro_f1) / 2.0
    }

    /// Whether it is better than another.
    pub fn is_better_than(&self, other: &Self) -> bool {
        (self.value(), -self.cross_entropy) > (other.value(), -other.cross_entropy)
    }
}

/// The validation cells of a study.
pub(in crate::distill) struct Validation {
    study: Study,
    models: ValidationModels,
    embeddings: Array2<f32>,
    truth: Vec<u32>,
    classes: usize,
    protocol: Protocol,
    gene_subsets: GeneSubsets,
}

impl Validation {
    pub(in crate::distill) fn new(study: &Study, models: ValidationModels, seed: u64) -> Result<Self, DistillError> {
        let training = study.training_cells();
        let cells = training.validation();
        if cells.is_empty() {
            return Err(DistillError::NoValidation);
        }
        let truth = cells.iter().map(|&cell| training.labels().of_cell[cell]).collect();
        let seed = seed::number(seed, "validation heads");
        let protocol = Protocol { networks: NETWORKS, seed, ..Protocol::default() };
        let (embeddings, classes) = (study.embeddings_of(cells), study.classes().len());
        let gene_subsets = GeneSubsets::new(study.cells().genes(), seed);
        Ok(Self { study: study.clone(), models, embeddings, truth, classes, protocol, gene_subsets })
    }

    /// Number of validation cells.
    pub(in crate::distill) fn cells(&self) -> usize {
        self.truth.len()
    }

    /// Whether models are trained on expression.
    pub(in crate::distill) fn uses_expression(&self) -> bool {
        self.models == ValidationModels::Surrogates
    }

    /// Trains models on synthetic cells and scores them; the caller fills in the step. Without expression `[rows, genes]` they
    /// are trained on embeddings `[rows, latent]` alone.
    pub(in crate::distill) fn score(
        &self,
        embeddings: &Tensor<2>,
        expression: Option<&Tensor<2>>,
        labels: &[u32],
    ) -> crate::Result<ValidationScore> {
        match self.models {
            ValidationModels::LinearHead => self.score_heads(&tensors::array(embeddings.clone()), labels),
            ValidationModels::Surrogates => self.score_surrogates(embeddings, expression, labels),
        }
    }

    fn score_heads(&self, embeddings: &Array2<f32>, labels: &[u32]) -> crate::Result<ValidationScore> {
        let heads = train_heads(embeddings, labels, self.classes, &self.protocol)?;
        let mut scores = Vec::new();
        for head in &heads {
            scores.push(
                self.score_predictions(&head.predict(&self.embeddings)?, &head.probabilities(&self.embeddings)?)?,
            );
        }
        Ok(mean(&scores))
    }

    fn score_surrogates(
        &self,
        embeddings: &Tensor<2>,
        expression: Option<&Tensor<2>>,
        labels: &[u32],
    ) -> crate::Result<ValidationScore> {
        let (genes, device) = (self.study.cells().genes(), embeddings.device());
        let (latent, on_expression): (Vec<_>, Vec<_>) =
            RidgeSurrogate::ALL.into_iter().partition(|surrogate| surrogate.is_on_latents());
        let mut scores = Vec::new();
        for surrogate in &latent {
            let cells = tensors::tensor(&self.embeddings, &device);
            scores.push(self.score_outputs(surrogate.outputs(embeddings.clone(), labels, self.classes, cells))?);
        }
        let Some(expression) = expression else { return Ok(mean(&scores)) };
        let gene_subsets: Vec<Tensor<1, Int>> = self.gene_subsets.of(&tensors::array(expression.clone()), &device);
        let mut outputs: Vec<Vec<Tensor<2>>> = vec![Vec::new(); on_expression.len() + gene_subsets.len()];
        for cells in self.study.training_cells().validation().chunks(DENSE) {
            let dense = tensors::from_rows(self.study.cells().expression().dense_rows(cells), genes, &device);
            let (full, subsets) = outputs.split_at_mut(on_expression.len());
            for (outputs, surrogate) in full.iter_mut().zip(&on_expression) {
                outputs.push(surrogate.outputs(expression.clone(), labels, self.classes, dense.clone()));
            }
            for (outputs, genes) in subsets.iter_mut().zip(&gene_subsets) {
                let select = |rows: &Tensor<2>| rows.clone().select(1, genes.clone());
                outputs.push(RidgeSurrogate::Linear.outputs(select(expression), labels, self.classes, select(&dense)));
            }
        }
        let all = outputs.into_iter().map(|subsets| self.score_outputs(Tensor::cat(subsets, 0)));
        let all = all.collect::<crate::Result<Vec<_>>>()?;
        let (full, subsets) = all.split_at(on_expression.len());
        scores.extend(full);
        // All subsets together count as much as one other surrogate.
        scores.push(mean(subsets));
        Ok(mean(&scores))
    }

    /// The score of one surrogate.
    fn score_outputs(&self, outputs: Tensor<2>) -> crate::Result<ValidationScore> {
        let probabilities = tensors::array(softmax(outputs * SHARPNESS, 1));
        self.score_predictions(&argmax(&probabilities), &probabilities)
    }

    /// The score of one model.
    fn score_predictions(&self, predicted: &[u32], probabilities: &Array2<f32>) -> crate::Result<ValidationScore> {
        let scores = Scores::new(&self.truth, predicted, self.classes)?;
        let negative_log = |(cell, &class): (usize, &u32)| {
            -f64::from(probabilities[[cell, class as usize]].max(f32::MIN_POSITIVE)).ln()
        };
        let sum: f64 = self.truth.iter().enumerate().map(negative_log).sum();
        let cross_entropy = sum / self.truth.len() as f64;
        let Scores { macro_f1, accuracy, .. } = scores;
        Ok(ValidationScore { step: 0, marker_fraction: 1.0, macro_f1, accuracy, cross_entropy })
    }
}

fn one() -> f64 {
    1.0
}

fn mean(scores: &[ValidationScore]) -> ValidationScore {
    let of = |value: fn(&ValidationScore) -> f64| scores.iter().map(value).sum::<f64>() / scores.len().max(1) as f64;
    ValidationScore {
        step: 0,
        marker_fraction: 1.0,
        macro_f1: of(|score| score.macro_f1),
        accuracy: of(|score| score.accuracy),
        cross_entropy: of(|score| score.cross_entropy),
    }
}
