//! What a matching objective is given, and the trait that one implements.

use std::cell::Cell;

use burn::tensor::{Device, Tensor};

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
    /// What tables and results call it.
    fn name(&self) -> String;

    /// The distance, a tensor of one value that is differentiable in the synthetic cells.
    fn loss(&self, matching: &Matching) -> Tensor<1>;

    /// What tables call it behind the name of a pipeline: "DC"; the whole name unless an objective says otherwise.
    fn short_name(&self) -> String {
        self.name()
    }

    /// Whether the loss asks for [`synthetic_expression`](Matching::synthetic_expression); true unless an objective says
    /// otherwise. One that compares latents only says false, and the expression of all synthetic cells need not be in
    /// memory at once.
    fn compares_expression(&self) -> bool {
        true
    }

    /// The learning rate of the codes for Adam (latents at scale sqrt(latent), or expression); 0.05 unless an objective
    /// says otherwise.
    fn learning_rate(&self) -> f64 {
        0.05
    }

    /// The learning rate of the codes for [`Optimizer::Sgd`](super::Optimizer::Sgd), which depends on the size of the
    /// objective's gradients; 1 unless an objective says otherwise.
    fn sgd_learning_rate(&self) -> f64 {
        1.0
    }
}

/// One step's synthetic cells beside a batch of real ones. Rows of both are sorted by class.
pub struct Matching<'a> {
    /// What the pipeline made, where that is expression.
    pub(crate) synthetic_expression: Option<Tensor<2>>,
    /// Set when expression is asked for.
    pub(crate) expression_asked: Cell<bool>,
    pub(crate) synthetic_features: Tensor<2>,
    pub(crate) synthetic_labels: &'a [u32],
    pub(crate) real_features: Tensor<2>,
    pub(crate) real_labels: &'a [u32],
    pub(crate) real_expression: &'a dyn Fn() -> Tensor<2>,
    pub(crate) classes: usize,
    pub(crate) step: usize,
    pub(crate) seed: u64,
}

impl Matching<'_> {
    /// Expression of the synthetic cells `[rows, genes]`, with gradients. The pipeline "FeatDistill" has none: there this
    /// is all zeros, and the distillation ends with an error once the loss is back.
    pub fn synthetic_expression(&self) -> Tensor<2> {
        self.expression_asked.set(true);
        let none = || {
            let genes = self.real_expression().dims()[1];
            Tensor::zeros([self.synthetic_labels.len(), genes], &self.synthetic_features.device())
        };
        self.synthetic_expression.clone().unwrap_or_else(none)
    }

    /// Latents of the synthetic cells `[rows, latent]` through the frozen foundation model, with gradients.
    pub fn synthetic_features(&self) -> Tensor<2> {
        self.synthetic_features.clone()
    }

    /// Classes of the synthetic cells.
    pub fn synthetic_labels(&self) -> &[u32] {
        self.synthetic_labels
    }

    /// Latents of the real batch `[cells, latent]`, computed once for the whole study.
    pub fn real_features(&self) -> Tensor<2> {
        self.real_features.clone()
    }

    /// Expression of the real batch `[cells, genes]`; made dense when it is asked for.
    pub fn real_expression(&self) -> Tensor<2> {
        (self.real_expression)()
    }

    /// Classes of the real batch.
    pub fn real_labels(&self) -> &[u32] {
        self.real_labels
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
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
        self.real_features.device()
    }

    /// `[classes, rows]`: its product with the synthetic cells' rows gives class means.
    pub fn synthetic_means(&self) -> Tensor<2> {
        averaging(self.synthetic_labels, self.classes, &self.device())
    }

    /// `[classes, cells]`: its product with the real batch's rows gives class means.
    pub fn real_means(&self) -> Tensor<2> {
        averaging(self.real_labels, self.classes, &self.device())
    }
}

/// `[classes, rows]` with 1 / (rows of the class) where row and class belong together.
fn averaging(labels: &[u32], classes: usize, device: &Device) -> Tensor<2> {
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

/// First row and number of rows of each class that has any; rows are sorted by class.
pub(crate) fn class_rows(labels: &[u32]) -> Vec<(u32, usize, usize)> {
    let mut rows = Vec::new();
    for (row, &label) in labels.iter().enumerate() {
        match rows.last_mut() {
            Some((class, _, count)) if *class == label => *count += 1,
            _ => rows.push((label, row, 1)),
        }
    }
    rows
}
