//! Scoring: trains evaluation models on sets and baselines and scores them on test or validation cells. Test cells are read
//! here and nowhere else.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use ndarray::Array2;

use super::label_task::LabelTask;
use super::{
    Baseline, Candidates, EvaluateError, EvaluationModel, EvaluationRow, ModelInput, Protocol, Scores, TrainingSet,
};
use crate::cells::Expression;
use crate::error::LearnError;
use crate::progress::stop_requested;
use crate::seed;
use crate::study::Study;

/// Which cells are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScoredOn {
    Test,
    Validation,
}

impl ScoredOn {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Test => "test cells",
            Self::Validation => "validation cells",
        }
    }
}

/// Indices and labels of those cells.
pub(super) fn scored_cells(study: &Study, scored_on: ScoredOn) -> Result<(Vec<usize>, Vec<u32>), EvaluateError> {
    let (test, training) = (study.test_cells(), study.training_cells());
    match scored_on {
        ScoredOn::Test if test.count() == 0 => Err(EvaluateError::EmptyTest),
        ScoredOn::Test => Ok((test.test().to_vec(), test.labels())),
        ScoredOn::Validation if training.validation().is_empty() => Err(EvaluateError::EmptyValidation),
        ScoredOn::Validation => {
            let cells = training.validation().to_vec();
            let labels = cells.iter().map(|&cell| training.labels().of_cell[cell]).collect();
            Ok((cells, labels))
        }
    }
}

/// The method's name in tables.
const ALL: &str = "all training cells";

/// Scores of each network, and the fraction of its own training cells that it predicts.
type NetworkScores = Vec<(Scores, Option<f64>)>;

/// Training sets of one row: a distilled set, or a baseline drawn anew for each network.
pub(crate) struct Trial {
    method: String,
    draws: Vec<Draw>,
    seconds: Option<f64>,
    all: bool,
}

struct Draw {
    input: ModelInput,
    labels: Vec<u32>,
    protocol: Protocol,
}

/// Trains models on sets and scores them.
pub(crate) struct Scorer<'a> {
    study: &'a Study,
    protocol: &'a Protocol,
    scored_on: ScoredOn,
    cells: ModelInput,
    task: LabelTask,
    train: Expression,
    train_labels: Vec<u32>,
    train_latents: Array2<f32>,
    notes: RefCell<Vec<String>>,
    /// How many models were trained.
    trained: Cell<usize>,
}

impl<'a> Scorer<'a> {
    pub(crate) fn new(
        study: &'a Study,
        protocol: &'a Protocol,
        scored_on: ScoredOn,
        label: Option<&str>,
    ) -> crate::Result<Self> {
        let (cells, truth) = scored_cells(study, scored_on)?;
        let task = match label {
            Some(column) => LabelTask::new(study, column, cells, truth)?,
            None => LabelTask::classes(study, cells, truth),
        };
        let expression = study.cells().expression().select_cells(&task.cells);
        let cells = ModelInput::new(expression).with_latents(study.embeddings_of(&task.cells));
        let (train, train_labels) = study.training_expression();
        let train_latents = study.embeddings_of(study.training_cells().train());
        let notes = RefCell::new(task.notes.clone());
        let trained = Cell::default();
        Ok(Self { study, protocol, scored_on, cells, task, train, train_labels, train_latents, notes, trained })
    }

    /// How many cells are scored.
    pub(crate) fn cells(&self) -> usize {
        self.task.truth.len()
    }

    /// Notes of models on their training since the last call.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// A distilled set.
    pub(crate) fn set(&self, set: &TrainingSet) -> crate::Result<Trial> {
        let input = match set {
            TrainingSet::Cells(cells) => self.named(cells.model_input(self.study.foundation())?),
            TrainingSet::Features(features) => ModelInput::of_latents(features.embeddings().clone()),
        };
        let draw = Draw { input, labels: set.labels().to_vec(), protocol: self.protocol.clone() };
        // A set from a file has none.
        let seconds = Some(set.seconds()).filter(|&seconds| seconds > 0.0);
        Ok(Trial { method: set.method(), draws: vec![draw], seconds, all: false })
    }

    /// A baseline, picked anew for each network, so that the deviation covers the choice of cells.
    pub(crate) fn baseline(&self, baseline: &dyn Baseline, per_class: usize) -> crate::Result<Trial> {
        let candidates = self.candidates()?;
        let (mut draws, mut seconds) = (Vec::new(), 0.0);
        for network in 0..self.protocol.networks {
            // An old word for a baseline: another one would change every draw.
            let seed = seed::number(self.protocol.seed, &format!("control {network}"));
            let started = Instant::now();
            let (input, labels) = self.selected(baseline, &candidates, per_class, seed)?;
            let input = self.named(input);
            seconds += started.elapsed().as_secs_f64() / self.protocol.networks as f64;
            draws.push(Draw { input, labels, protocol: Protocol { networks: 1, seed, ..self.protocol.clone() } });
        }
        Ok(Trial { method: baseline.name(), draws, seconds: Some(seconds), all: false })
    }

    /// All training cells.
    pub(crate) fn all(&self) -> Trial {
        let input = self.named(ModelInput::new(self.train.clone()).with_latents(self.train_latents.clone()));
        let draw = Draw { input, labels: self.train_labels.clone(), protocol: self.protocol.clone() };
        Trial { method: ALL.to_owned(), draws: vec![draw], seconds: None, all: true }
    }

    /// Trains a model on a set and scores it; None where the model needs expression and the set is embeddings, no cells.
    pub(crate) fn row(&self, trial: &Trial, model: &dyn EvaluationModel) -> crate::Result<Option<EvaluationRow>> {
        if !model.sees_latents() && trial.draws.iter().any(|draw| draw.input.expression().is_err()) {
            return Ok(None);
        }
        let mut scores = Vec::new();
        for draw in &trial.draws {
            scores.extend(self.score(model, &trial.method, draw)?);
        }
        let cells = trial.draws.last().map_or(0, |draw| draw.labels.len());
        let row = self.summary(model, &trial.method, cells, &scores)?;
        let row = if trial.all { row.relative_to_itself() } else { row };
        Ok(Some(EvaluationRow { seconds: trial.seconds, ..row }))
    }

    /// With the names of the study's genes, for models that know gene sets.
    fn named(&self, input: ModelInput) -> ModelInput {
        input.with_gene_names(self.study.cells().gene_names())
    }

    fn candidates(&self) -> Result<Candidates<'_>, LearnError> {
        let candidates = Candidates::new(&self.train, &self.train_labels, self.study.classes().len())?;
        Ok(candidates.with_latents(&self.train_latents, self.study.foundation()))
    }

    fn selected(
        &self,
        baseline: &dyn Baseline,
        candidates: &Candidates<'_>,
        per_class: usize,
        seed: u64,
    ) -> crate::Result<(ModelInput, Vec<u32>)> {
        let Some(chosen) = baseline.choose(candidates, per_class, seed)? else {
            let (expression, labels) = baseline.select(candidates, per_class, seed)?;
            let input = ModelInput::new(Expression::from_array(&expression)?);
            return Ok((input.embedded_by(self.study.foundation()), labels));
        };
        // Real cells have been embedded already, perhaps by a model that can't embed others.
        let cells = self.train_labels.len();
        if let Some(&index) = chosen.iter().find(|&&index| index >= cells) {
            return Err(EvaluateError::Chosen { index, cells }.into());
        }
        let latents = self.train_latents.select(ndarray::Axis(0), &chosen);
        let labels = chosen.iter().map(|&index| self.train_labels[index]).collect();
        Ok((ModelInput::new(self.train.select_cells(&chosen)).with_latents(latents), labels))
    }

    fn score(&self, model: &dyn EvaluationModel, method: &str, draw: &Draw) -> crate::Result<NetworkScores> {
        // A model that was trained halfway has no scores worth a row.
        if stop_requested() {
            return Err(EvaluateError::Stopped { models: self.trained.get() }.into());
        }
        self.trained.set(self.trained.get() + 1);
        let (classes, labels) = (self.task.names.len(), self.task.labels(&draw.labels));
        self.notes.borrow_mut().extend(self.task.lacking(method, &labels));
        let trained = model.train(&draw.input, &labels, classes, &draw.protocol)?;
        let score = |trained: Box<dyn super::TrainedModel>| {
            let predicted = trained.predict(&self.cells)?;
            self.notes.borrow_mut().extend(trained.note());
            Ok((Scores::new(&self.task.truth, &predicted, classes)?, trained.training_accuracy()))
        };
        trained.into_iter().map(score).collect()
    }

    fn summary(
        &self,
        model: &dyn EvaluationModel,
        method: &str,
        cells: usize,
        scores: &[(Scores, Option<f64>)],
    ) -> crate::Result<EvaluationRow> {
        let known: Vec<f64> = scores.iter().filter_map(|(_, accuracy)| *accuracy).collect();
        let scores: Vec<_> = scores.iter().map(|(scores, _)| scores.clone()).collect();
        let mut row = EvaluationRow::new(method, model.name(), &scores, cells, self.train_labels.len())?;
        row.scored_on = self.scored_on.name().to_owned();
        row.training_accuracy = super::mean(&known);
        Ok(if model.sees_latents() { row.foundation(self.study.foundation().name()) } else { row })
    }
}
