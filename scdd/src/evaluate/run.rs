//! Evaluation of distilled sets, or of a foundation model alone, on the test cells, beside baselines and all training
//! cells.
//!
//! Each set trains fresh models, linear heads on frozen embeddings unless others are given; they are scored on real test
//! cells.

use std::sync::Arc;

use itertools::Itertools;

use super::scorer::{ScoredOn, Scorer};
use super::{
    Baseline, ClassMean, EvaluateError, Evaluation, EvaluationModel, EvaluationRow, LinearProbe, Protocol, RandomCells,
    TrainingSet,
};
use crate::Error;
use crate::distill::{Distilled, DistilledEmbeddings};
use crate::foundation::FoundationError;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::study::Study;

/// Opens an evaluation: `distilled.evaluate()`, or `study.evaluate()` for the foundation model alone.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct EvaluateBuilder {
    study: Study,
    sets: Vec<TrainingSet>,
    budgets: Vec<usize>,
    baselines: Vec<Listed>,
    models: Vec<Arc<dyn EvaluationModel>>,
    scored_on: ScoredOn,
    label: Option<String>,
    protocol: Protocol,
}

/// A baseline, and whether the caller added it: one of every table may be left out where it can't be made.
#[derive(Clone)]
struct Listed {
    selection: Arc<dyn Baseline>,
    added: bool,
}

impl Study {
    /// Opens an evaluation without a distilled set: random cells and class means at the budgets that
    /// [`per_class`](EvaluateBuilder::per_class) sets (1 without any), and all training cells, through this study's
    /// foundation model. Studies of one seed have the same test cells, so their tables compare foundation models.
    ///
    /// A model without encoder, such as embeddings of a file, can't embed class means; they are left out, and the table
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
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let distilled = study.distill_decoder(DistributionMatching::default()).steps(3).run()?;
    /// let evaluation = distilled.evaluate().model(CellTypist::default()).baseline(Medoid).on_validation().run()?;
    /// // the set, random cells, the class mean, the medoid and all training cells, under two models
    /// assert_eq!(evaluation.rows().len(), 10);
    /// assert!(evaluation.rows().iter().all(|row| row.scored_on == "validation cells"));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn evaluate(&self) -> EvaluateBuilder {
        EvaluateBuilder::new(self.study(), vec![self.into()])
    }
}

impl DistilledEmbeddings {
    /// Opens an evaluation on the study's test cells: heads are trained on these features as they are.
    pub fn evaluate(&self) -> EvaluateBuilder {
        EvaluateBuilder::new(self.study(), vec![self.into()])
    }
}

impl EvaluateBuilder {
    fn new(study: &Study, sets: Vec<TrainingSet>) -> Self {
        let always: [Arc<dyn Baseline>; 2] = [Arc::new(RandomCells), Arc::new(ClassMean)];
        let baselines = always.into_iter().map(|selection| Listed { selection, added: false }).collect();
        let protocol = Protocol { seed: study.config().seed, ..Protocol::default() };
        let models: Vec<Arc<dyn EvaluationModel>> = vec![Arc::new(LinearProbe)];
        let (study, scored_on) = (study.clone(), ScoredOn::Test);
        Self { study, sets, budgets: Vec::new(), baselines, models, scored_on, label: None, protocol }
    }

    /// One more budget of the baselines, in cells per class, beside those of the distilled sets.
    pub fn per_class(mut self, per_class: usize) -> Self {
        self.budgets.push(per_class);
        self
    }

    /// Another distilled set of the same study, of any pipeline, in the same table: `&Distilled` or `&DistilledEmbeddings`.
    pub fn beside(mut self, other: impl Into<TrainingSet>) -> Self {
        self.sets.push(other.into());
        self
    }

    /// One more baseline, in the same table.
    pub fn baseline(mut self, baseline: impl Baseline + 'static) -> Self {
        self.baselines.push(Listed { selection: Arc::new(baseline), added: true });
        self
    }

    /// More baselines, such as [`main_baselines`](super::main_baselines). One that stands in the table already does not come twice.
    pub fn baselines(mut self, baselines: Vec<Arc<dyn Baseline>>) -> Self {
        for selection in baselines {
            if self.baselines.iter().all(|baseline| baseline.selection.name() != selection.name()) {
                self.baselines.push(Listed { selection, added: true });
            }
        }
        self
    }

    /// One more evaluation model, beside the linear head.
    pub fn model(mut self, model: impl EvaluationModel + 'static) -> Self {
        self.models.push(Arc::new(model));
        self
    }

    /// These evaluation models instead of the linear head and of those given before; [`all_models`](super::all_models)
    /// gives every one that there is.
    pub fn models(mut self, models: Vec<Arc<dyn EvaluationModel>>) -> Self {
        self.models = models;
        self
    }

    /// Scores on validation cells instead of test cells, which stay untouched: for choices, and for comparisons of
    /// many settings. Scores of sets that were chosen on the same cells are biased upwards.
    pub fn on_validation(mut self) -> Self {
        self.scored_on = ScoredOn::Validation;
        self
    }

    /// Evaluates another label column than the study's classes: one of those that it combines
    /// ([`joint_label`](crate::study::StudyBuilder::joint_label)), or one that the classes decide, such as a coarser type. Sets and baselines stay
    /// those of the classes; each cell is given the label that its class has in the column, and test cells have their own.
    ///
    /// ```
    /// use scdd::polars::prelude::Column;
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(400).genes(200).classes(4).run()?.preprocess().min_genes(10).run()?;
    /// let types = cells.labels("cell_type")?;
    /// let coarse: Vec<&str> = types.of_cell.iter().map(|&class| if class < 2 { "a" } else { "b" }).collect();
    /// let cells = cells.with_obs(Column::new("lineage".into(), coarse))?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let evaluation = study.evaluate().label("lineage").run()?;
    /// assert_eq!(evaluation.notes(), ["evaluated by 'lineage'"]);
    /// assert!(study.evaluate().label("batch").run().unwrap_err().to_string().contains(".joint_label(\"batch\")"));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn label(mut self, column: &str) -> Self {
        self.label = Some(column.to_owned());
        self
    }

    /// Another protocol, seed included.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// What would run.
    ///
    /// # Errors
    /// When the sets belong to different studies, or there is no model.
    pub fn plan(&self) -> crate::Result<Plan> {
        self.check()?;
        let budgets = self.budgets();
        let sets = self.sets.len() + budgets.len() * self.baselines.len() + 1;
        Ok(Plan::new(format!("evaluation on {}", self.scored_on.name()))
            .with(
                "training sets",
                format!(
                    "{sets}: {} distilled, baselines at {} cells per class, all training cells",
                    self.sets.len(),
                    budgets.iter().join(", ")
                ),
            )
            .with("models", self.models.iter().map(|model| model.name()).join(", "))
            .with("trainings", sets * self.models.len())
            .with("networks", format!("{} of each training that draws weights", self.protocol.networks)))
    }

    fn check(&self) -> Result<(), EvaluateError> {
        if self.sets.iter().any(|set| !set.study().same(&self.study)) {
            return Err(EvaluateError::OtherStudy);
        }
        if self.models.is_empty() {
            return Err(EvaluateError::NoModels);
        }
        Ok(())
    }

    /// Trains and scores. Rows come model by model: the distilled sets, baselines, all training cells.
    ///
    /// # Errors
    /// When the sets belong to different studies, there are no cells to score, no model, or a baseline fails; when a baseline
    /// that was added makes cells and the foundation model has no encoder; when a set has cells of one class only.
    pub fn run(&self) -> crate::Result<Evaluation> {
        self.check()?;
        let study = &self.study;
        let budgets = self.budgets();
        let mut progress = Progress::new("evaluating", self.sets.len() + budgets.len() * self.baselines.len() + 1);
        let scorer = Scorer::new(study, &self.protocol, self.scored_on, self.label.as_deref())?;
        let mut rows: Vec<Vec<EvaluationRow>> = vec![Vec::new(); self.models.len()];
        let mut notes = Vec::new();
        for set in &self.sets {
            let trial = scorer.set(set)?;
            for (rows, model) in rows.iter_mut().zip(&self.models) {
                match scorer.row(&trial, &**model)? {
                    Some(row) => rows.push(row.per_class(set.config().per_class)),
                    None => notes.push(format!("{} without {}, which sees expression", set.method(), model.name())),
                }
            }
            progress.step(|| set.method());
        }
        for per_class in budgets {
            for baseline in &self.baselines {
                let trial = scorer.baseline(&*baseline.selection, per_class)?;
                for (rows, model) in rows.iter_mut().zip(&self.models) {
                    match scorer.row(&trial, &**model) {
                        Ok(row) => rows.extend(row.map(|row| row.per_class(per_class))),
                        Err(Error::Foundation(FoundationError::NoEncoder { model, .. })) if !baseline.added => {
                            let name = baseline.selection.name();
                            notes.push(format!("without '{name}', which makes cells that {model} can't embed"));
                        }
                        Err(problem) => return Err(problem),
                    }
                }
                progress.step(|| baseline.selection.name());
            }
        }
        let all = scorer.all();
        let all = self.models.iter().map(|model| scorer.row(&all, &**model)).collect::<crate::Result<Vec<_>>>()?;
        progress.step(|| "all training cells".to_owned());
        progress.finish(|| format!("{} {}", scorer.cells(), self.scored_on.name()));
        let with_all = |(rows, all): (Vec<EvaluationRow>, Option<EvaluationRow>)| {
            let relative = |row: EvaluationRow| match &all {
                Some(all) => row.relative_to(all),
                None => row,
            };
            let rows: Vec<_> = rows.into_iter().map(relative).collect();
            rows.into_iter().chain(all)
        };
        let rows = rows.into_iter().zip(all).flat_map(with_all).collect();
        let notes = notes.into_iter().chain(scorer.notes()).unique().collect();
        Ok(Evaluation::new(rows, notes, study.clone(), self.protocol.clone(), scorer.cells()))
    }

    /// Numbers of cells per class of the sets and of per_class, each once; 1 without any.
    fn budgets(&self) -> Vec<usize> {
        let of_sets = self.sets.iter().map(|set| set.config().per_class);
        let budgets: Vec<usize> = of_sets.chain(self.budgets.iter().copied()).sorted().dedup().collect();
        if budgets.is_empty() { vec![1] } else { budgets }
    }
}
