//! Checkpoints of SCDG's training: weights, their moving average, optimiser, losses, and how far the random stream is.

use std::path::Path;

use burn::module::{Module, Param};
use burn::store::RecordError;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ScdgError;
use super::adamw::Moving;
use super::conditions::Condition;
use super::config::{ScdgConfig, ScdgHistory};
use super::train::State;
use crate::checkpoints::{self, Origin, damaged, differing, exact};
use crate::tensors;
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

/// The numbers that move, as Burn's records have them.
#[derive(Module, Debug)]
struct Record {
    weights: Param<Tensor<1>>,
    average: Param<Tensor<1>>,
    first: Param<Tensor<1>>,
    second: Param<Tensor<1>>,
}

impl Record {
    fn of(moving: &Moving) -> Self {
        let param = |numbers: &[f32]| {
            let data = TensorData::new(numbers.to_vec(), [numbers.len()]);
            Param::from_tensor(Tensor::from_data(data, &Device::flex()))
        };
        let Moving { weights, average, first, second } = moving;
        Self { weights: param(weights), average: param(average), first: param(first), second: param(second) }
    }

    fn moving(&self) -> Moving {
        let numbers = |param: &Param<Tensor<1>>| tensors::to_vec(param.val());
        Moving {
            weights: numbers(&self.weights),
            average: numbers(&self.average),
            first: numbers(&self.first),
            second: numbers(&self.second),
        }
    }
}

impl State {
    /// Writes the state after a step.
    pub(super) fn write(&self, checkpoints: &Checkpoints) -> Result<(), ScdgError> {
        let done = Done { loss: self.history.loss.clone(), drawn: self.rng.get_word_pos() };
        Ok(checkpoints.write(self.steps(), done, |folder| {
            Record::of(&self.moving).into_record().save(folder.join("weights.bpk"))
        })?)
    }

    /// The last state that was written, or this fresh one, which gives the form of the weights.
    pub(super) fn resume(mut self, checkpoints: &Checkpoints) -> Result<Self, ScdgError> {
        let Some((folder, Done { loss, drawn })) = checkpoints.read()? else { return Ok(self) };
        let damaged = |problem: RecordError| damaged(&folder, &problem);
        self.rng.set_word_pos(drawn);
        let history = ScdgHistory { loss, ..self.history };
        let record = Record::of(&self.moving).try_load_file(folder.join("weights.bpk")).map_err(damaged)?;
        Ok(Self { moving: record.moving(), rng: self.rng, history })
    }
}
