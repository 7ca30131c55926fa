//! Evaluation of distilled sets on the test cells, beside controls and all training cells.
//!
//! Each set trains fresh linear heads on the frozen embeddings of its expression; they are scored on real test cells.

use std::sync::Arc;
use std::time::Instant;

use itertools::Itertools;
use ndarray::Array2;
use polars::prelude::DataFrame;

use super::{ClassMean, EvaluateError, EvaluationRow, Protocol, RandomCells, Scores, Selection, table, train_heads};
use crate::cells::Expression;
use crate::distill::Distilled;
use crate::progress::Progress;
use crate::seed;
use crate::study::Study;

/// What the table calls the model.
const MODEL: &str = "linear head";

/// Opens an evaluation: `distilled.evaluate()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct EvaluateBuilder {
    sets: Vec<Distilled>,
    controls: Vec<Arc<dyn Selection>>,
    protocol: Protocol,
}

impl Distilled {
    /// Opens an evaluation on the study's test cells, beside random cells, class means and all training cells.
    pub fn evaluate(&self) -> EvaluateBuilder {
        let controls: Vec<Arc<dyn Selection>> = vec![Arc::new(RandomCells), Arc::new(ClassMean)];
        let protocol = Protocol { seed: self.study().config().seed, ..Protocol::default() };
        EvaluateBuilder { sets: vec![self.clone()], controls, protocol }
    }
}

impl EvaluateBuilder {
    /// Another distilled set of the same study, in the same table.
    pub fn beside(mut self, other: &Distilled) -> Self {
        self.sets.push(other.clone());
        self
    }

    /// One more control, in the same table.
    pub fn control(mut self, control: impl Selection + 'static) -> Self {
        self.controls.push(Arc::new(control));
        self
    }

    /// Another protocol, seed included.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Trains and scores.
    ///
    /// # Errors
    /// When the sets belong to different studies, there are no test cells, or a control fails.
    pub fn run(&self) -> crate::Result<Evaluation> {
        let study = self.sets[0].study();
        if self.sets.iter().any(|set| !set.study().same(study)) {
            return Err(EvaluateError::OtherStudy.into());
        }
        let budgets = self.budgets();
        let mut progress = Progress::new("evaluating", self.sets.len() + budgets.len() * self.controls.len() + 1);
        let judge = Judge::new(study, &self.protocol)?;
        let mut rows = Vec::new();
        for set in &self.sets {
            let expression = Expression::from_array(set.expression())?;
            let scores = judge.score(&expression, set.labels(), &self.protocol)?;
            let seconds = set.history().seconds + set.scdg().history().seconds;
            let row = judge.row(format!("scDD, {}", set.objective()), set.labels().len(), &scores)?;
            rows.push(row.per_class(set.config().per_class).seconds(seconds));
            progress.step(|| set.objective().to_owned());
        }
        for per_class in budgets {
            for control in &self.controls {
                rows.push(judge.control(&**control, per_class)?.per_class(per_class));
                progress.step(|| control.name());
            }
        }
        let all = judge.all()?.relative_to_itself();
        progress.step(|| all.method.clone());
        progress.finish(|| format!("{} test cells", judge.truth.len()));
        let mut rows: Vec<_> = rows.into_iter().map(|row| row.relative_to(&all)).collect();
        rows.push(all);
        Ok(Evaluation { parts: Arc::new(Parts { rows, study: study.clone(), protocol: self.protocol.clone() }) })
    }

    /// Numbers of cells per class that the sets have, each once.
    fn budgets(&self) -> Vec<usize> {
        self.sets.iter().map(|set| set.config().per_class).sorted().dedup().collect()
    }
}

/// The test cells of a study, opened here and nowhere else.
struct Judge<'a> {
    study: &'a Study,
    protocol: &'a Protocol,
    test: Array2<f32>,
    truth: Vec<u32>,
    train: Expression,
    train_labels: Vec<u32>,
}

impl<'a> Judge<'a> {
    fn new(study: &'a Study, protocol: &'a Protocol) -> crate::Result<Self> {
        let test = study.test_cells();
        if test.count() == 0 {
            return Err(EvaluateError::EmptyTest.into());
        }
        let (train, train_labels) = study.training_expression();
        Ok(Self { study, protocol, test: study.embeddings_of(test.test()), truth: test.labels(), train, train_labels })
    }

    /// Scores of each network trained on a set.
    fn score(&self, expression: &Expression, labels: &[u32], protocol: &Protocol) -> crate::Result<Vec<(Scores, f64)>> {
        let classes = self.study.classes().len();
        let embeddings = self.study.foundation().embed(expression)?;
        let heads = train_heads(&embeddings, labels, classes, protocol)?;
        let score = |head: &super::LinearHead| {
            let predicted = head.predict(&self.test)?;
            Ok((Scores::new(&self.truth, &predicted, classes)?, head.training_accuracy()))
        };
        heads.iter().map(score).collect()
    }

    /// A control, picked anew for each network, so that the deviation covers the choice of cells.
    fn control(&self, control: &dyn Selection, per_class: usize) -> crate::Result<EvaluationRow> {
        let classes = self.study.classes().len();
        let (mut scores, mut cells, mut seconds) = (Vec::new(), 0, 0.0);
        for network in 0..self.protocol.networks {
            let seed = seed::number(self.protocol.seed, &format!("control {network}"));
            let started = Instant::now();
            let (expression, labels) = control.select(&self.train, &self.train_labels, classes, per_class, seed)?;
            seconds += started.elapsed().as_secs_f64() / self.protocol.networks as f64;
            cells = labels.len();
            let protocol = Protocol { networks: 1, seed, ..self.protocol.clone() };
            scores.extend(self.score(&Expression::from_array(&expression)?, &labels, &protocol)?);
        }
        Ok(self.row(control.name(), cells, &scores)?.seconds(seconds))
    }

    fn all(&self) -> crate::Result<EvaluationRow> {
        let scores = self.score(&self.train, &self.train_labels, self.protocol)?;
        self.row("all training cells".to_owned(), self.train_labels.len(), &scores)
    }

    fn row(&self, method: String, cells: usize, scores: &[(Scores, f64)]) -> crate::Result<EvaluationRow> {
        let training_accuracy = scores.iter().map(|(_, accuracy)| accuracy).sum::<f64>() / scores.len().max(1) as f64;
        let scores: Vec<_> = scores.iter().map(|(scores, _)| scores.clone()).collect();
        let row = EvaluationRow::new(method, MODEL, &scores, cells, self.train_labels.len())?;
        Ok(row.training_accuracy(training_accuracy))
    }
}

/// Scores of distilled sets, controls and all training cells on the test cells. Cheap to clone.
#[derive(Clone)]
pub struct Evaluation {
    parts: Arc<Parts>,
}

struct Parts {
    rows: Vec<EvaluationRow>,
    study: Study,
    protocol: Protocol,
}

impl std::fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.parts.rows).finish()
    }
}

impl Evaluation {
    /// One row per training set: distilled sets, controls, all training cells.
    pub fn rows(&self) -> &[EvaluationRow] {
        &self.parts.rows
    }

    /// The same as a polars frame.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        Ok(table(&self.parts.rows)?)
    }

    /// How the networks were trained.
    pub fn protocol(&self) -> &Protocol {
        &self.parts.protocol
    }

    /// The study whose test cells were used.
    pub fn study(&self) -> &Study {
        &self.parts.study
    }
}
