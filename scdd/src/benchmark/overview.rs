//! What the tables of several data sets say together: means over data sets, those of each model, and the data sets beside one
//! another.

use super::sheet::{SEEN, UNSEEN, budget};
use super::{BenchmarkResults, Measure, Sheet};
use crate::evaluate::mean;

/// Tables of one data set and label: accuracy and macro-F1.
pub(super) struct Pair {
    pub(super) accuracy: Sheet,
    pub(super) f1: Sheet,
}

impl Pair {
    pub(super) fn of(&self, method: &str, per_class: Option<usize>, column: &str) -> Option<(f64, f64)> {
        Some((self.accuracy.mean(method, per_class, column)?, self.f1.mean(method, per_class, column)?))
    }
}

/// Means of a method over data sets that all have it: accuracy and macro-F1.
fn over(pairs: &[Pair], method: &str, per_class: Option<usize>, column: &str) -> Option<(f64, f64)> {
    let scores: Option<Vec<(f64, f64)>> = pairs.iter().map(|pair| pair.of(method, per_class, column)).collect();
    let (accuracy, f1): (Vec<f64>, Vec<f64>) = scores?.into_iter().unzip();
    Some((mean(&accuracy)?, mean(&f1)?))
}

/// Methods by columns, in Markdown; a method without values has no line.
fn table(first: &Pair, head: &[String], values: impl Fn(&str, Option<usize>) -> Vec<Option<String>>) -> String {
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
    pub(super) fn pairs(&self) -> Vec<Pair> {
        let sheets = self.sheets(Measure::Accuracy).into_iter().zip(self.sheets(Measure::MacroF1));
        sheets.map(|(accuracy, f1)| Pair { accuracy, f1 }).collect()
    }

    /// Means over data sets of each method and budget that all of them have, in Markdown; empty for one data set.
    pub(super) fn overview(&self) -> String {
        let pairs = self.pairs();
        let Some(first) = pairs.first().filter(|_| pairs.len() > 1) else { return String::new() };
        let accuracy_of = |method: &str, per_class: Option<usize>, column: &str| {
            over(&pairs, method, per_class, column).map(|(accuracy, _)| format!("{accuracy:.3}"))
        };
        let f1_of = |method: &str, per_class: Option<usize>, column: &str| {
            over(&pairs, method, per_class, column).map(|(_, f1)| format!("{f1:.3}"))
        };
        let names = [SEEN, UNSEEN].map(|column| [format!("{column}: accuracy"), "macro-F1".to_owned()]);
        let mut text = table(first, &names.concat(), |method, per_class| {
            let columns = [SEEN, UNSEEN].into_iter();
            columns.flat_map(|name| [accuracy_of(method, per_class, name), f1_of(method, per_class, name)]).collect()
        });
        text += "\nAccuracy by model, the same means.\n\n";
        text += &table(first, first.accuracy.columns(), |method, per_class| {
            first.accuracy.columns().iter().map(|column| accuracy_of(method, per_class, column)).collect()
        });
        if first.accuracy.columns().iter().any(|column| column == UNSEEN) {
            text += &format!("\nAccuracy by data set: the {UNSEEN}, mean ± deviation over seeds.\n\n");
            let head = pairs.iter().map(|pair| pair.accuracy.of_what().to_owned()).chain(["mean".to_owned()]);
            text += &table(first, &head.collect::<Vec<_>>(), |method, per_class| {
                let of = |pair: &Pair| pair.accuracy.spread(method, per_class, UNSEEN).map(|spread| spread.to_string());
                pairs.iter().map(of).chain([accuracy_of(method, per_class, UNSEEN)]).collect()
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::contest::tests::results;
    use super::*;

    #[test]
    fn the_overview_is_the_mean_over_data_sets_and_then_each_of_them() {
        let text = results().overview();
        assert!(text.contains("| DC | 1 | 0.550 |"), "{text}");
        assert!(text.contains("| training set | per class | linear head | MLP |"), "{text}");
        assert!(text.contains("| DC | 1 | 0.550 | 0.550 |"), "{text}");
        assert!(text.contains("| training set | per class | a, cell_type | b, cell_type | mean |"), "{text}");
        assert!(text.contains("| DC | 1 | 0.500 | 0.600 | 0.550 |\n"), "{text}");
        assert_eq!(BenchmarkResults::new(results().rows()[..18].to_vec()).overview(), "");
    }
}
