//! Privacy of a distilled set: settings of the attacks (`distilled.privacy()`).

use rand::seq::index::sample;

use super::Labelled;
use super::copies::exact_copies;
use super::distances::{Near, nearest};
use super::membership::attack;
use super::report::{Parts, Privacy, SetPrivacy};
use crate::cells::Expression;
use crate::distill::Distilled;
use crate::error::SettingError;
use crate::evaluate::scorer::{ScoredOn, scored_cells};
use crate::evaluate::{Baseline, Candidates, ClassMean, EvaluateError, RandomCells};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::seed;
use crate::text::grouped;
use scdd_learn::statistics::median;

/// Held-out cells whose nearest training cells are searched, at most (ours: a quantile of 1 % has ten below it).
const MOST: usize = 1_000;
/// Below so many held-out cells nothing is said (ours).
const LEAST: usize = 20;

/// Opens an analysis of the training cells' privacy: `distilled.privacy()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct PrivacyBuilder {
    distilled: Distilled,
    against: ScoredOn,
    seed: u64,
}

impl Distilled {
    /// Opens an analysis of what the set reveals of the training cells: exact copies, distances to training cells beside those
    /// of held-out real cells, and two membership inferences, each beside random cells (which are copies) and class means
    /// at its budget. Distances are cosine distances of log-normalised expression.
    ///
    /// Held-out cells are the validation cells unless [`on_test`](PrivacyBuilder::on_test) says otherwise.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(400).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").validation_fraction(0.2).foundation_epochs(1).run()?;
    /// let distilled = study.distill_decoder(DistributionMatching::default()).per_class(2).steps(3).run()?;
    /// let privacy = distilled.privacy().run()?;
    /// println!("{}", privacy.sentence());
    /// let [ours, random, mean] = privacy.sets() else { panic!() };
    /// assert_eq!((ours.exact_copies, random.exact_copies, mean.exact_copies), (0, 6, 0));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn privacy(&self) -> PrivacyBuilder {
        PrivacyBuilder { distilled: self.clone(), against: ScoredOn::Validation, seed: self.config().seed }
    }
}

impl PrivacyBuilder {
    /// Compares with test cells instead of validation cells: once, when all choices have been made. Where a
    /// learning rate or a step was chosen on validation cells, these had a small part in the set.
    pub fn on_test(mut self) -> Self {
        self.against = ScoredOn::Test;
        self
    }

    /// Seed of the random cells and of all draws; that of the distillation unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What would run.
    ///
    /// # Errors
    /// As [`run`](Self::run), for the number of held-out cells.
    pub fn plan(&self) -> crate::Result<Plan> {
        let (_, truth) = scored_cells(self.distilled.study(), self.against)?;
        let present = self.classes_present();
        let held_out = truth.iter().filter(|&&label| present[label as usize]).count();
        check_held_out(held_out)?;
        Ok(Plan::new(format!("privacy of {}", self.distilled.method()))
            .with("held-out cells", format!("{} {}", grouped(held_out), self.against.name()))
            .with("training cells", grouped(self.distilled.study().training_cells().train().len()))
            .with("sets", "the distilled one, random cells and class means"))
    }

    /// Whether the set has cells of each class.
    fn classes_present(&self) -> Vec<bool> {
        let mut present = vec![false; self.distilled.study().classes().len()];
        self.distilled.labels().iter().for_each(|&label| present[label as usize] = true);
        present
    }

    /// Measures.
    ///
    /// # Errors
    /// When the set's classes have fewer than 20 held-out cells, or a value of the set is not finite.
    pub fn run(&self) -> crate::Result<Privacy> {
        let (set, study) = (&self.distilled, self.distilled.study());
        let classes = study.classes().len();
        let present = self.classes_present();
        let of_present = |expression: Expression, labels: Vec<u32>| {
            let cells: Vec<usize> = (0..labels.len()).filter(|&cell| present[labels[cell] as usize]).collect();
            let labels = cells.iter().map(|&cell| labels[cell]).collect();
            Labelled { expression: expression.select_cells(&cells), labels }
        };
        let (held_out, truth) = scored_cells(study, self.against)?;
        let held_out = of_present(study.cells().expression().select_cells(&held_out), truth);
        check_held_out(held_out.labels.len())?;
        let (training, labels) = study.training_expression();
        let training = of_present(training, labels);

        let mut progress = Progress::new("privacy", 4);
        let candidates = Candidates::new(&training.expression, &training.labels, classes)?;
        let (per_class, seed) = (set.config().per_class, seed::number(self.seed, "privacy"));
        let ours = Labelled { expression: set.sparse_expression()?, labels: set.labels().to_vec() };
        let mut sets = vec![(set.method(), ours)];
        for baseline in [&RandomCells as &dyn Baseline, &ClassMean] {
            let (rows, labels) = baseline.select(&candidates, per_class, seed)?;
            sets.push((baseline.name(), Labelled { expression: Expression::from_array(&rows)?, labels }));
        }
        let reference = HeldOut::new(&training, &held_out, seed);
        progress.step(|| self.against.name().to_owned());
        progress.check_stop()?;
        let mut found = Vec::new();
        let mut distances = Vec::new();
        for (name, set) in &sets {
            let (of_set, privacy) = reference.attack(name, set, classes, seed);
            if found.is_empty() {
                distances = of_set;
            }
            found.push(privacy);
            progress.step(|| name.clone());
            progress.check_stop()?;
        }
        progress.finish(|| format!("{} {}", held_out.labels.len(), self.against.name()));
        Ok(Privacy::new(Parts {
            held_out: self.against.name().to_owned(),
            held_out_cells: held_out.labels.len(),
            training_cells: training.labels.len(),
            held_out_distances: reference.near.iter().map(|near| f64::from(near.distance)).collect(),
            distances,
            sets: found,
        }))
    }
}

fn check_held_out(cells: usize) -> Result<(), EvaluateError> {
    if cells >= LEAST {
        return Ok(());
    }
    let expected = "20 or more; a larger validation_fraction on the study gives more, .on_test() takes test cells";
    Err(EvaluateError::Setting(SettingError::new("held-out cells of the set's classes", cells, expected)))
}

/// What sets are compared with.
pub(super) struct HeldOut<'a> {
    training: &'a Labelled,
    held_out: &'a Labelled,
    near: Vec<Near>,
    /// One in a hundred held-out cells, or none below a hundred, has a smaller ratio.
    least_ratio: f64,
}

impl<'a> HeldOut<'a> {
    pub(super) fn new(training: &'a Labelled, held_out: &'a Labelled, seed: u64) -> Self {
        let count = held_out.labels.len();
        let mut random = seed::stream(seed, "privacy: held-out cells");
        let drawn = sample(&mut random, count, count.min(MOST)).into_vec();
        let near = nearest(&held_out.expression.select_cells(&drawn), &training.expression);
        let mut ratios: Vec<f64> = near.iter().map(Near::ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let least_ratio = ratios.get(ratios.len() / 100).copied().unwrap_or(0.0);
        Self { training, held_out, near, least_ratio }
    }

    /// What a set gives away, and its cells' distances to their nearest training cells.
    pub(super) fn attack(&self, name: &str, set: &Labelled, classes: usize, seed: u64) -> (Vec<f64>, SetPrivacy) {
        let near = nearest(&set.expression, &self.training.expression);
        let of_held_out = nearest(&set.expression, &self.held_out.expression);
        let distances: Vec<f64> = near.iter().map(|near| f64::from(near.distance)).collect();
        let cells = near.len();
        let training_first = near.iter().zip(&of_held_out).filter(|(near, other)| near.distance <= other.distance);
        let attacks = attack(set, self.training, self.held_out, classes, seed);
        let reason = attacks.as_ref().err().cloned();
        let (nearness, calibrated) = attacks.ok().map(|both| (both.nearness, both.calibrated)).unzip();
        let privacy = SetPrivacy {
            set: name.to_owned(),
            cells,
            exact_copies: exact_copies(&set.expression, &self.training.expression),
            nearest_training: median(&distances),
            singled_out: near.iter().filter(|near| near.ratio() < self.least_ratio).count(),
            nearest_is_training: training_first.count() as f64 / cells.max(1) as f64,
            nearness,
            calibrated,
            reason,
        };
        (distances, privacy)
    }
}
