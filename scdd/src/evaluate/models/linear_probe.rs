//! Linear probe: softmax regression on latents of the frozen encoder, the model that the paper distils for.

use ndarray::Array2;
use serde_json::json;

use super::{EvaluationModel, ModelInput, Numbers, SavedModel, TrainedModel};
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

/// Which files hold a linear head.
pub(super) const KIND: &str = "linear head";

pub(super) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    let (classes, width) = (saved.number("classes")?, saved.number("latent")?);
    let weights = saved.f32("weights", &[classes, width])?;
    let weights = Array2::from_shape_vec((classes, width), weights).map_err(|problem| problem.to_string())?;
    let scale = saved.real("scale")? as f32;
    Ok(Box::new(LinearHead::from_weights(weights, saved.f32("bias", &[classes])?, scale)))
}

impl TrainedModel for LinearHead {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(self.probabilities(cells.latents()?)?)
    }

    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        self.decide(cells)
    }

    fn save(&self) -> Option<SavedModel> {
        let (classes, width) = self.weights().dim();
        let config = json!({ "classes": classes, "latent": width, "scale": self.scale() });
        let saved = SavedModel::new(KIND, config).with_matrix("weights", self.weights());
        Some(saved.with("bias", &[classes], Numbers::F32(self.bias().to_vec())))
    }

    fn training_accuracy(&self) -> Option<f64> {
        Some(LinearHead::training_accuracy(self)).filter(|accuracy| accuracy.is_finite())
    }
}
