//! The trait of a matching objective, and its input: synthetic cells and a batch of real ones.

use std::cell::{Cell, LazyCell};

use burn::tensor::{Device, Tensor};

use super::surrogates::Surrogates;
use super::weights::ClassWeights;
use crate::foundation::EncoderLayer;
use crate::study::Study;
use crate::tensors;

/// A matching objective: how far synthetic cells are from a batch of real ones.
///
/// One method is enough for a new one; the engine does the rest:
///
/// ```
/// use scdd::burn::tensor::Tensor;
/// use scdd::distill::{Matching, MatchingObjective};
///
/// /// Matches the mean expression of each class, without a foundation model.
/// struct MeanExpression;
///
/// impl MatchingObjective for MeanExpression {
///     fn name(&self) -> String {
///         "mean expression".to_owned()
///     }
///     fn loss(&self, matching: &Matching) -> Tensor<1> {
///         let real = matching.real_means().matmul(matching.real_expression());
///         let synthetic = matching.synthetic_means().matmul(matching.synthetic_expression());
///         (real - synthetic).powi_scalar(2).mean()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a matching objective",
    note = "implement `scdd::distill::MatchingObjective`: a name, and `fn loss(&self, matching: &Matching) -> Tensor<1>`"
)]
pub trait MatchingObjective: Send + Sync + 'static {
    /// Its name in results.
    fn name(&self) -> String;

    /// The distance, a tensor of one value that is differentiable in the synthetic cells.
    fn loss(&self, matching: &Matching) -> Tensor<1>;

    /// Its short name in tables, behind that of a pipeline: "DC"; [`name`](Self::name) unless an objective says otherwise.
    fn short_name(&self) -> String {
        self.name()
    }

    /// Whether the loss uses [`synthetic_expression`](Matching::synthetic_expression); true unless an objective says
    /// otherwise. With false the loss compares latents only, and the expression of all synthetic cells need not be in memory
    /// at once.
    fn compares_expression(&self) -> bool {
        true
    }

    /// The learning rate of the codes for Adam (latents at scale sqrt(latent), or expression); 0.05 unless an objective
    /// says otherwise.
    fn learning_rate(&self) -> f64 {
        0.05
    }

    /// The learning rate of the codes for [`Optimizer::Sgd`](crate::Optimizer::Sgd), which depends on the size of the
    /// objective's gradients; 1 unless an objective says otherwise.
    fn sgd_learning_rate(&self) -> f64 {
        1.0
    }

    /// Refuses a setting, or a foundation model that it can't run with; called by `plan` and before anything runs.
    ///
    /// # Errors
    /// When a setting or the model is refused; never unless an objective says otherwise.
    fn check(&self, study: &Study) -> crate::Result<()> {
        let _ = study;
        Ok(())
    }
}

/// One step's synthetic cells beside a batch of real ones. Rows of both are sorted by class.
pub struct Matching<'a> {
    /// Where the pipeline makes expression and the objective compares it.
    pub(crate) synthetic_expression: Option<Tensor<2>>,
    /// Set when the loss uses expression.
    pub(crate) expression_used: Cell<bool>,
    pub(crate) synthetic_embeddings: Tensor<2>,
    pub(crate) synthetic_labels: &'a [u32],
    pub(crate) real_embeddings: LazyCell<Tensor<2>, Box<dyn FnOnce() -> Tensor<2> + 'a>>,
    pub(crate) real_class_means: &'a dyn Fn() -> Tensor<2>,
    pub(crate) real_labels: &'a [u32],
    /// Expression of some rows of the real batch.
    pub(crate) real_expression: &'a dyn Fn(&[usize]) -> Tensor<2>,
    pub(crate) genes: usize,
    /// Training cells of each class.
    pub(crate) class_counts: &'a [usize],
    /// The foundation model's layers, where it gives them.
    pub(crate) encoder: &'a dyn Fn() -> Option<Vec<EncoderLayer>>,
    pub(crate) step: usize,
    pub(crate) seed: u64,
}

impl Matching<'_> {
    /// Expression of the synthetic cells `[rows, genes]`, with gradients. The pipeline "FeatDistill" has none: there this
    /// is all zeros, and the distillation ends with an error after the loss.
    pub fn synthetic_expression(&self) -> Tensor<2> {
        self.expression_used.set(true);
        let none = || Tensor::zeros([self.synthetic_labels.len(), self.genes], &self.synthetic_embeddings.device());
        self.synthetic_expression.clone().unwrap_or_else(none)
    }

    /// Latents of the synthetic cells `[rows, latent]` through the frozen foundation model, with gradients.
    pub fn synthetic_embeddings(&self) -> Tensor<2> {
        self.synthetic_embeddings.clone()
    }

    /// Classes of the synthetic cells.
    pub fn synthetic_labels(&self) -> &[u32] {
        self.synthetic_labels
    }

    /// Latents of the real batch `[cells, latent]`, computed once for the whole study.
    pub fn real_embeddings(&self) -> Tensor<2> {
        self.real_embeddings.clone()
    }

    /// Mean latents of each class of the real batch `[classes, latent]`: the product of [`real_means`](Self::real_means) and
    /// [`real_embeddings`](Self::real_embeddings), without making either.
    pub fn real_class_means(&self) -> Tensor<2> {
        (self.real_class_means)()
    }

    /// Expression of the real batch `[cells, genes]`; made dense when this is called.
    pub fn real_expression(&self) -> Tensor<2> {
        self.real_expression_of(&(0..self.real_labels.len()).collect::<Vec<_>>())
    }

    /// Expression of some rows of the real batch `[rows, genes]`, where all would take too much memory.
    pub(super) fn real_expression_of(&self, rows: &[usize]) -> Tensor<2> {
        (self.real_expression)(rows)
    }

    /// Classes of the real batch.
    pub fn real_labels(&self) -> &[u32] {
        self.real_labels
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_counts.len()
    }

    /// Number of genes.
    pub fn genes(&self) -> usize {
        self.genes
    }

    /// Training cells of each class, of which the real batch has at most `real_batch`.
    pub fn class_counts(&self) -> &[usize] {
        self.class_counts
    }

    /// Weights of the classes `[classes, 1]`, 1 on average: a factor for rows of class means.
    pub fn class_weights(&self, weights: ClassWeights) -> Tensor<2> {
        let weights = weights.of(self.class_counts).iter().map(|&weight| weight as f32).collect();
        tensors::from_rows(weights, 1, &self.device())
    }

    /// Synthetic cells per class: the most that any class has.
    pub fn per_class(&self) -> usize {
        let mut counts = vec![0; self.classes()];
        for &label in self.synthetic_labels {
            counts[label as usize] += 1;
        }
        counts.into_iter().max().unwrap_or(0)
    }

    /// Small networks drawn anew in each step, the same for one seed; linear and on latents unless set.
    ///
    /// ```
    /// use scdd::burn::tensor::Tensor;
    /// use scdd::prelude::*;
    ///
    /// /// Matches the class means of four random networks' embeddings of expression.
    /// struct RandomFeatures;
    ///
    /// impl MatchingObjective for RandomFeatures {
    ///     fn name(&self) -> String {
    ///         "random features".to_owned()
    ///     }
    ///     fn loss(&self, matching: &Matching) -> Tensor<1> {
    ///         let mut loss = Tensor::zeros([1], &matching.device());
    ///         for surrogate in matching.surrogates().hidden(&[64]).on_expression().draw(4) {
    ///             let real = matching.real_means().matmul(surrogate.features(matching.real_expression()));
    ///             let made = matching.synthetic_means().matmul(surrogate.features(matching.synthetic_expression()));
    ///             loss = loss + (real - made).powi_scalar(2).sum();
    ///         }
    ///         loss
    ///     }
    /// }
    ///
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let loss = study.distill_expression(RandomFeatures).steps(20).run()?.history().loss.clone();
    /// assert!(loss[19] < loss[0]);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn surrogates(&self) -> Surrogates {
        Surrogates::new(
            self.synthetic_embeddings.dims()[1],
            self.genes,
            self.classes(),
            self.step,
            self.seed,
            self.device(),
        )
    }

    /// Layers of the foundation model's encoder; None where it gives none.
    pub fn encoder(&self) -> Option<Vec<EncoderLayer>> {
        (self.encoder)()
    }

    /// The step, from 0.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The device of all tensors here.
    pub fn device(&self) -> Device {
        self.synthetic_embeddings.device().inner()
    }

    /// `[classes, rows]`: its product with rows of the synthetic cells is their class means.
    pub fn synthetic_means(&self) -> Tensor<2> {
        averaging(self.synthetic_labels, self.classes(), &self.device())
    }

    /// `[classes, cells]`: its product with rows of the real batch is their class means.
    pub fn real_means(&self) -> Tensor<2> {
        averaging(self.real_labels, self.classes(), &self.device())
    }
}

/// `[classes, rows]` with 1 / (rows of the class) where row and class belong together.
pub(super) fn averaging(labels: &[u32], classes: usize, device: &Device) -> Tensor<2> {
    let mut counts = vec![0.0f32; classes];
    for &label in labels {
        counts[label as usize] += 1.0;
    }
    let mut values = vec![0.0; classes * labels.len()];
    for (row, &label) in labels.iter().enumerate() {
        values[label as usize * labels.len() + row] = 1.0 / counts[label as usize];
    }
    tensors::from_rows(values, labels.len(), device)
}
