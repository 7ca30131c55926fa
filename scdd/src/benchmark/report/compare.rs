//! Compares one method with all others, such as a default with each change of it.

use std::collections::BTreeMap;

use itertools::Itertools;

use super::claims::{OverDataSets, over_data_sets};
use super::paired::Paired;
use super::table::{LINEAR_HEAD, budget};
use crate::benchmark::{BenchmarkResults, Measure};
use crate::evaluate::mean;

impl BenchmarkResults {
    /// Compares a method with each other one, in Markdown: the method's score minus the other's, by the mean of the models that
    /// distillation never saw (all but the linear head). Columns are points of accuracy and macro-F1 (means over data sets and
    /// labels), the seeds in which the method is better and worse, and the data sets in which it is so by more than chance
    /// ([`Paired::more_than_chance`]). Each budget has a line; without rows to compare the text is empty.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = benchmark().cells("simulated", &cells, ["cell_type"]).foundation_epochs(1).seeds(2);
    /// let opened = opened.methods_named(["class mean", "random cells"])?.models_named(["nearest neighbours"])?;
    /// let table = opened.run()?.compare("class mean");
    /// assert!(table.contains("| random cells | 1 |"));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn compare(&self, method: &str) -> String {
        let models: Vec<&str> =
            self.rows().iter().map(|row| row.model.as_str()).unique().filter(|model| *model != LINEAR_HEAD).collect();
        let others = self.rows().iter().map(|row| row.method.as_str()).unique().filter(|other| *other != method);
        let lines: String = others.flat_map(|other| self.comparison_lines(method, other, &models)).collect();
        if lines.is_empty() {
            return String::new();
        }
        format!(
            "Points of {method} minus each other line: means over data sets, by the mean of unseen models.\n\n\
             | minus | per class | accuracy | macro-F1 | seeds above | seeds below | data sets | better | worse |\n\
             |---|---|---|---|---|---|---|---|---|\n{lines}"
        )
    }

    /// A line for each budget.
    fn comparison_lines(&self, method: &str, other: &str, models: &[&str]) -> Vec<String> {
        let by_task = self.differences(method, other, Measure::Accuracy, models);
        let of = |measure| self.paired_under(method, other, measure, models, "unseen");
        let pairs: Vec<(Paired, Paired)> = of(Measure::Accuracy).into_iter().zip(of(Measure::MacroF1)).collect();
        let line = |OverDataSets { per_class, accuracy, f1, data_sets, better, worse }: OverDataSets| {
            let here = by_task.iter().filter(|((_, _, budget), _)| *budget == per_class).map(|(_, seeds)| seeds);
            let seeds = seed_means(here);
            let of_sign = |above: bool| seeds.iter().filter(|&&seed| seed != 0.0 && (seed > 0.0) == above).count();
            let (budget, above, below) = (budget(per_class), of_sign(true), of_sign(false));
            format!(
                "| {other} | {budget} | {accuracy} | {f1} | {above} | {below} | {data_sets} | {better} | {worse} |\n"
            )
        };
        over_data_sets(&pairs).into_iter().map(line).collect()
    }
}

/// The mean over tasks for each seed that all of them have.
fn seed_means<'a>(tasks: impl Iterator<Item = &'a BTreeMap<u64, f64>>) -> Vec<f64> {
    let tasks: Vec<&BTreeMap<u64, f64>> = tasks.collect();
    let Some(first) = tasks.first() else { return Vec::new() };
    let of = |seed: &u64| -> Option<f64> {
        let values: Option<Vec<f64>> = tasks.iter().map(|task| task.get(seed).copied()).collect();
        mean(&values?)
    };
    first.keys().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::BenchmarkRow;
    use crate::benchmark::journal::tests::row;

    fn results() -> BenchmarkResults {
        let mut rows = Vec::new();
        for (file, better) in [("a", 0.03), ("b", 0.01)] {
            for seed in 1..=3 {
                // The effect of a seed on both cancels; in the third seed the change is better.
                let split = 0.1 * seed as f64;
                let better = if seed == 3 { -0.001 } else { better };
                for (method, accuracy) in [("default", 0.5 + better), ("changed", 0.5), ("same", 0.5 + better)] {
                    let of = |model: &str, accuracy| BenchmarkRow {
                        file: file.into(),
                        ..row(method, model, seed, accuracy + split)
                    };
                    rows.extend([of("MLP", accuracy), of(LINEAR_HEAD, 0.1)]);
                }
            }
        }
        BenchmarkResults::new(rows)
    }

    #[test]
    fn a_line_has_points_over_data_sets_and_the_seeds_on_either_side() {
        let text = results().compare("default");
        // Means of (.03, .03, -.001) and (.01, .01, -.001).
        assert!(text.contains("| changed | 1 | +1.3 | "), "{text}");
        assert!(text.contains(" | 2 | 1 | 2 | 0 | 0 |\n"), "{text}");
        assert!(text.contains("| same | 1 | +0.0 | +0.0 | 0 | 0 | 2 | 0 | 0 |\n"), "{text}");
        assert!(!text.contains("| default |"), "{text}");
        assert_eq!(results().compare("scVI"), "");
    }
}
