//! A distilled set of any pipeline, as what a model is trained on.

use std::ops::Deref;

use crate::distill::{Distillation, Distilled, DistilledEmbeddings};

/// What an evaluation trains on: synthetic cells, or features that are no cells. Made of a reference to either.
#[derive(Clone, Debug)]
pub enum TrainingSet {
    /// Cells, which are seen through the study's foundation model.
    Cells(Distilled),
    /// Features that a head is fed as they are.
    Features(DistilledEmbeddings),
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

impl From<&DistilledEmbeddings> for TrainingSet {
    fn from(features: &DistilledEmbeddings) -> Self {
        Self::Features(features.clone())
    }
}
