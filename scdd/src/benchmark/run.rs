//! Runs a benchmark: finds finished rows in the file, then makes the others study by study and set by set.

use std::collections::HashMap;
use std::time::Instant;

use super::journal::Journal;
use super::method::Kind;
use super::plan::{Plan, RowPlan, SetPlan, StudyPlan};
use super::row::{Key, OK, rounded, significant};
use super::{BenchmarkBuilder, BenchmarkError, BenchmarkResults, BenchmarkRow, Shared, memory};
use crate::cells::{Cells, LogNormalized};
use crate::checkpoints::differing;
use crate::evaluate::{EvaluationRow, Protocol, ScoredOn, Scorer, Trial};
use crate::progress::{Progress, Quiet};
use crate::study::Study;
use crate::text::{count, grouped};

impl BenchmarkBuilder {
    /// Counts the rows, sets and studies that would be made; runs nothing. Reads each file once, for its checksum.
    ///
    /// # Errors
    /// As [`run`](Self::run), before anything runs.
    pub fn plan(&self) -> crate::Result<crate::Plan> {
        let plan = self.rows_planned()?;
        let (of, mine) = (plan.of, plan.rows());
        let done = match self.out.as_ref().filter(|path| path.exists()) {
            Some(path) => self.done(super::journal::read(path)?, &plan)?,
            None => HashMap::new(),
        };
        let plan = plan.without(|key| done.contains_key(key));
        let grid = format!(
            "{} of {}, {}, {}",
            count(of, "row"),
            count(self.sources.iter().map(|source| source.labels.len()).sum(), "label column"),
            count(self.methods.len(), "method"),
            count(self.models.len(), "model"),
        );
        let mut facts = crate::Plan::new("benchmark").with("grid", grid);
        let (number, shards) = self.shard;
        if shards > 1 {
            facts = facts.with("shard", format!("{number} of {shards}, {}", count(mine, "row")));
        }
        let studies = match plan.studies.len() {
            1 => "1 study".to_owned(),
            studies => format!("{} studies", grouped(studies)),
        };
        let sets = count(plan.sets().count(), "set");
        Ok(facts.with("to make", format!("{}: {sets} of {studies}", count(plan.rows(), "row"))))
    }

    /// Makes the rows that the file lacks, and returns all rows of this grid (of this shard).
    ///
    /// # Errors
    /// When a setting is out of range, a file can't be read, or the result file can't be written or has rows of other settings.
    /// A failing row is no error: its [`status`](BenchmarkRow::status) has the reason.
    pub fn run(&self) -> crate::Result<BenchmarkResults> {
        let plan = self.rows_planned()?;
        let order: Vec<Key> = plan.rows_of_sets().map(|row| row.key.clone()).collect();
        let (mut journal, mut rows) = (None, HashMap::new());
        if let Some(path) = &self.out {
            let (mut opened, found) = Journal::open(path)?;
            rows = self.done(found, &plan)?;
            // Rows of a smaller grid get their numbers in this one, or `merge` would miss them.
            for planned in plan.rows_of_sets() {
                let Some(row) = rows.get_mut(&planned.key).filter(|row| row.of < plan.of) else { continue };
                (row.row, row.of) = (planned.number, plan.of);
                opened.append(row)?;
            }
            journal = Some(opened);
        }
        let of = plan.of;
        let plan = plan.without(|key| rows.contains_key(key));
        let mut progress = Progress::new("benchmark", plan.rows());
        let quiet = Quiet::hold();
        let mut cells: Option<(usize, Cells<LogNormalized>)> = None;
        for study in &plan.studies {
            if self.interrupt.requested() {
                break;
            }
            if cells.as_ref().is_none_or(|(source, _)| *source != study.source) {
                // The last data set goes before the next one comes.
                drop(cells.take());
                // A file that can't be read now may be read tomorrow, so that is no result.
                cells = Some((study.source, self.sources[study.source].read(&self.settings.preprocess)?));
            }
            let Some((_, read)) = &cells else { continue };
            let mut take = |row: BenchmarkRow| -> crate::Result<()> {
                progress.step(|| format!("{}, seed {}: {}", row.file, row.seed, row.method));
                if let Some(journal) = &mut journal {
                    journal.append(&row)?;
                }
                rows.insert(row.key(), row);
                Ok(())
            };
            self.study(study, read, of, &mut take)?;
        }
        drop(quiet);
        progress.finish(|| count(plan.rows(), "row"));
        Ok(BenchmarkResults::new(order.iter().filter_map(|key| rows.remove(key)).collect()))
    }

    /// The rows of a file that belong to this plan; refuses rows of other settings.
    fn done(
        &self,
        found: Vec<(usize, BenchmarkRow)>,
        plan: &Plan,
    ) -> Result<HashMap<Key, BenchmarkRow>, BenchmarkError> {
        let planned: HashMap<&Key, &SetPlan> =
            plan.sets().flat_map(|set| set.rows.iter().map(move |row| (&row.key, set))).collect();
        let mut done = HashMap::new();
        for (line, row) in found {
            let key = row.key();
            let Some(set) = planned.get(&key) else { continue };
            if set.config != row.config {
                let path = self.out.clone().unwrap_or_default();
                let difference = difference(&set.config, &row.config);
                return Err(BenchmarkError::OtherSettings { path, line, row: key.to_string(), difference });
            }
            done.insert(key, row);
        }
        Ok(done)
    }

    /// All rows of one study.
    fn study(
        &self,
        planned: &StudyPlan,
        cells: &Cells<LogNormalized>,
        of: usize,
        take: &mut impl FnMut(BenchmarkRow) -> crate::Result<()>,
    ) -> crate::Result<()> {
        // A set that was interrupted is incomplete.
        let mut take = |row| if self.interrupt.requested() { Ok(()) } else { take(row) };
        let protocol = self.settings.protocol(planned.seed);
        let scored_on = if self.settings.on_validation { ScoredOn::Validation } else { ScoredOn::Test };
        let study = self.study_of(cells, planned).map_err(|problem| problem.to_string());
        let scorer = study
            .as_ref()
            .map_err(String::clone)
            .and_then(|study| Scorer::new(study, &protocol, scored_on, None).map_err(|problem| problem.to_string()));
        let (study, scorer) = match (&study, &scorer) {
            (Ok(study), Ok(scorer)) => (study, scorer),
            (Err(problem), _) | (_, Err(problem)) => {
                for set in &planned.sets {
                    for row in &set.rows {
                        take(refused(set, row, of, problem.clone()))?;
                    }
                }
                return Ok(());
            }
        };
        let shared = Shared::new(study.clone(), &self.settings);
        for set in &planned.sets {
            if self.interrupt.requested() {
                break;
            }
            memory::restart();
            let made = self.set(set, scorer, &shared, &protocol);
            for row in &set.rows {
                take(match &made {
                    Ok((trial, loss)) => scored(set, row, of, study, scorer, trial, *loss),
                    Err(problem) => refused(set, row, of, problem.to_string()),
                })?;
            }
        }
        Ok(())
    }

    fn study_of(&self, cells: &Cells<LogNormalized>, planned: &StudyPlan) -> crate::Result<Study> {
        let mut opened = cells.study(&planned.label).seed(planned.seed);
        if let Some(model) = &self.foundation {
            opened = opened.foundation(model.clone());
        }
        if let Some(genes) = self.settings.variable_genes {
            opened = opened.variable_genes(genes);
        }
        if let Some(epochs) = self.settings.foundation_epochs {
            opened = opened.foundation_epochs(epochs);
        }
        opened.run()
    }

    /// A training set, and the last value of the loss that made it.
    fn set(
        &self,
        set: &SetPlan,
        scorer: &Scorer<'_>,
        shared: &Shared,
        protocol: &Protocol,
    ) -> crate::Result<(Trial, Option<f64>)> {
        protocol.check()?;
        let per_class = set.per_class.unwrap_or(0);
        let made = match &set.method.kind {
            Kind::Baseline(baseline) => return Ok((scorer.baseline(&**baseline, per_class)?, None)),
            _ => set.method.make(shared, per_class)?,
        };
        let Some(made) = made else { return Ok((scorer.all(), None)) };
        if !made.study().same(shared.study()) {
            return Err(crate::evaluate::EvaluateError::OtherStudy.into());
        }
        let loss = made.history().loss.last().copied().and_then(significant);
        Ok((scorer.set(&made)?, loss))
    }
}

/// A row of a model that was trained and scored, or could not be.
fn scored(
    set: &SetPlan,
    planned: &RowPlan,
    of: usize,
    study: &Study,
    scorer: &Scorer<'_>,
    trial: &Trial,
    loss: Option<f64>,
) -> BenchmarkRow {
    let started = Instant::now();
    let found: EvaluationRow = match scorer.row(trial, &*planned.model) {
        Ok(Some(row)) => row,
        Ok(None) => {
            let problem = "the set has embeddings and no cells, and this model is trained on expression".to_owned();
            return refused(set, planned, of, problem);
        }
        Err(problem) => {
            scorer.notes();
            return refused(set, planned, of, problem.to_string());
        }
    };
    let notes: Vec<String> = study.notes().iter().cloned().chain(scorer.notes()).collect();
    let recall = study.classes().iter().zip(&found.recall_per_class);
    BenchmarkRow {
        status: OK.to_owned(),
        accuracy: Some(rounded(found.accuracy_mean)),
        macro_f1: Some(rounded(found.macro_f1_mean)),
        balanced_accuracy: Some(rounded(found.balanced_accuracy_mean)),
        rare_recall: found.rare_recall.map(rounded),
        recall: recall.filter_map(|(class, recall)| Some((class.clone(), rounded((*recall)?)))).collect(),
        loss,
        seconds: found.seconds.map(rounded),
        model_seconds: Some(rounded(started.elapsed().as_secs_f64())),
        peak_mb: memory::peak_mb(),
        cells: Some(found.cells),
        permille: Some(rounded(found.permille)),
        scored: Some(scorer.cells()),
        note: notes.join("; "),
        ..refused(set, planned, of, String::new())
    }
}

/// A row without scores.
fn refused(set: &SetPlan, planned: &RowPlan, of: usize, problem: String) -> BenchmarkRow {
    let key = planned.key.clone();
    BenchmarkRow {
        file: key.file,
        label: key.label,
        per_class: key.per_class,
        method: key.method,
        model: key.model,
        seed: key.seed,
        status: problem,
        accuracy: None,
        macro_f1: None,
        balanced_accuracy: None,
        rare_recall: None,
        recall: Default::default(),
        loss: None,
        seconds: None,
        model_seconds: None,
        peak_mb: None,
        cells: None,
        permille: None,
        scored: None,
        note: String::new(),
        row: planned.number,
        of,
        config: set.config.clone(),
    }
}

/// The settings that differ, one level down where settings are groups.
fn difference(here: &serde_json::Value, there: &serde_json::Value) -> String {
    let inner = differing(&here["settings"], &there["settings"]);
    if inner.is_empty() { differing(here, there) } else { inner }
}
