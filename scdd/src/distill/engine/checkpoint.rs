//! Checkpoints of a distillation: codes, optimiser, losses, validation scores and the best codes so far.

use std::path::Path;

use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::store::RecordError;
use burn::tensor::{Device, Tensor};
use itertools::izip;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Movable, Run, State};
use crate::checkpoints::{self, Origin, damaged, differing, exact};
use crate::distill::config::{DistillConfig, DistillHistory};
use crate::distill::error::DistillError;
use crate::distill::path::Pipeline;
use crate::distill::selection::validation::ValidationScore;
use crate::scdg::Scdg;
use crate::text::hexadecimal;

/// What a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::distill) struct Of {
    config: DistillConfig,
    learning_rate: String,
    objective: String,
    pipeline: Pipeline,
    foundation: String,
    /// Training cells' latents and labels, and the codes that were started from.
    cells_sha256: String,
    /// How SCDG was trained, where there is one.
    generator: Option<serde_json::Value>,
    /// The objective's loss at the start: decided by its settings, the generator and the encoder, to the digits that any
    /// machine agrees on.
    loss_at_start: String,
}

impl Of {
    pub(in crate::distill) fn new(run: &Run) -> Result<Self, DistillError> {
        let (path, start) = (run.passes.path, run.passes.start);
        let (study, training) = (path.study(), path.study().training_cells());
        let mut hash = Sha256::new();
        for values in [&study.embeddings_of(training.train()), &start.values] {
            hash.update(format!("{:?}\n", values.dim()));
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        for label in training.train_labels().iter().chain(&start.labels) {
            hash.update(label.to_le_bytes());
        }
        Ok(Self {
            // A choice among rates has a folder for each.
            config: DistillConfig { candidate_rates: None, learning_rate: None, ..run.passes.config.clone() },
            learning_rate: run.rate.to_string(),
            objective: run.objective.name(),
            pipeline: path.pipeline(),
            foundation: study.foundation().name(),
            cells_sha256: hexadecimal(hash),
            generator: path.scdg().map(Scdg::config).and_then(|config| serde_json::to_value(config).ok()),
            loss_at_start: format!("{:.3e}", run.loss_at_start()?),
        })
    }
}

impl Origin for Of {
    const TASK: &'static str = "a distillation";
    const UNIT: &'static str = "step";

    fn difference(&self, found: &Self) -> String {
        let other = |what: &str, there: &str, here: &str| format!("another {what} ({there} there, {here} here)");
        if self.pipeline != found.pipeline || self.objective != found.objective {
            let name = |of: &Self| of.pipeline.name(&of.objective);
            return other("pipeline or objective", &name(found), &name(self));
        }
        if self.config != found.config {
            return format!("another config or seed{}", differing(&self.config, &found.config));
        }
        if self.learning_rate != found.learning_rate {
            return other("learning rate", &found.learning_rate, &self.learning_rate);
        }
        if self.foundation != found.foundation {
            return other("foundation model", &found.foundation, &self.foundation);
        }
        if self.generator != found.generator {
            return format!("another SCDG{}", differing(&self.generator, &found.generator));
        }
        if self.cells_sha256 != found.cells_sha256 {
            return "other cells, labels or foundation model".to_owned();
        }
        other("objective's settings or generator: its loss at the start is", &found.loss_at_start, &self.loss_at_start)
    }
}

/// What a checkpoint holds beside codes and optimiser.
#[derive(Serialize, Deserialize)]
pub(in crate::distill) struct Done {
    #[serde(with = "exact")]
    loss: Vec<f64>,
    #[serde(with = "exact")]
    gradient: Vec<f64>,
    looked_at: Vec<usize>,
    #[serde(with = "exact")]
    marker_fractions: Vec<f64>,
    #[serde(with = "exact")]
    macro_f1: Vec<f64>,
    #[serde(with = "exact")]
    accuracy: Vec<f64>,
    #[serde(with = "exact")]
    cross_entropy: Vec<f64>,
}

impl Done {
    fn scores(&self) -> Vec<ValidationScore> {
        let numbers = izip!(&self.marker_fractions, &self.macro_f1, &self.accuracy, &self.cross_entropy);
        let looks = self.looked_at.iter().zip(numbers);
        let score = |(&step, (&marker_fraction, &macro_f1, &accuracy, &cross_entropy))| ValidationScore {
            step,
            marker_fraction,
            macro_f1,
            accuracy,
            cross_entropy,
        };
        looks.map(score).collect()
    }
}

/// The checkpoints of one distillation in one folder.
pub(in crate::distill) type Checkpoints = checkpoints::Checkpoints<Of, Done>;

/// Opens the folder for this run.
pub(in crate::distill) fn open(folder: &Path, run: &Run) -> Result<Checkpoints, DistillError> {
    Ok(Checkpoints::open(folder, Of::new(run)?)?)
}

impl State {
    /// Writes the state after a step.
    pub(in crate::distill) fn write(&self, checkpoints: &Checkpoints) -> Result<(), DistillError> {
        let scores = self.watch.looks();
        let of = |value: fn(&ValidationScore) -> f64| scores.iter().map(value).collect();
        let done = Done {
            loss: self.history.loss.clone(),
            gradient: self.history.gradient.clone(),
            looked_at: scores.iter().map(|score| score.step).collect(),
            marker_fractions: of(|score| score.marker_fraction),
            macro_f1: of(|score| score.macro_f1),
            accuracy: of(|score| score.accuracy),
            cross_entropy: of(|score| score.cross_entropy),
        };
        Ok(checkpoints.write(self.steps(), done, |folder| {
            self.movable.clone().into_record().save(folder.join("codes.bpk"))?;
            self.optimizer.to_record().save(folder.join("optimizer.bpk"))?;
            match self.watch.best() {
                Some((_, best)) => Movable::new([best]).into_record().save(folder.join("best.bpk")),
                None => Ok(()),
            }
        })?)
    }

    /// The last state that was written, or this fresh one, which gives the form of codes and optimiser.
    pub(in crate::distill) fn resume(self, checkpoints: &Checkpoints, device: &Device) -> Result<Self, DistillError> {
        let Some((folder, done)) = checkpoints.read()? else { return Ok(self) };
        let damaged = |problem: RecordError| damaged(&folder, &problem);
        let scores = done.scores();
        let best = if scores.is_empty() {
            None
        } else {
            let form = Movable::new([Tensor::zeros(self.movable.all().dims(), device)]);
            Some(form.try_load_file(folder.join("best.bpk")).map_err(damaged)?.all())
        };
        let movable = self.movable.try_load_file(folder.join("codes.bpk")).map_err(damaged)?;
        let record = OptimizerRecord::load(folder.join("optimizer.bpk")).map_err(damaged)?;
        let history = DistillHistory { loss: done.loss, gradient: done.gradient, ..self.history };
        let watch = self.watch.resumed(scores, best);
        Ok(Self { movable, optimizer: self.optimizer.load_record(record), history, watch })
    }
}
