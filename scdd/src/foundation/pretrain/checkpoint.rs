//! Checkpoints of a pretraining, one per epoch: weights, optimiser, the best epoch's weights and the history.

use std::path::Path;

use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::store::{ModuleRecord, RecordError};
use serde::{Deserialize, Serialize};

use super::merged::Merged;
use super::train::State;
use super::{PretrainingConfig, PretrainingHistory};
use crate::checkpoints::{self, CheckpointProblem, Origin, damaged, differing, exact};
use crate::foundation::FoundationError;

/// What a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Of {
    config: PretrainingConfig,
    corpus_sha256: String,
}

impl Origin for Of {
    const TASK: &'static str = "a pretraining";
    const UNIT: &'static str = "epoch";

    fn difference(&self, found: &Self) -> String {
        if self.config == found.config {
            "other cells, genes or labels".to_owned()
        } else {
            format!("another config or seed{}", differing(&self.config, &found.config))
        }
    }
}

/// What a checkpoint holds beside weights.
#[derive(Serialize, Deserialize)]
pub(super) struct Done {
    epochs: usize,
    kept_epoch: usize,
    #[serde(with = "exact")]
    reconstruction: Vec<f64>,
    #[serde(with = "exact")]
    triplet: Vec<f64>,
    #[serde(with = "exact")]
    validation: Vec<f64>,
}

/// The checkpoints of one pretraining in one folder.
pub(super) type Checkpoints = checkpoints::Checkpoints<Of, Done>;

/// Opens the folder for this pretraining.
pub(super) fn open(folder: &Path, config: &PretrainingConfig, merged: &Merged) -> Result<Checkpoints, FoundationError> {
    Ok(Checkpoints::open(folder, Of { config: config.clone(), corpus_sha256: merged.checksum() })?)
}

impl State {
    /// Writes the state after an epoch.
    pub(super) fn write(&self, checkpoints: &Checkpoints) -> Result<(), FoundationError> {
        let PretrainingHistory { kept_epoch, reconstruction, triplet, validation, .. } = self.history.clone();
        let done = Done { epochs: self.epochs, kept_epoch, reconstruction, triplet, validation };
        Ok(checkpoints.write(self.epochs, done, |folder| {
            self.network.clone().into_record().save(folder.join("network.bpk"))?;
            self.optimizer.to_record().save(folder.join("optimizer.bpk"))?;
            match &self.best {
                Some(best) => best.clone().save(folder.join("best.bpk")),
                None => Ok(()),
            }
        })?)
    }

    /// The last state that was written, or this fresh one, which gives the form of network and optimiser.
    pub(super) fn resume(self, checkpoints: &Checkpoints) -> Result<Self, FoundationError> {
        let Some((folder, done)) = checkpoints.read()? else { return Ok(self) };
        let Done { epochs, kept_epoch, reconstruction, triplet, validation } = done;
        let history = PretrainingHistory { kept_epoch, reconstruction, triplet, validation, ..self.history };
        let damaged = |problem: RecordError| damaged(&folder, &problem);
        let best = match folder.join("best.bpk") {
            path if path.exists() => Some(ModuleRecord::load(path).map_err(damaged)?),
            _ => None,
        };
        let network = self.network.try_load_file(folder.join("network.bpk")).map_err(damaged)?;
        let record = OptimizerRecord::load(folder.join("optimizer.bpk")).map_err(damaged)?;
        Ok(Self { network, optimizer: self.optimizer.load_record(record), best, epochs, history })
    }
}

impl From<CheckpointProblem> for FoundationError {
    fn from(CheckpointProblem { path, problem }: CheckpointProblem) -> Self {
        Self::Checkpoint { path, problem }
    }
}
