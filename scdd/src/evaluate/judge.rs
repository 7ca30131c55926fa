//! The cells that scores are taken on, opened here and nowhere else, and the models that are trained to predict them.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use ndarray::Array2;

use super::{
    Candidates, EvaluateError, EvaluationModel, EvaluationRow, ModelInput, Protocol, Scores, Selection, TrainingSet,
};
use crate::cells::Expression;
use crate::progress::stop_requested;
use crate::seed;
use crate::study::Study;

/// Which cells scores are taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScoredOn {
    Test,
    Validation,
}

impl ScoredOn {
    pub(super) fn name(self) -> &'static str {
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

/// Scores of each network, and the share of its own training cells that it predicts.
type NetworkScores = Vec<(Scores, Option<f64>)>;

/// Trains every model on a set and scores it.
pub(super) struct Judge<'a> {
    study: &'a Study,
    protocol: &'a Protocol,
    models: &'a [Arc<dyn EvaluationModel>],
    scored_on: ScoredOn,
    cells: ModelInput,
    truth: Vec<u32>,
    train: Expression,
    train_labels: Vec<u32>,
    train_latents: Array2<f32>,
    notes: RefCell<Vec<String>>,
    /// How many models were trained.
    trained: Cell<usize>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        study: &'a Study,
        protocol: &'a Protocol,
        models: &'a [Arc<dyn EvaluationModel>],
        scored_on: ScoredOn,
    ) -> Result<Self, EvaluateError> {
        let (cells, truth) = scored_cells(study, scored_on)?;
        let expression = study.cells().expression().select_cells(&cells);
        let cells = ModelInput::new(expression).with_latents(study.embeddings_of(&cells));
        let (train, train_labels) = study.training_expression();
        let train_latents = study.embeddings_of(study.training_cells().train());
        Ok(Self {
            study,
            protocol,
            models,
            scored_on,
            cells,
            truth,
            train,
            train_labels,
            train_latents,
            notes: RefCell::default(),
            trained: Cell::default(),
        })
    }

    pub(super) fn cells(&self) -> usize {
        self.truth.len()
    }

    /// What models said of their training.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// One row per model for a distilled set. A model that sees expression has none for features that are no cells.
    pub(super) fn set(&self, set: &TrainingSet) -> crate::Result<Vec<Option<EvaluationRow>>> {
        let input = match set {
            TrainingSet::Cells(cells) => {
                ModelInput::new(Expression::from_array(cells.expression())?).seen_through(self.study.foundation())
            }
            TrainingSet::Features(features) => ModelInput::of_latents(features.features().clone()),
        };
        let row = |model: &Arc<dyn EvaluationModel>| {
            if input.expression().is_err() && !model.sees_latents() {
                return Ok(None);
            }
            let scores = self.score(&**model, &input, set.labels(), self.protocol)?;
            self.row(&**model, set.method(), set.labels().len(), &scores).map(Some)
        };
        self.models.iter().map(row).collect()
    }

    /// One row per model for a control, picked anew for each network, so that the deviation covers the choice of cells.
    pub(super) fn control(
        &self,
        control: &dyn Selection,
        per_class: usize,
    ) -> crate::Result<Vec<crate::Result<EvaluationRow>>> {
        let candidates = self.candidates()?;
        let mut found: Vec<crate::Result<NetworkScores>> = self.models.iter().map(|_| Ok(Vec::new())).collect();
        let (mut cells, mut seconds) = (0, 0.0);
        for network in 0..self.protocol.networks {
            let seed = seed::number(self.protocol.seed, &format!("control {network}"));
            let started = Instant::now();
            let (input, labels) = self.selected(control, &candidates, per_class, seed)?;
            seconds += started.elapsed().as_secs_f64() / self.protocol.networks as f64;
            cells = labels.len();
            let protocol = Protocol { networks: 1, seed, ..self.protocol.clone() };
            for (model, found) in self.models.iter().zip(&mut found) {
                if let Ok(scores) = found {
                    match self.score(&**model, &input, &labels, &protocol) {
                        Ok(more) => scores.extend(more),
                        Err(problem) => *found = Err(problem),
                    }
                }
            }
        }
        let row = |(model, scores): (&Arc<dyn EvaluationModel>, crate::Result<NetworkScores>)| {
            Ok(self.row(&**model, control.name(), cells, &scores?)?.seconds(seconds))
        };
        Ok(self.models.iter().zip(found).map(row).collect())
    }

    /// One row per model for all training cells.
    pub(super) fn all(&self) -> crate::Result<Vec<EvaluationRow>> {
        let input = ModelInput::new(self.train.clone()).with_latents(self.train_latents.clone());
        let row = |model: &Arc<dyn EvaluationModel>| {
            let scores = self.score(&**model, &input, &self.train_labels, self.protocol)?;
            let row = self.row(&**model, "all training cells".to_owned(), self.train_labels.len(), &scores)?;
            Ok(row.relative_to_itself())
        };
        self.models.iter().map(row).collect()
    }

    fn candidates(&self) -> Result<Candidates<'_>, EvaluateError> {
        let candidates = Candidates::new(&self.train, &self.train_labels, self.study.classes().len())?;
        Ok(candidates.with_latents(&self.train_latents, self.study.foundation()))
    }

    fn selected(
        &self,
        control: &dyn Selection,
        candidates: &Candidates<'_>,
        per_class: usize,
        seed: u64,
    ) -> crate::Result<(ModelInput, Vec<u32>)> {
        let Some(chosen) = control.choose(candidates, per_class, seed)? else {
            let (expression, labels) = control.select(candidates, per_class, seed)?;
            let input = ModelInput::new(Expression::from_array(&expression)?);
            return Ok((input.seen_through(self.study.foundation()), labels));
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

    fn score(
        &self,
        model: &dyn EvaluationModel,
        input: &ModelInput,
        labels: &[u32],
        protocol: &Protocol,
    ) -> crate::Result<NetworkScores> {
        // A model that was trained halfway has no scores worth a row.
        if stop_requested() {
            return Err(EvaluateError::Stopped { models: self.trained.get() }.into());
        }
        self.trained.set(self.trained.get() + 1);
        let classes = self.study.classes().len();
        let trained = model.train(input, labels, classes, protocol)?;
        let score = |trained: Box<dyn super::TrainedModel>| {
            let predicted = trained.predict(&self.cells)?;
            self.notes.borrow_mut().extend(trained.note());
            Ok((Scores::new(&self.truth, &predicted, classes)?, trained.training_accuracy()))
        };
        trained.into_iter().map(score).collect()
    }

    fn row(
        &self,
        model: &dyn EvaluationModel,
        method: String,
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
