//! One method beside every other one: what a choice is worth, such as a default beside each thing changed in it.

use std::collections::BTreeMap;

use itertools::Itertools;

use super::claims::{OverDataSets, over_data_sets};
use super::sheet::{SEEN, budget};
use super::{BenchmarkResults, Measure, Paired};
use crate::evaluate::mean;

impl BenchmarkResults {
    /// A method minus each other one, in Markdown, before the mean of the models that distillation never saw (all but the
    /// linear head): points of accuracy and macro-F1 as means over data sets and labels, the seeds in which the method is
    /// above and below, and in how many data sets it is better or worse by more than chance
    /// ([`Paired::more_than_chance`]). One line for each budget of the method; empty without rows to compare.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = benchmark().cells("simulated", &cells, ["cell_type"]).foundation_epochs(1).seeds(2);
    /// let opened = opened.methods_named(["class mean", "random cells"])?.models_named(["nearest neighbours"])?;
    /// let table = opened.run()?.beside("class mean");
    /// assert!(table.contains("| random cells | 1 |"));
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn beside(&self, method: &str) -> String {
        let models: Vec<&str> =
            self.rows().iter().map(|row| row.model.as_str()).unique().filter(|model| *model != SEEN).collect();
        let others = self.rows().iter().map(|row| row.method.as_str()).unique().filter(|other| *other != method);
        let lines: String = others.flat_map(|other| self.lines_beside(method, other, &models)).collect();
        if lines.is_empty() {
            return String::new();
        }
        format!(
            "Points of {method} minus each other line: means over data sets, before the mean of the unseen models.\n\n\
             | minus | per class | accuracy | macro-F1 | seeds above | seeds below | data sets | better | worse |\n\
             |---|---|---|---|---|---|---|---|---|\n{lines}"
        )
    }

    /// A line for each budget.
    fn lines_beside(&self, method: &str, other: &str, models: &[&str]) -> Vec<String> {
        let by_place = self.differences(method, other, Measure::Accuracy, models);
        let of = |measure| self.paired_under(method, other, measure, models, "unseen");
        let pairs: Vec<(Paired, Paired)> = of(Measure::Accuracy).into_iter().zip(of(Measure::MacroF1)).collect();
        let line = |OverDataSets { per_class, accuracy, f1, data_sets, better, worse }: OverDataSets| {
            let here = by_place.iter().filter(|((_, _, budget), _)| *budget == per_class).map(|(_, seeds)| seeds);
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

/// Means over places of each seed that all of them have.
fn seed_means<'a>(places: impl Iterator<Item = &'a BTreeMap<u64, f64>>) -> Vec<f64> {
    let places: Vec<&BTreeMap<u64, f64>> = places.collect();
    let Some(first) = places.first() else { return Vec::new() };
    let of = |seed: &u64| -> Option<f64> {
        let values: Option<Vec<f64>> = places.iter().map(|place| place.get(seed).copied()).collect();
        mean(&values?)
    };
    first.keys().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::BenchmarkRow;
    use super::super::journal::tests::row;
    use super::*;

    fn results() -> BenchmarkResults {
        let mut rows = Vec::new();
        for (file, better) in [("a", 0.03), ("b", 0.01)] {
            for seed in 1..=3 {
                // What a seed does to both drops out; in the third the change is better.
                let split = 0.1 * seed as f64;
                let better = if seed == 3 { -0.001 } else { better };
                for (method, accuracy) in [("default", 0.5 + better), ("changed", 0.5), ("same", 0.5 + better)] {
                    let of = |model: &str, accuracy| BenchmarkRow {
                        file: file.into(),
                        ..row(method, model, seed, accuracy + split)
                    };
                    rows.extend([of("MLP", accuracy), of(SEEN, 0.1)]);
                }
            }
        }
        BenchmarkResults::new(rows)
    }

    #[test]
    fn a_line_has_points_over_data_sets_and_the_seeds_on_either_side() {
        let text = results().beside("default");
        // Means of (.03, .03, -.001) and (.01, .01, -.001).
        assert!(text.contains("| changed | 1 | +1.3 | "), "{text}");
        assert!(text.contains(" | 2 | 1 | 2 | 0 | 0 |\n"), "{text}");
        assert!(text.contains("| same | 1 | +0.0 | +0.0 | 0 | 0 | 2 | 0 | 0 |\n"), "{text}");
        assert!(!text.contains("| default |"), "{text}");
        assert_eq!(results().beside("scVI"), "");
    }
}
