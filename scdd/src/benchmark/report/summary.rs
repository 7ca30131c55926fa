//! Summary over data sets: mean scores of each method, by model and by data set.

use super::table::{LINEAR_HEAD, MEAN_OF_UNSEEN, ScoreTable, budget};
use crate::benchmark::{BenchmarkResults, Measure};
use crate::evaluate::mean;

/// Tables of accuracy and macro-F1 of one data set and label.
pub(super) struct TablePair {
    pub(super) accuracy: ScoreTable,
    pub(super) f1: ScoreTable,
}

impl TablePair {
    pub(super) fn of(&self, method: &str, per_class: Option<usize>, column: &str) -> Option<(f64, f64)> {
        Some((self.accuracy.mean(method, per_class, column)?, self.f1.mean(method, per_class, column)?))
    }
}

/// Means of a method over data sets that all have it: accuracy and macro-F1.
fn over(pairs: &[TablePair], method: &str, per_class: Option<usize>, column: &str) -> Option<(f64, f64)> {
    let scores: Option<Vec<(f64, f64)>> = pairs.iter().map(|pair| pair.of(method, per_class, column)).collect();
    let (accuracy, f1): (Vec<f64>, Vec<f64>) = scores?.into_iter().unzip();
    Some((mean(&accuracy)?, mean(&f1)?))
}

/// Methods by columns, in Markdown; a method without values has no line.
fn markdown(first: &TablePair, head: &[String], values: impl Fn(&str, Option<usize>) -> Vec<Option<String>>) -> String {
    let mut text =
        format!("| training set | per class | {} |\n|---|---|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for (method, per_class) in first.accuracy.methods() {
        let values = values(method, per_class);
        if values.iter().any(Option::is_some) {
            let shown: Vec<String> = values.into_iter().map(|value| value.unwrap_or("–".to_owned())).collect();
            text += &format!("| {method} | {} | {} |\n", budget(per_class), shown.join(" | "));
        }
    }
    text
}

impl BenchmarkResults {
    pub(super) fn table_pairs(&self) -> Vec<TablePair> {
        let tables = self.tables(Measure::Accuracy).into_iter().zip(self.tables(Measure::MacroF1));
        tables.map(|(accuracy, f1)| TablePair { accuracy, f1 }).collect()
    }

    /// Means over data sets of each method and budget that all of them have, in Markdown; empty for one data set.
    pub(super) fn summary_over_data_sets(&self) -> String {
        let pairs = self.table_pairs();
        let Some(first) = pairs.first().filter(|_| pairs.len() > 1) else { return String::new() };
        let accuracy_of = |method: &str, per_class: Option<usize>, column: &str| {
            over(&pairs, method, per_class, column).map(|(accuracy, _)| format!("{accuracy:.3}"))
        };
        let f1_of = |method: &str, per_class: Option<usize>, column: &str| {
            over(&pairs, method, per_class, column).map(|(_, f1)| format!("{f1:.3}"))
        };
        let names = [LINEAR_HEAD, MEAN_OF_UNSEEN].map(|column| [format!("{column}: accuracy"), "macro-F1".to_owned()]);
        let mut text = markdown(first, &names.concat(), |method, per_class| {
            let columns = [LINEAR_HEAD, MEAN_OF_UNSEEN].into_iter();
            columns.flat_map(|name| [accuracy_of(method, per_class, name), f1_of(method, per_class, name)]).collect()
        });
        text += "\nAccuracy by model, the same means.\n\n";
        text += &markdown(first, first.accuracy.columns(), |method, per_class| {
            first.accuracy.columns().iter().map(|column| accuracy_of(method, per_class, column)).collect()
        });
        if first.accuracy.columns().iter().any(|column| column == MEAN_OF_UNSEEN) {
            text += &format!("\nAccuracy by data set: {MEAN_OF_UNSEEN}, mean ± deviation over seeds.\n\n");
            let head = pairs.iter().map(|pair| pair.accuracy.data_set().to_owned()).chain(["mean".to_owned()]);
            text += &markdown(first, &head.collect::<Vec<_>>(), |method, per_class| {
                let of = |pair: &TablePair| {
                    pair.accuracy.spread(method, per_class, MEAN_OF_UNSEEN).map(|spread| spread.to_string())
                };
                pairs.iter().map(of).chain([accuracy_of(method, per_class, MEAN_OF_UNSEEN)]).collect()
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::unseen_models::tests::results;
    use super::*;

    #[test]
    fn the_summary_is_the_mean_over_data_sets_and_then_each_of_them() {
        let text = results().summary_over_data_sets();
        assert!(text.contains("| DC | 1 | 0.550 |"), "{text}");
        assert!(text.contains("| training set | per class | linear head | MLP |"), "{text}");
        assert!(text.contains("| DC | 1 | 0.550 | 0.550 |"), "{text}");
        assert!(text.contains("| training set | per class | a, cell_type | b, cell_type | mean |"), "{text}");
        assert!(text.contains("| DC | 1 | 0.500 | 0.600 | 0.550 |\n"), "{text}");
        assert_eq!(BenchmarkResults::new(results().rows()[..18].to_vec()).summary_over_data_sets(), "");
    }
}
