//! Settings and run of a generator report: `scdg.report()`.

use ndarray::Array2;
use rand::seq::index::sample;
use scdd_learn::pca::{Components, principal_components};

use super::classes::marker_overlap;
use super::report::{ClassFigures, GeneratorReport, ReportFigure};
use super::{Sample, compare};
use crate::cells::Expression;
use crate::error::SettingError;
use crate::evaluate::scorer::{ScoredOn, scored_cells};
use crate::evaluate::{CellTypist, EvaluateError, EvaluationModel, ModelInput, Protocol, Scores};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::scdg::{GenerateBuilder, Sampler, Scdg};
use crate::seed;
use crate::text::{count, grouped};

/// Components that cells are compared on (scanpy's default number).
const COMPONENTS: usize = 50;
/// Below so many cells of a kind no figure says anything (ours).
const LEAST: usize = 10;

/// Opens a generator report: `scdg.report()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct ReportBuilder {
    scdg: Scdg,
    cells: Option<usize>,
    sampler: Option<Sampler>,
    guidance: f64,
    seed: u64,
    against: ScoredOn,
}

impl Scdg {
    /// Opens a report on this generator: many generated cells against real ones that it was not trained on, the
    /// validation cells unless [`on_test`](ReportBuilder::on_test) says otherwise.
    ///
    /// Cells are compared on 50 principal components of training cells' expression, not on the latents that the generator was
    /// trained to make. Those training cells that stand for generated ones have no part in the components.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(400).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let report = study.train_scdg().steps(20).run()?.report().run()?;
    /// let forest = report.figure("random forest, AUC").unwrap();
    /// assert!(forest.generated > forest.real, "too short a training: a forest tells these cells");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn report(&self) -> ReportBuilder {
        let (scdg, seed) = (self.clone(), self.config().seed);
        ReportBuilder { scdg, cells: None, sampler: None, guidance: 0.0, seed, against: ScoredOn::Validation }
    }
}

impl ReportBuilder {
    /// How many cells are generated, of all classes in the proportions of the training cells; as many as there are
    /// real ones to compare with. Figures that need as many of either kind draw them.
    pub fn cells(mut self, cells: usize) -> Self {
        self.cells = Some(cells);
        self
    }

    /// How they are generated; as [`Scdg::generate`] does.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Guidance; 0. See [`GenerateBuilder::guidance`](crate::scdg::GenerateBuilder::guidance).
    pub fn guidance(mut self, w: f64) -> Self {
        self.guidance = w;
        self
    }

    /// Seed of cells and draws; that of the training unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Compares with test cells instead of validation cells: once, when all choices have been made.
    pub fn on_test(mut self) -> Self {
        self.against = ScoredOn::Test;
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As [`run`](Self::run), for the numbers of cells and the settings of generation.
    pub fn plan(&self) -> crate::Result<Plan> {
        let (held_out, _, wanted) = self.compared_cells()?;
        let generation = self.generation(wanted).plan()?;
        let plan = Plan::new("generator report")
            .with("real cells", format!("{} {}", grouped(held_out.len()), self.against.name()))
            .with("generated cells", grouped(wanted));
        Ok(generation.facts().fold(plan, |plan, (name, fact)| plan.with(name, fact)))
    }

    fn generation(&self, cells: usize) -> GenerateBuilder {
        let generate = self.scdg.generate(cells).guidance(self.guidance).seed(self.seed);
        match self.sampler {
            Some(sampler) => generate.sampler(sampler),
            None => generate,
        }
    }

    /// Real cells to compare with, their classes, and how many cells are to be generated.
    fn compared_cells(&self) -> crate::Result<(Vec<usize>, Vec<u32>, usize)> {
        let (held_out, truth) = scored_cells(self.scdg.study(), self.against)?;
        let wanted = self.cells.unwrap_or(held_out.len());
        for (name, cells) in [("real cells to compare with", held_out.len()), ("cells to generate", wanted)] {
            if cells < LEAST {
                return Err(EvaluateError::Setting(SettingError::new(
                    name,
                    cells,
                    "10 or more; a larger validation_fraction on the study gives more real ones, .cells(n) more \
                               generated ones",
                ))
                .into());
            }
        }
        Ok((held_out, truth, wanted))
    }

    /// Generates and compares.
    ///
    /// # Errors
    /// When there are fewer than 10 real cells to compare with, or fewer than 10 are to be generated; when generation
    /// fails, see [`GenerateBuilder::run`](crate::scdg::GenerateBuilder::run).
    pub fn run(&self) -> crate::Result<GeneratorReport> {
        let study = self.scdg.study();
        let (held_out, truth, wanted) = self.compared_cells()?;
        let generated = self.generation(wanted).run()?;
        let labels = generated.labels(study.label())?;
        let number = |name: &String| study.classes().iter().position(|class| class == name).unwrap_or(0) as u32;
        let numbers: Vec<u32> = labels.classes.iter().map(number).collect();
        let labels: Vec<u32> = labels.of_cell.iter().map(|&label| numbers[label as usize]).collect();

        let mut progress = Progress::new("generator report", 4);
        let (train, train_labels) = study.training_expression();
        // As many training cells as are generated, at most half of them, as if they were generated. The components are
        // those of the others: cells that they were fitted on spread wider along them than new ones do.
        let mut random = seed::stream(self.seed, "report: training cells");
        let order = sample(&mut random, train.cells(), train.cells()).into_vec();
        let (chosen, others) = order.split_at(wanted.min(train.cells() / 2));
        let most = others.len().min(train.genes()).saturating_sub(1);
        let solver = seed::number(self.seed, "report: principal components");
        let axes = principal_components(train.select_cells(others).view(), COMPONENTS.min(most), solver)?;
        let real = along(&axes, study.cells().expression().select_cells(&held_out), truth);
        let made = along(&axes, generated.expression().clone(), labels);
        let of_chosen = chosen.iter().map(|&cell| train_labels[cell]).collect();
        let reached = along(&axes, train.select_cells(chosen), of_chosen);
        progress.step(|| "principal components".to_owned());
        progress.check_stop()?;

        let mut figures: Vec<ReportFigure> = Vec::new();
        for (made, reached) in compare(&real, &made, self.seed).into_iter().zip(compare(&real, &reached, self.seed)) {
            figures.push(ReportFigure {
                name: made.name.to_owned(),
                ideal: made.ideal,
                real: reached.value.as_ref().ok().copied(),
                reason: made.value.as_ref().err().or(reached.value.as_ref().err()).cloned(),
                generated: made.value.ok(),
            });
        }
        progress.step(|| "cells".to_owned());
        progress.check_stop()?;

        let classes = study.classes().len();
        let (protocol, train) = (Protocol { seed: self.seed, ..Protocol::default() }, ModelInput::new(train));
        let trained = CellTypist::default().train(&train, &train_labels, classes, &protocol)?;
        let scores = |sample: &Sample| -> crate::Result<Option<Scores>> {
            let Some(trained) = trained.first() else { return Ok(None) };
            let predicted = trained.predict(&ModelInput::new(sample.expression.clone()))?;
            Ok(Some(Scores::new(&sample.labels, &predicted, classes)?))
        };
        let (of_made, of_real) = (scores(&made)?, scores(&real)?);
        for (name, of) in [
            ("accuracy of CellTypist trained on real cells", (|scores| scores.accuracy) as fn(&Scores) -> f64),
            ("macro-F1 of CellTypist trained on real cells", |scores| scores.macro_f1),
        ] {
            let (generated, real) = (of_made.as_ref().map(of), of_real.as_ref().map(of));
            figures.push(ReportFigure { name: name.to_owned(), generated, real, ideal: 1.0, reason: None });
        }
        progress.step(|| "classifier".to_owned());
        progress.check_stop()?;

        let in_class = |sample: &Sample, class: u32| sample.labels.iter().filter(|label| **label == class).count();
        let recall = |scores: &Option<Scores>, class: usize| scores.as_ref().and_then(|s| s.recall_per_class[class]);
        let figures_of = |(class, name): (usize, &String)| {
            let number = class as u32;
            let overlaps = [marker_overlap(&real, &made, number), marker_overlap(&real, &reached, number)];
            let reason = overlaps.iter().find_map(|overlap| overlap.as_ref().err()).cloned();
            let [overlap, of_real_overlap] = overlaps.map(|overlap| overlap.ok());
            ClassFigures {
                class: name.clone(),
                generated_cells: in_class(&made, number),
                real_cells: in_class(&real, number),
                recall: recall(&of_made, class),
                recall_of_real: recall(&of_real, class),
                marker_overlap: overlap,
                marker_overlap_of_real: of_real_overlap,
                reason,
            }
        };
        let of_classes = study.classes().iter().enumerate().map(figures_of).collect();
        progress.step(|| "markers".to_owned());
        progress.check_stop()?;
        progress.finish(|| count(made.cells(), "generated cell"));
        let title = format!(
            "{} beside {} {}",
            count(made.cells(), "generated cell"),
            crate::text::grouped(real.cells()),
            self.against.name()
        );
        Ok(GeneratorReport::new(title, figures, of_classes))
    }
}

/// Cells with their coordinates along principal components.
fn along(axes: &Components, expression: Expression, labels: Vec<u32>) -> Sample {
    let width = axes.loadings.ncols();
    let mut points = Array2::<f32>::zeros((expression.cells(), width));
    let mut start = vec![0.0f32; width];
    for (mean, loadings) in axes.mean.iter().zip(axes.loadings.rows()) {
        start.iter_mut().zip(loadings).for_each(|(start, loading)| *start -= mean * loading);
    }
    for (cell, mut point) in points.rows_mut().into_iter().enumerate() {
        point.iter_mut().zip(&start).for_each(|(value, start)| *value = *start);
        let (genes, values) = expression.row(cell);
        for (&gene, &value) in genes.iter().zip(values) {
            let loadings = axes.loadings.row(gene as usize);
            point.iter_mut().zip(loadings).for_each(|(sum, loading)| *sum += value * loading);
        }
    }
    Sample { expression, labels, points }
}
