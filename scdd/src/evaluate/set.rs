//! A distilled set of any pipeline, as what a model is trained on.

use std::ops::Deref;

use crate::distill::{Distillation, Distilled, DistilledFeatures};

/// What an evaluation trains on: synthetic cells, or features that are no cells. Made of a reference to either.
#[derive(Clone, Debug)]
pub enum TrainingSet {
    /// Cells, which are seen through the study's foundation model.
    Cells(Distilled),
    /// Features that a head is fed as they are.
    Features(DistilledFeatures),
}

impl Deref for TrainingSet {
    type Target = Distillation;

    fn deref(&self) -> &Distillation {
        match self {
            Self::Cells(cells) => cells,
            Self::Features(features) => features,
        }
    }
}

impl From<&Distilled> for TrainingSet {
    fn from(cells: &Distilled) -> Self {
        Self::Cells(cells.clone())
    }
}

impl From<&DistilledFeatures> for TrainingSet {
    fn from(features: &DistilledFeatures) -> Self {
        Self::Features(features.clone())
    }
}
