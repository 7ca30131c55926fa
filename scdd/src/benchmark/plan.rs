//! The rows of a grid in order, and the part of a shard.
//!
//! The order is file, label, seed, budget, method, model, so the sets of one study are adjacent. A shard is a run of
//! sets: with at least as many studies as shards, a study is made by two of them at most.

use std::sync::Arc;

use serde_json::{Value, json};

use super::method::Kind;
use super::row::Key;
use super::{BenchmarkBuilder, BenchmarkError, Method};
use crate::error::SettingError;
use crate::evaluate::EvaluationModel;

/// Rows to make, study by study.
pub(super) struct Plan {
    pub(super) studies: Vec<StudyPlan>,
    /// Rows of the grid, of all shards.
    pub(super) of: usize,
}

/// Sets to make of one study.
pub(super) struct StudyPlan {
    /// Position of the data set.
    pub(super) source: usize,
    pub(super) label: String,
    pub(super) seed: u64,
    pub(super) sets: Vec<SetPlan>,
}

/// One set, and the models that are trained on it.
pub(super) struct SetPlan {
    pub(super) method: Method,
    pub(super) per_class: Option<usize>,
    pub(super) config: Value,
    pub(super) rows: Vec<RowPlan>,
}

/// One row.
pub(super) struct RowPlan {
    pub(super) key: Key,
    pub(super) number: usize,
    pub(super) model: Arc<dyn EvaluationModel>,
}

impl Plan {
    /// All sets that are left.
    pub(super) fn sets(&self) -> impl Iterator<Item = &SetPlan> {
        self.studies.iter().flat_map(|study| &study.sets)
    }

    /// All rows that are left, in their order.
    pub(super) fn rows_of_sets(&self) -> impl Iterator<Item = &RowPlan> {
        self.sets().flat_map(|set| &set.rows)
    }

    /// How many rows are left.
    pub(super) fn rows(&self) -> usize {
        self.sets().map(|set| set.rows.len()).sum()
    }

    /// Removes rows that are done, then empty sets and studies.
    pub(super) fn without(mut self, done: impl Fn(&Key) -> bool) -> Self {
        for study in &mut self.studies {
            for set in &mut study.sets {
                set.rows.retain(|row| !done(&row.key));
            }
            study.sets.retain(|set| !set.rows.is_empty());
        }
        self.studies.retain(|study| !study.sets.is_empty());
        self
    }
}

impl BenchmarkBuilder {
    /// The rows of this shard.
    pub(super) fn rows_planned(&self) -> crate::Result<Plan> {
        self.check()?;
        let foundation = self.foundation.as_ref().map_or(
            Value::Null,
            |model| json!({ "name": model.name(), "latent": model.latent(), "checksum": model.checksum() }),
        );
        let (mut studies, mut number) = (Vec::new(), 0);
        for (source, of_source) in self.sources.iter().enumerate() {
            let cells = of_source.checksum()?;
            for label in &of_source.labels {
                for &seed in &self.seeds {
                    let mut sets = Vec::new();
                    for (per_class, method) in self.sets() {
                        let row = |model: &Arc<dyn EvaluationModel>| {
                            let key = Key {
                                file: of_source.name.clone(),
                                label: label.clone(),
                                seed,
                                per_class,
                                method: method.name().to_owned(),
                                model: model.name(),
                            };
                            number += 1;
                            RowPlan { key, number: number - 1, model: model.clone() }
                        };
                        let rows = self.models.iter().map(row).collect();
                        let config = through_json(self.settings.config(&cells, &foundation, method));
                        sets.push(SetPlan { method: method.clone(), per_class, config, rows });
                    }
                    studies.push(StudyPlan { source, label: label.clone(), seed, sets });
                }
            }
        }
        Ok(Plan { studies: self.part(studies), of: number })
    }

    /// Budgets and methods in their order; all training cells, which have no budget, once and first.
    fn sets(&self) -> impl Iterator<Item = (Option<usize>, &Method)> {
        let all = |method: &&Method| matches!(method.kind, Kind::All);
        let without = self.methods.iter().filter(all).map(|method| (None, method));
        without.chain(self.budgets.iter().flat_map(move |&per_class| {
            self.methods.iter().filter(move |method| !all(method)).map(move |method| (Some(per_class), method))
        }))
    }

    /// The sets of this shard.
    fn part(&self, studies: Vec<StudyPlan>) -> Vec<StudyPlan> {
        let (number, of) = self.shard;
        let sets: usize = studies.iter().map(|study| study.sets.len()).sum();
        let mine = (number - 1) * sets / of..number * sets / of;
        let mut sets_before = 0;
        let mut kept = Vec::new();
        for mut study in studies {
            study.sets.retain(|_| {
                sets_before += 1;
                mine.contains(&(sets_before - 1))
            });
            if !study.sets.is_empty() {
                kept.push(study);
            }
        }
        kept
    }

    fn check(&self) -> Result<(), BenchmarkError> {
        let fail = |name, found: String, expected: &str| {
            Err(BenchmarkError::Setting(SettingError::new(name, found, expected)))
        };
        if self.sources.is_empty() || self.sources.iter().any(|source| source.labels.is_empty()) {
            return fail("file", "without a label column, or not there".to_owned(), ".file(path, [\"cell_type\"])");
        }
        let (number, of) = self.shard;
        if of == 0 || number == 0 || number > of {
            return fail("shard", format!("{number} of {of}"), "a number from 1 to the number of shards");
        }
        for (name, empty) in [
            ("budgets", self.budgets.is_empty()),
            ("methods", self.methods.is_empty()),
            ("models", self.models.is_empty()),
            ("seeds", self.seeds.is_empty()),
        ] {
            if empty {
                return fail(name, "empty".to_owned(), "at least one");
            }
        }
        if self.budgets.contains(&0) {
            return fail("budgets", "0".to_owned(), "1 or more");
        }
        if self.settings.protocol.networks == 0 {
            return fail("networks", "0".to_owned(), "1 or more");
        }
        let twice = |names: Vec<String>| {
            let (mut sorted, all) = (names.clone(), names.len());
            sorted.sort();
            sorted.dedup();
            (sorted.len() < all).then(|| names.join(", "))
        };
        for (name, found) in [
            ("budgets", twice(self.budgets.iter().map(usize::to_string).collect())),
            ("methods", twice(self.methods.iter().map(|method| method.name().to_owned()).collect())),
            ("models", twice(self.models.iter().map(|model| model.name()).collect())),
            ("seeds", twice(self.seeds.iter().map(u64::to_string).collect())),
        ] {
            if let Some(found) = found {
                return fail(name, found, "each once");
            }
        }
        let mut names: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(BenchmarkError::SameName(pair[0].to_owned())),
            None => Ok(()),
        }
    }
}

/// A value as it comes back from a file.
fn through_json(value: Value) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::benchmark;

    fn grid() -> BenchmarkBuilder {
        let cells = crate::simulate().cells(60).genes(50).classes(2).run().unwrap();
        let cells = cells.preprocess().min_genes(1).run().unwrap();
        let grid = benchmark().cells("a", &cells, ["cell_type"]).cells("b", &cells, ["cell_type"]);
        grid.budgets([1, 5]).seeds(3)
    }

    fn numbers(grid: &BenchmarkBuilder) -> Vec<usize> {
        grid.rows_planned().unwrap().sets().flat_map(|set| set.rows.iter().map(|row| row.number)).collect()
    }

    #[test]
    fn shards_are_every_row_once_in_the_order_of_the_grid() {
        let whole = numbers(&grid());
        assert_eq!(whole, (0..whole.len()).collect::<Vec<_>>());
        assert_eq!(grid().rows_planned().unwrap().of, whole.len());
        for of in [1, 2, 4, 7, 1_000] {
            let parts: Vec<usize> = (1..=of).flat_map(|number| numbers(&grid().shard(number, of))).collect();
            assert_eq!(parts, whole, "{of} shards");
        }
    }

    #[test]
    fn shards_share_as_few_studies_as_they_can() {
        let studies = |number, of| grid().shard(number, of).rows_planned().unwrap().studies.len();
        assert_eq!((1..=6).map(|number| studies(number, 6)).collect::<Vec<_>>(), [1; 6]);
        assert_eq!(studies(1, 2) + studies(2, 2), 6);
    }

    #[test]
    fn all_training_cells_stand_once_in_a_study_whatever_the_budgets() {
        let plan = grid().rows_planned().unwrap();
        for study in &plan.studies {
            let all = study.sets.iter().filter(|set| set.per_class.is_none());
            assert_eq!(all.count(), 1);
            assert_eq!(study.sets.len(), 1 + 2 * (grid().methods.len() - 1));
        }
    }

    #[test]
    fn what_can_not_be_a_grid_is_refused_by_name() {
        let message = |grid: BenchmarkBuilder| grid.rows_planned().err().unwrap().to_string();
        assert!(message(benchmark()).contains("label column"));
        assert!(message(grid().shard(3, 2)).contains("3 of 2"));
        assert!(message(grid().budgets([0])).contains("budgets is 0"));
        assert!(message(grid().seed_numbers([])).contains("seeds is empty"));
        assert!(message(grid().seed_numbers([1, 1])).contains("each once"));
        assert!(message(grid().file("folder/a.h5ad", ["x"])).contains("two files are called 'a'"));
        assert!(message(grid().file("nowhere.h5ad", ["x"])).contains("no such file"));
    }

    #[test]
    fn other_settings_are_another_config_and_another_seed_is_not() {
        let config = |grid: BenchmarkBuilder| grid.rows_planned().unwrap().studies[0].sets[3].config.clone();
        assert_eq!(config(grid()), config(grid().seed_numbers([9])));
        assert_ne!(config(grid()), config(grid().networks(2)));
        assert_ne!(config(grid()), config(grid().steps(2)));
    }
}
