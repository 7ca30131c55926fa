//! Checkpoints of a run: codes, optimiser, losses, validation scores and the best codes so far.

use std::path::Path;

use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::store::RecordError;
use burn::tensor::{Device, Tensor};
use itertools::izip;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::state::{CodeGroups, State};
use crate::checkpoints::{self, Origin, damaged, differing, exact};
use crate::distill::codes::Codes;
use crate::distill::config::DistillConfig;
use crate::distill::error::DistillError;
use crate::distill::history::DistillHistory;
use crate::distill::path::{Denoising, GeneratorPath, Pipeline};
use crate::distill::selection::ValidationScore;
use crate::scdg::Scdg;
use crate::text::hexadecimal;

/// The run that a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::distill) struct RunOrigin {
    config: DistillConfig,
    denoising: Option<Denoising>,
    learning_rate: String,
    objective: String,
    pipeline: Pipeline,
    foundation: String,
    /// Training cells' latents and labels, and the initial codes.
    cells_sha256: String,
    /// How SCDG was trained, where there is one.
    generator: Option<serde_json::Value>,
    /// The objective's loss at the initial codes, which its settings, the generator and the encoder decide; to the digits that
    /// any machine agrees on.
    initial_loss: String,
}

impl RunOrigin {
    pub(super) fn new(
        path: &dyn GeneratorPath,
        config: &DistillConfig,
        initial: &Codes,
        learning_rate: f64,
        objective: String,
        initial_loss: f64,
    ) -> Result<Self, DistillError> {
        let (study, training) = (path.study(), path.study().training_cells());
        let mut hash = Sha256::new();
        for values in [&study.embeddings_of(training.train()), &initial.values] {
            hash.update(format!("{:?}\n", values.dim()));
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        for label in training.train_labels().iter().chain(&initial.labels) {
            hash.update(label.to_le_bytes());
        }
        Ok(Self {
            // Where several rates are tried, each has its own folder.
            config: DistillConfig { candidate_rates: None, learning_rate: None, ..config.clone() },
            denoising: path.denoising(),
            learning_rate: learning_rate.to_string(),
            objective,
            pipeline: path.pipeline(),
            foundation: study.foundation().name(),
            cells_sha256: hexadecimal(hash),
            generator: path.scdg().map(Scdg::config).and_then(|config| serde_json::to_value(config).ok()),
            initial_loss: format!("{initial_loss:.3e}"),
        })
    }
}

impl Origin for RunOrigin {
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
        if self.denoising != found.denoising {
            return format!("other denoising{}", differing(&self.denoising, &found.denoising));
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
        other("objective's settings or generator: its initial loss is", &found.initial_loss, &self.initial_loss)
    }
}

/// What a checkpoint holds beside codes and optimiser.
#[derive(Serialize, Deserialize)]
pub(in crate::distill) struct Progress {
    #[serde(with = "exact")]
    loss: Vec<f64>,
    #[serde(with = "exact")]
    gradient: Vec<f64>,
    scored_steps: Vec<usize>,
    #[serde(with = "exact")]
    marker_fractions: Vec<f64>,
    #[serde(with = "exact")]
    macro_f1: Vec<f64>,
    #[serde(with = "exact")]
    accuracy: Vec<f64>,
    #[serde(with = "exact")]
    cross_entropy: Vec<f64>,
}

impl Progress {
    fn new(history: &DistillHistory, scores: &[ValidationScore]) -> Self {
        let column = |value: fn(&ValidationScore) -> f64| scores.iter().map(value).collect();
        Self {
            loss: history.loss.clone(),
            gradient: history.gradient.clone(),
            scored_steps: scores.iter().map(|score| score.step).collect(),
            marker_fractions: column(|score| score.marker_fraction),
            macro_f1: column(|score| score.macro_f1),
            accuracy: column(|score| score.accuracy),
            cross_entropy: column(|score| score.cross_entropy),
        }
    }

    fn scores(&self) -> Vec<ValidationScore> {
        let numbers = izip!(&self.marker_fractions, &self.macro_f1, &self.accuracy, &self.cross_entropy);
        let score = |(&step, (&marker_fraction, &macro_f1, &accuracy, &cross_entropy))| ValidationScore {
            step,
            marker_fraction,
            macro_f1,
            accuracy,
            cross_entropy,
        };
        self.scored_steps.iter().zip(numbers).map(score).collect()
    }
}

/// The checkpoints of one run in one folder.
pub(in crate::distill) type Checkpoints = checkpoints::Checkpoints<RunOrigin, Progress>;

/// Opens the folder for a run.
pub(in crate::distill) fn open(folder: &Path, origin: RunOrigin) -> Result<Checkpoints, DistillError> {
    Ok(Checkpoints::open(folder, origin)?)
}

/// Writes the state after a step.
pub(super) fn write(checkpoints: &Checkpoints, state: &State) -> Result<(), DistillError> {
    let progress = Progress::new(&state.history, state.stopper.scores());
    Ok(checkpoints.write(state.steps(), progress, |folder| {
        state.groups.clone().into_record().save(folder.join("codes.bpk"))?;
        state.optimizer.to_record().save(folder.join("optimizer.bpk"))?;
        match state.stopper.best() {
            Some((_, best)) => CodeGroups::new([best]).into_record().save(folder.join("best.bpk")),
            None => Ok(()),
        }
    })?)
}

/// The last state that was written; the fresh one, which has the shapes of codes and optimiser, where there is none.
pub(super) fn resume(checkpoints: &Checkpoints, fresh: State, device: &Device) -> Result<State, DistillError> {
    let Some((folder, progress)) = checkpoints.read()? else { return Ok(fresh) };
    let damaged = |problem: RecordError| damaged(&folder, &problem);
    let scores = progress.scores();
    let best = if scores.is_empty() {
        None
    } else {
        let form = CodeGroups::new([Tensor::zeros(fresh.groups.all().dims(), device)]);
        Some(form.try_load_file(folder.join("best.bpk")).map_err(damaged)?.all())
    };
    let groups = fresh.groups.try_load_file(folder.join("codes.bpk")).map_err(damaged)?;
    let record = OptimizerRecord::load(folder.join("optimizer.bpk")).map_err(damaged)?;
    let history = DistillHistory { loss: progress.loss, gradient: progress.gradient, ..fresh.history };
    let stopper = fresh.stopper.resumed(scores, best);
    Ok(State { groups, optimizer: fresh.optimizer.load_record(record), history, stopper })
}
