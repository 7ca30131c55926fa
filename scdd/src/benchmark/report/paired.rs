//! Paired tests between methods over seeds: both methods have the same splits, so the effect of a split on both cancels in
//! their difference.
//!
//! The interval is mean +- t(.975, n - 1) s / sqrt(n) of n differences. Splits of one data set share most of their training
//! cells, so s / sqrt(n) is too small; the corrected interval of Nadeau and Bengio (2003, "Inference for the
//! generalization error") uses s sqrt(1/n + n_test / n_train).

use std::collections::BTreeMap;

use itertools::Itertools;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::benchmark::{BenchmarkResults, BenchmarkRow, Measure};

/// Confidence level of the intervals.
const CONFIDENCE: f64 = 0.95;

/// How two methods differ on one data set, label and budget, under one model or the mean of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Data set.
    pub file: String,
    /// Label column.
    pub label: String,
    /// Budget of both, in cells per class; of the first where the other has none (all training cells).
    pub per_class: Option<usize>,
    /// Model, or in words which models' mean.
    pub model: String,
    /// The first method.
    pub method: String,
    /// The one that it is compared with.
    pub other: String,
    /// Seeds that both have.
    pub seeds: usize,
    /// Mean of first minus other.
    pub difference: f64,
    /// 95% interval of that mean by the t distribution; None below two seeds.
    pub interval: Option<(f64, f64)>,
    /// The interval that allows for splits sharing their training cells; None below two seeds, or where the numbers of
    /// cells are unknown.
    pub corrected: Option<(f64, f64)>,
}

impl Paired {
    /// The mean of differences, one for each seed, with both intervals; `test_ratio` is test cells per training cell.
    pub(super) fn intervals(differences: &[f64], test_ratio: Option<f64>) -> (f64, Option<Interval>, Option<Interval>) {
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n.max(1.0);
        let spread = crate::evaluate::sample_deviation(differences);
        let Some((spread, t)) = spread.and_then(|spread| Some((spread, quantile(n - 1.0)?))) else {
            return (mean, None, None);
        };
        let around = |factor: f64| (mean - t * spread * factor.sqrt(), mean + t * spread * factor.sqrt());
        (mean, Some(around(1.0 / n)), test_ratio.map(|ratio| around(1.0 / n + ratio)))
    }

    /// Whether the difference is more than chance: zero lies outside the corrected interval, or the plain one without that.
    pub fn more_than_chance(&self) -> bool {
        self.corrected.or(self.interval).is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// Low and high end.
pub(super) type Interval = (f64, f64);

/// The t value that 95% lie within.
fn quantile(freedom: f64) -> Option<f64> {
    StudentsT::new(0.0, 1.0, freedom).ok().map(|t| t.inverse_cdf(0.5 + CONFIDENCE / 2.0))
}

/// Data set, label and budget of a comparison.
pub(super) type Task<'a> = (&'a str, &'a str, Option<usize>);

impl BenchmarkResults {
    /// Compares a method with another one over the seeds that both have, for each data set, label, budget and model.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = benchmark().cells("simulated", &cells, ["cell_type"]).foundation_epochs(1).seeds(3);
    /// let opened = opened.methods_named(["class mean", "random cells"])?.models_named(["nearest neighbours"])?;
    /// let paired = opened.run()?.paired("class mean", "random cells", Measure::Accuracy);
    /// assert_eq!((paired.len(), paired[0].seeds), (1, 3));
    /// let (low, high) = paired[0].interval.unwrap();
    /// assert!(low <= paired[0].difference && paired[0].difference <= high);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn paired(&self, method: &str, other: &str, measure: Measure) -> Vec<Paired> {
        let models = self.rows().iter().map(|row| row.model.as_str()).unique();
        models.flat_map(|model| self.paired_under(method, other, measure, &[model], model)).collect()
    }

    /// The same for the mean over several models, under the given name.
    pub fn paired_under(
        &self,
        method: &str,
        other: &str,
        measure: Measure,
        models: &[&str],
        name: &str,
    ) -> Vec<Paired> {
        let pair = |(task, seeds): (Task<'_>, BTreeMap<u64, f64>)| {
            let differences: Vec<f64> = seeds.into_values().collect();
            let (difference, interval, corrected) = Paired::intervals(&differences, self.test_ratio(task, method));
            let (file, label, per_class) = task;
            Paired {
                file: file.to_owned(),
                label: label.to_owned(),
                per_class,
                model: name.to_owned(),
                method: method.to_owned(),
                other: other.to_owned(),
                seeds: differences.len(),
                difference,
                interval,
                corrected,
            }
        };
        self.differences(method, other, measure, models).into_iter().map(pair).collect()
    }

    /// A method minus another one for each task and seed that both have, by the mean over the models.
    pub(super) fn differences(
        &self,
        method: &str,
        other: &str,
        measure: Measure,
        models: &[&str],
    ) -> BTreeMap<Task<'_>, BTreeMap<u64, f64>> {
        let [first, second] = [method, other].map(|wanted| self.means(wanted, measure, models));
        let mut differences = BTreeMap::new();
        for (task, seeds) in first {
            // All training cells have no budget and are compared with any.
            let Some(others) = second.get(&task).or_else(|| second.get(&(task.0, task.1, None))) else { continue };
            let seeds = seeds.into_iter().filter_map(|(seed, value)| Some((seed, value - others.get(&seed)?)));
            let seeds: BTreeMap<u64, f64> = seeds.collect();
            if !seeds.is_empty() {
                differences.insert(task, seeds);
            }
        }
        differences
    }

    /// A method's value for each task and seed: the mean over the models; a seed without one of them is left out.
    fn means(&self, method: &str, measure: Measure, models: &[&str]) -> BTreeMap<Task<'_>, BTreeMap<u64, f64>> {
        let mut values: BTreeMap<Task<'_>, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
        for row in self.rows().iter().filter(|row| row.method == method && models.contains(&row.model.as_str())) {
            if let Some(value) = measure.of(row) {
                let task = (row.file.as_str(), row.label.as_str(), row.per_class);
                values.entry(task).or_default().entry(row.seed).or_default().push(value);
            }
        }
        let mean = |(seed, values): (u64, Vec<f64>)| {
            (values.len() == models.len()).then(|| (seed, values.iter().sum::<f64>() / values.len() as f64))
        };
        values.into_iter().map(|(task, seeds)| (task, seeds.into_iter().filter_map(mean).collect())).collect()
    }

    /// Test cells per training cell.
    fn test_ratio(&self, task: Task<'_>, method: &str) -> Option<f64> {
        let here = |row: &&BenchmarkRow| {
            (row.file.as_str(), row.label.as_str(), row.per_class) == task && row.method == method && row.ok()
        };
        let row = self.rows().iter().find(here)?;
        let training = 1_000.0 * row.cells? as f64 / row.permille?;
        (training > 0.0).then_some(row.scored? as f64 / training)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::journal::tests::row;

    #[test]
    fn the_interval_is_that_of_a_paired_t_test() {
        // Mean .03, deviation .01, n = 3: t(.975, 2) = 4.302653, half a width of .024841.
        let (mean, interval, corrected) = Paired::intervals(&[0.02, 0.03, 0.04], Some(0.25));
        let (low, high) = interval.unwrap();
        assert!((mean - 0.03).abs() < 1e-12);
        assert!((low - (0.03 - 0.0248414)).abs() < 1e-6 && (high - (0.03 + 0.0248414)).abs() < 1e-6, "{low} {high}");
        // sqrt(1/3 + 1/4) and not sqrt(1/3).
        let (low, _) = corrected.unwrap();
        assert!((low - (0.03 - 4.302653 * 0.01 * (7.0f64 / 12.0).sqrt())).abs() < 1e-6, "{low}");
        assert_eq!(Paired::intervals(&[0.5], None), (0.5, None, None));
    }

    #[test]
    fn quantiles_are_those_of_tables() {
        for (freedom, expected) in [(1.0, 12.7062), (2.0, 4.30265), (4.0, 2.77645), (9.0, 2.26216), (29.0, 2.04523)] {
            assert!((quantile(freedom).unwrap() - expected).abs() < 1e-4, "{freedom}: {:?}", quantile(freedom));
        }
    }

    #[test]
    fn only_seeds_that_both_methods_have_are_compared() {
        let mut rows = vec![];
        for (seed, a, b) in [(1, 0.9, 0.8), (2, 0.8, 0.75), (3, 0.7, 0.4)] {
            rows.push(row("DC", "MLP", seed, a));
            if seed < 3 {
                rows.push(row("DM", "MLP", seed, b));
            }
            rows.push(row("all training cells", "MLP", seed, 1.0));
            // Five test cells to four training cells.
            rows.iter_mut().for_each(|row| (row.cells, row.permille, row.scored) = (Some(10), Some(25.0), Some(500)));
        }
        let results = BenchmarkResults::new(rows);
        let found = results.paired("DC", "DM", Measure::Accuracy);
        assert_eq!((found.len(), found[0].seeds), (1, 2));
        assert!((found[0].difference - 0.075).abs() < 1e-12);
        let (narrow, wide) = (found[0].interval.unwrap(), found[0].corrected.unwrap());
        assert!(((wide.1 - wide.0) / (narrow.1 - narrow.0) - ((0.5 + 1.25) / 0.5f64).sqrt()).abs() < 1e-9);
        let bound = results.paired("DC", "all training cells", Measure::Accuracy);
        assert_eq!((bound[0].seeds, bound[0].per_class), (3, Some(1)));
        assert!((bound[0].difference + 0.2).abs() < 1e-12);
        assert!(results.paired("DC", "scVI", Measure::Accuracy).is_empty());
    }
}
