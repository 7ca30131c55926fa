//! Kernel ridge regression surrogates (our own, after "Dataset meta-learning from kernel ridge regression", Nguyen et al. 2021):
//! classifiers of several kinds, trained in closed form on the synthetic cells, have to classify real ones.
//!
//! A surrogate is ridge regression of one-hot labels Y by a kernel k. Its output for a real cell x is
//!     f(x) = k(x, S) (k(S, S) + lambda I)^-1 Y,
//! so there are no inner loops to unroll. A set that suits one kernel alone suits models of that kind. So the loss is the mean
//! cross-entropy over several: linear, cosine, an infinitely wide network and the nearest neighbour. Surrogates on standardised
//! genes and on latents exist as well; all other models learn less of mixtures of metacells that are matched with them
//! (docs/ablations.md).

use burn::tensor::{Tensor, activation::log_softmax};
use itertools::Itertools;

use super::matching::{Matching, MatchingObjective};
use super::ridge_kernel::RidgeSurrogate;
use super::rows::Rows;
use super::weights::ClassWeights;
use crate::distill::DistillError;
use crate::error::SettingError;
use crate::study::Study;

/// Factor of the outputs, which lie between -1 and 1, before softmax (our choice).
pub(in crate::distill) const SHARPNESS: f64 = 8.0;

/// Lowers the cross-entropy on real cells of surrogates that were trained on the synthetic ones.
///
/// ```
/// use scdd::prelude::*;
/// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
/// let study = cells.study("cell_type").foundation_epochs(2).run()?;
/// let distilled = study.distill_expression(RidgeSurrogates::default()).init(Init::ClassMean).steps(3).run()?;
/// assert_eq!(distilled.method(), "ridge");
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RidgeSurrogates {
    /// The surrogates, which count alike; [`RidgeSurrogate::MATCHED`] (our choice).
    pub surrogates: Vec<RidgeSurrogate>,
    /// Weights of the real cells' classes; as the square root of a class's cells (our choice): accuracy would weigh classes by
    /// their cells, macro-F1 all alike.
    pub class_weights: ClassWeights,
}

impl Default for RidgeSurrogates {
    fn default() -> Self {
        Self { surrogates: RidgeSurrogate::MATCHED.to_vec(), class_weights: ClassWeights::RootFrequency }
    }
}

impl RidgeSurrogates {
    /// The surrogates, which count alike; [`RidgeSurrogate::MATCHED`] unless set.
    #[must_use]
    pub fn surrogates(mut self, surrogates: &[RidgeSurrogate]) -> Self {
        self.surrogates = surrogates.to_vec();
        self
    }

    /// Weights of the real cells' classes; as the square root of a class's cells unless set.
    #[must_use]
    pub fn class_weights(mut self, weights: ClassWeights) -> Self {
        self.class_weights = weights;
        self
    }
}

impl MatchingObjective for RidgeSurrogates {
    fn name(&self) -> String {
        match self.surrogates == RidgeSurrogate::MATCHED {
            true => "ridge surrogates".to_owned(),
            false => {
                format!("ridge surrogates ({})", self.surrogates.iter().map(|surrogate| surrogate.name()).join(", "))
            }
        }
    }

    fn short_name(&self) -> String {
        "ridge".to_owned()
    }

    fn check(&self, _study: &Study) -> crate::Result<()> {
        if self.surrogates.is_empty() {
            let (found, expected) = ("an empty list".to_owned(), "at least 1 surrogate".to_owned());
            return Err(DistillError::Setting(SettingError::new("surrogates", found, expected)).into());
        }
        Ok(())
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let weights = self.class_weights.of(matching.class_counts());
        let real = Rows::balanced(matching.real_embeddings(), matching.real_labels(), &weights).data;
        let (synthetic_labels, classes) = (matching.synthetic_labels(), matching.classes());
        let mut loss = Tensor::zeros([1], &matching.device());
        let on_expression = self.surrogates.iter().any(|surrogate| !surrogate.is_on_latents());
        let expression = on_expression.then(|| (matching.synthetic_expression(), matching.real_expression()));
        for surrogate in &self.surrogates {
            let outputs = match &expression {
                Some((synthetic, cells)) if !surrogate.is_on_latents() => {
                    surrogate.outputs(synthetic.clone(), synthetic_labels, classes, cells.clone())
                }
                _ => {
                    let synthetic = matching.synthetic_embeddings();
                    surrogate.outputs(synthetic, synthetic_labels, classes, matching.real_embeddings())
                }
            };
            let picked = log_softmax(outputs * SHARPNESS, 1) * real.one_hot.clone();
            loss = loss - (picked.sum_dim(1) * real.weights.clone()).sum();
        }
        loss / self.surrogates.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distill::objective::testing::Case;

    #[test]
    fn the_gradient_of_each_surrogate_equals_finite_differences() {
        for surrogate in RidgeSurrogate::ALL {
            for per_class in [1, 3] {
                let error = Case::new(per_class).gradient_error(&RidgeSurrogates::default().surrogates(&[surrogate]));
                assert!(error < 2e-3, "{} at {per_class} per class: {error}", surrogate.name());
            }
        }
    }

    #[test]
    fn synthetic_cells_with_their_labels_swapped_have_a_larger_loss() {
        let (right, mut swapped) = (Case::new(2), Case::new(2));
        let objective = RidgeSurrogates::default();
        // After a step against its gradient, the set suits its labels better than any others.
        let step = right.gradient(&objective);
        let device = right.synthetic.device();
        let update = crate::tensors::from_rows(step, right.synthetic.dims()[1], &device) * -20.0;
        let better = crate::tensors::scalar(right.loss(&objective, right.synthetic.clone() + update.clone()));
        assert!(better < right.value(&objective));
        swapped.labels = vec![1, 1, 2, 2, 0, 0];
        let rows = crate::tensors::indices([2, 3, 4, 5, 0, 1], &device);
        swapped.labels.sort_unstable();
        let worse =
            crate::tensors::scalar(swapped.loss(&objective, (right.synthetic.clone() + update).select(0, rows)));
        assert!(better < worse, "{better} and {worse}");
    }

    #[test]
    fn no_surrogates_are_refused() {
        let cells = crate::simulate().cells(120).genes(60).classes(2).run().unwrap();
        let study =
            cells.preprocess().min_genes(5).run().unwrap().study("cell_type").foundation_epochs(1).run().unwrap();
        let message = RidgeSurrogates::default().surrogates(&[]).check(&study).unwrap_err().to_string();
        assert!(message.contains("at least 1 surrogate"), "{message}");
    }
}
