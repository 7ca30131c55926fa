//! A model's card: what it was trained on, how, and what its losses were. It is saved with the weights.

use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, CorpusSet};
use super::merged::Merged;
use super::{PretrainingConfig, PretrainingHistory};

/// What a pretrained model was trained on, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The sets of cells.
    pub trained_on: Vec<CardSet>,
    /// Cells that it was trained on.
    pub training_cells: usize,
    /// Cells that its epoch was chosen on.
    pub validation_cells: usize,
    /// Number of its genes.
    pub genes: usize,
    /// Input: log1p of counts per 10,000 of each cell.
    pub normalisation: String,
    /// Every number of the pretraining, seed included.
    pub config: PretrainingConfig,
    /// Losses of each epoch.
    pub history: PretrainingHistory,
    /// Version of scdd that trained it.
    pub version: String,
}

/// One set of cells that a model was trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CardSet {
    /// File, or what made the cells.
    pub source: String,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
    /// What was done to the cells since.
    pub steps: Vec<String>,
    /// Cells that were used, to train and to choose on.
    pub cells: usize,
    /// Genes that the set measured.
    pub genes: usize,
    /// Whether its classes were used (triplet loss).
    pub labelled: bool,
}

impl Card {
    pub(super) fn new(
        corpus: &Corpus,
        merged: &Merged,
        config: &PretrainingConfig,
        history: PretrainingHistory,
    ) -> Self {
        let set = |set: &CorpusSet| {
            let provenance = set.cells.provenance();
            CardSet {
                source: provenance.source.clone(),
                sha256: provenance.sha256.clone(),
                steps: provenance.steps.clone(),
                cells: set.cells(),
                genes: set.cells.genes(),
                labelled: set.labels.is_some(),
            }
        };
        Self {
            trained_on: corpus.sets.iter().map(set).collect(),
            training_cells: merged.train.len(),
            validation_cells: merged.validation.len(),
            genes: merged.genes.len(),
            normalisation: "log1p of counts per 10,000 of each cell".to_owned(),
            config: config.clone(),
            history,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
