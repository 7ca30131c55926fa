//! The linear head on the frozen encoder, the model that the paper distils for, as one of the evaluation models.

use ndarray::Array2;

use super::{EvaluationModel, ModelInput, TrainedModel};
use crate::evaluate::{LinearHead, Protocol, train_heads};

/// Softmax regression on latents of the foundation model, by SGD as the [`Protocol`] says; see [`train_heads`]. Decision
/// values are class probabilities. Tables call it "linear head".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinearProbe;

impl EvaluationModel for LinearProbe {
    fn name(&self) -> String {
        "linear head".into()
    }

    fn sees_latents(&self) -> bool {
        true
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        let heads = train_heads(cells.latents()?, labels, classes, protocol)?;
        Ok(heads.into_iter().map(|head| Box::new(head) as Box<dyn TrainedModel>).collect())
    }
}

impl TrainedModel for LinearHead {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(self.probabilities(cells.latents()?)?)
    }

    fn training_accuracy(&self) -> Option<f64> {
        Some(LinearHead::training_accuracy(self))
    }
}
