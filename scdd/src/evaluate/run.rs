//! Evaluation of distilled sets, or of a foundation model alone, on the test cells, beside controls and all training
//! cells.
//!
//! Each set trains fresh linear heads on the frozen embeddings of its expression; they are scored on real test cells.

use std::sync::Arc;
use std::time::Instant;

use itertools::Itertools;
use ndarray::Array2;

use super::{
    ClassMean, EvaluateError, Evaluation, EvaluationRow, Protocol, RandomCells, Scores, Selection, TrainingSet,
    train_heads,
};
use crate::Error;
use crate::cells::Expression;
use crate::distill::{Distilled, DistilledFeatures};
use crate::foundation::FoundationError;
use crate::progress::Progress;
use crate::seed;
use crate::study::Study;

/// What the table calls the model.
const MODEL: &str = "linear head";

/// Opens an evaluation: `distilled.evaluate()`, or `study.evaluate()` for the foundation model alone.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct EvaluateBuilder {
    study: Study,
    sets: Vec<TrainingSet>,
    budgets: Vec<usize>,
    controls: Vec<Control>,
    protocol: Protocol,
}

/// A control, and whether it was asked for: one that stands in every table may be left out where it can't be.
#[derive(Clone)]
struct Control {
    selection: Arc<dyn Selection>,
    asked: bool,
}

impl Study {
    /// Opens an evaluation without a distilled set: random cells and class means at the budgets that
    /// [`per_class`](EvaluateBuilder::per_class) sets (1 without any), and all training cells, through this study's
    /// foundation model. Studies of one seed have the same test cells, so their tables compare foundation models.
    ///
    /// A model without encoder, such as embeddings of a file, can't see class means; they are left out, and the table
    /// says so.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = cells.study("cell_type");
    /// let pca = Foundation::pca(&opened.training_cells()?).components(20).run()?;
    /// let evaluation = opened.foundation(pca).run()?.evaluate().per_class(1).per_class(5).run()?;
    /// assert_eq!(evaluation.rows().len(), 5);
    /// assert_eq!(evaluation.rows()[0].foundation.as_deref(), Some("PCA"));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn evaluate(&self) -> EvaluateBuilder {
        EvaluateBuilder::new(self, Vec::new())
    }
}

impl Distilled {
    /// Opens an evaluation on the study's test cells, beside random cells, class means and all training cells.
    pub fn evaluate(&self) -> EvaluateBuilder {
        EvaluateBuilder::new(self.study(), vec![self.into()])
    }
}

impl DistilledFeatures {
    /// Opens an evaluation on the study's test cells: heads are trained on these features as they are.
    pub fn evaluate(&self) -> EvaluateBuilder {
        EvaluateBuilder::new(self.study(), vec![self.into()])
    }
}

impl EvaluateBuilder {
    fn new(study: &Study, sets: Vec<TrainingSet>) -> Self {
        let always: [Arc<dyn Selection>; 2] = [Arc::new(RandomCells), Arc::new(ClassMean)];
        let controls = always.into_iter().map(|selection| Control { selection, asked: false }).collect();
        let protocol = Protocol { seed: study.config().seed, ..Protocol::default() };
        Self { study: study.clone(), sets, budgets: Vec::new(), controls, protocol }
    }

    /// One more budget of the controls, in cells per class, beside those of the distilled sets.
    pub fn per_class(mut self, per_class: usize) -> Self {
        self.budgets.push(per_class);
        self
    }

    /// Another distilled set of the same study, of any pipeline, in the same table: `&Distilled` or `&DistilledFeatures`.
    pub fn beside(mut self, other: impl Into<TrainingSet>) -> Self {
        self.sets.push(other.into());
        self
    }

    /// One more control, in the same table.
    pub fn control(mut self, control: impl Selection + 'static) -> Self {
        self.controls.push(Control { selection: Arc::new(control), asked: true });
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
    /// When the sets belong to different studies, there are no test cells, or a control fails; when a control that was
    /// asked for makes cells and the foundation model has no encoder.
    pub fn run(&self) -> crate::Result<Evaluation> {
        let study = &self.study;
        if self.sets.iter().any(|set| !set.study().same(study)) {
            return Err(EvaluateError::OtherStudy.into());
        }
        let budgets = self.budgets();
        let mut progress = Progress::new("evaluating", self.sets.len() + budgets.len() * self.controls.len() + 1);
        let judge = Judge::new(study, &self.protocol)?;
        let (mut rows, mut notes) = (Vec::new(), Vec::new());
        for set in &self.sets {
            let scores = match set {
                TrainingSet::Cells(cells) => {
                    judge.score(&Expression::from_array(cells.expression())?, set.labels(), &self.protocol)?
                }
                TrainingSet::Features(features) => {
                    judge.score_embedded(features.features(), set.labels(), &self.protocol)?
                }
            };
            let seconds = set.history().seconds + set.scdg().map_or(0.0, |scdg| scdg.history().seconds);
            let row = judge.row(set.method(), set.labels().len(), &scores)?;
            rows.push(row.per_class(set.config().per_class).seconds(seconds));
            progress.step(|| set.method());
        }
        for per_class in budgets {
            for control in &self.controls {
                match judge.control(&*control.selection, per_class) {
                    Ok(row) => rows.push(row.per_class(per_class)),
                    Err(Error::Foundation(FoundationError::NoEncoder { model, .. })) if !control.asked => {
                        let name = control.selection.name();
                        notes.push(format!("without '{name}', which makes cells that {model} can't embed"));
                    }
                    Err(problem) => return Err(problem),
                }
                progress.step(|| control.selection.name());
            }
        }
        let all = judge.all()?.relative_to_itself();
        progress.step(|| all.method.clone());
        progress.finish(|| format!("{} test cells", judge.truth.len()));
        let mut rows: Vec<_> = rows.into_iter().map(|row| row.relative_to(&all)).collect();
        rows.push(all);
        notes.dedup();
        Ok(Evaluation::new(rows, notes, study.clone(), self.protocol.clone()))
    }

    /// Numbers of cells per class that the sets have and that were asked for, each once; 1 without any.
    fn budgets(&self) -> Vec<usize> {
        let of_sets = self.sets.iter().map(|set| set.config().per_class);
        let budgets: Vec<usize> = of_sets.chain(self.budgets.iter().copied()).sorted().dedup().collect();
        if budgets.is_empty() { vec![1] } else { budgets }
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
        self.score_embedded(&self.study.foundation().embed(expression)?, labels, protocol)
    }

    fn score_embedded(
        &self,
        embeddings: &Array2<f32>,
        labels: &[u32],
        protocol: &Protocol,
    ) -> crate::Result<Vec<(Scores, f64)>> {
        let classes = self.study.classes().len();
        let heads = train_heads(embeddings, labels, classes, protocol)?;
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
            let protocol = Protocol { networks: 1, seed, ..self.protocol.clone() };
            let taken = || started.elapsed().as_secs_f64() / self.protocol.networks as f64;
            if let Some(chosen) = control.choose(&self.train_labels, classes, per_class, seed)? {
                // Real cells have been embedded already, perhaps by a model that can't embed others.
                let (embeddings, labels) = self.training_cells(&chosen)?;
                seconds += taken();
                cells = labels.len();
                scores.extend(self.score_embedded(&embeddings, &labels, &protocol)?);
            } else {
                let (expression, labels) = control.select(&self.train, &self.train_labels, classes, per_class, seed)?;
                seconds += taken();
                cells = labels.len();
                scores.extend(self.score(&Expression::from_array(&expression)?, &labels, &protocol)?);
            }
        }
        Ok(self.row(control.name(), cells, &scores)?.seconds(seconds))
    }

    /// Latents and labels of some of the training cells.
    fn training_cells(&self, chosen: &[usize]) -> Result<(Array2<f32>, Vec<u32>), EvaluateError> {
        let training = self.study.training_cells();
        let cells = training.train();
        if let Some(&index) = chosen.iter().find(|&&index| index >= cells.len()) {
            return Err(EvaluateError::Chosen { index, cells: cells.len() });
        }
        let cells: Vec<usize> = chosen.iter().map(|&index| cells[index]).collect();
        Ok((self.study.embeddings_of(&cells), chosen.iter().map(|&index| self.train_labels[index]).collect()))
    }

    fn all(&self) -> crate::Result<EvaluationRow> {
        let embeddings = self.study.embeddings_of(self.study.training_cells().train());
        let scores = self.score_embedded(&embeddings, &self.train_labels, self.protocol)?;
        self.row("all training cells".to_owned(), self.train_labels.len(), &scores)
    }

    fn row(&self, method: String, cells: usize, scores: &[(Scores, f64)]) -> crate::Result<EvaluationRow> {
        let training_accuracy = scores.iter().map(|(_, accuracy)| accuracy).sum::<f64>() / scores.len().max(1) as f64;
        let scores: Vec<_> = scores.iter().map(|(scores, _)| scores.clone()).collect();
        let row = EvaluationRow::new(method, MODEL, &scores, cells, self.train_labels.len())?;
        Ok(row.training_accuracy(training_accuracy).foundation(self.study.foundation().name()))
    }
}
