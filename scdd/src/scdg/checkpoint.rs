//! Checkpoints of SCDG's training: weights, their moving average, optimiser, losses, and how far the random stream is.

use std::path::Path;

use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::store::RecordError;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ScdgError;
use super::conditions::Condition;
use super::config::{ScdgConfig, ScdgHistory};
use super::train::State;
use crate::checkpoints::{self, Origin, damaged, differing, exact};
use crate::text::hexadecimal;

/// What a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Of {
    config: ScdgConfig,
    latents_sha256: String,
}

impl Of {
    pub(super) fn new(config: &ScdgConfig, latents: &Array2<f32>, labels: &[u32], conditions: &[Condition]) -> Self {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}\n", latents.dim()));
        latents.iter().for_each(|value| hash.update(value.to_le_bytes()));
        labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        for condition in conditions {
            hash.update(format!("{:?}\n", condition.values()));
            condition.labels.of_cell.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        Self { config: config.clone(), latents_sha256: hexadecimal(hash) }
    }
}

impl Origin for Of {
    const TASK: &'static str = "a training of SCDG";
    const UNIT: &'static str = "step";

    fn difference(&self, found: &Self) -> String {
        if self.config == found.config {
            "other latents, labels or conditions".to_owned()
        } else {
            format!("another config or seed{}", differing(&self.config, &found.config))
        }
    }
}

/// What a checkpoint holds beside weights.
#[derive(Serialize, Deserialize)]
pub(super) struct Done {
    #[serde(with = "exact")]
    loss: Vec<f64>,
    /// Words that were drawn from the random stream.
    drawn: u128,
}

/// The checkpoints of one training in one folder.
pub(super) type Checkpoints = checkpoints::Checkpoints<Of, Done>;

/// Opens the folder for this training.
pub(super) fn open(folder: &Path, of: Of) -> Result<Checkpoints, ScdgError> {
    Ok(Checkpoints::open(folder, of)?)
}

impl State {
    /// Writes the state after a step.
    pub(super) fn write(&self, checkpoints: &Checkpoints) -> Result<(), ScdgError> {
        let done = Done { loss: self.history.loss.clone(), drawn: self.rng.get_word_pos() };
        Ok(checkpoints.write(self.steps(), done, |folder| {
            self.network.clone().into_record().save(folder.join("network.bpk"))?;
            self.average.clone().into_record().save(folder.join("average.bpk"))?;
            self.optimizer.to_record().save(folder.join("optimizer.bpk"))
        })?)
    }

    /// The last state that was written, or this fresh one, which gives the form of networks and optimiser.
    pub(super) fn resume(mut self, checkpoints: &Checkpoints) -> Result<Self, ScdgError> {
        let Some((folder, Done { loss, drawn })) = checkpoints.read()? else { return Ok(self) };
        let damaged = |problem: RecordError| damaged(&folder, &problem);
        self.rng.set_word_pos(drawn);
        let history = ScdgHistory { loss, ..self.history };
        let network = self.network.try_load_file(folder.join("network.bpk")).map_err(damaged)?;
        let average = self.average.try_load_file(folder.join("average.bpk")).map_err(damaged)?;
        let record = OptimizerRecord::load(folder.join("optimizer.bpk")).map_err(damaged)?;
        Ok(Self { network, average, optimizer: self.optimizer.load_record(record), rng: self.rng, history })
    }
}
