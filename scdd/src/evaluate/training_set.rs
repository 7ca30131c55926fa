//! Training set of evaluation models: a distilled set of any pipeline.

use std::ops::Deref;

use crate::distill::{Distillation, Distilled, DistilledEmbeddings};

/// Synthetic cells or embeddings that an evaluation trains on. Made from a reference to either.
#[derive(Clone, Debug)]
pub enum TrainingSet {
    /// Cells, embedded by the study's foundation model.
    Cells(Distilled),
    /// Embeddings, on which a linear head is trained as they are.
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
