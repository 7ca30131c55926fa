//! Summary over unseen models, those that distillation did not use: the best earlier method, the best of scDD, the best
//! baseline, mixtures of metacells, and all training cells.

use super::summary::TablePair;
use super::table::MEAN_OF_UNSEEN;
use crate::benchmark::BenchmarkResults;
use crate::benchmark::method::{Method, all_methods, paper_methods};
use crate::benchmark::row::ALL_CELLS;
use crate::evaluate::mean;

/// Our method.
const MIXTURES: &str = "scDD+Metacells, ridge";
/// How the names of the paper's own pipelines begin.
const OF_PAPER: &str = "scDD";

/// A method's accuracy and macro-F1 by unseen models, means over seeds.
type Score = (String, f64, f64);

/// The method of the highest accuracy.
fn best(pair: &TablePair, methods: &[String], per_class: usize) -> Option<Score> {
    let scores = methods.iter().filter_map(|method| {
        let (accuracy, f1) = pair.of(method, Some(per_class), MEAN_OF_UNSEEN)?;
        Some((method.clone(), accuracy, f1))
    });
    scores.max_by(|one, other| one.1.total_cmp(&other.1))
}

impl BenchmarkResults {
    /// The best of each group by unseen models, in Markdown. Empty without mixtures of metacells.
    pub(super) fn unseen_models(&self) -> String {
        let names = |methods: Vec<Method>| methods.into_iter().map(|method| method.name().to_owned());
        let paper: Vec<String> = names(paper_methods()).collect();
        let baselines: Vec<String> =
            names(all_methods().into_iter().filter(|method| !method.is_recipe()).collect()).collect();
        let baselines: Vec<String> = baselines.into_iter().filter(|name| name != ALL_CELLS).collect();
        let (scdd, before): (Vec<String>, Vec<String>) =
            names(all_methods().into_iter().filter(Method::is_recipe).collect())
                .filter(|name| name != MIXTURES)
                .partition(|name| name.starts_with(OF_PAPER) && paper.contains(name));
        let mut text = format!(
            "| data set | per class | best published before | best of {OF_PAPER} | best baseline | {MIXTURES} | {ALL_CELLS} |\n\
             |---|---|---|---|---|---|---|\n"
        );
        let (mut ahead, mut above, mut closed, mut below) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for pair in self.table_pairs() {
            for per_class in pair.accuracy.budgets() {
                let Some((accuracy, f1)) = pair.of(MIXTURES, Some(per_class), MEAN_OF_UNSEEN) else { continue };
                let groups = [&before, &scdd, &baselines].map(|group| best(&pair, group, per_class));
                let all = pair.of(ALL_CELLS, None, MEAN_OF_UNSEEN);
                if let Some((_, other, _)) = &groups[0] {
                    ahead.push(accuracy - other);
                }
                if let Some((_, other, _)) = &groups[2] {
                    above.push(accuracy - other);
                    below += usize::from(accuracy < *other);
                    closed
                        .extend(all.filter(|(all, _)| all > other).map(|(all, _)| (accuracy - other) / (all - other)));
                }
                let shown = |score: &Option<Score>| match score {
                    Some((name, accuracy, f1)) => format!("{accuracy:.3} / {f1:.3} ({name})"),
                    None => "–".to_owned(),
                };
                text += &format!(
                    "| {} | {per_class} | {} | {accuracy:.3} / {f1:.3} | {} |\n",
                    pair.accuracy.data_set(),
                    groups.iter().map(shown).collect::<Vec<_>>().join(" | "),
                    all.map_or("–".to_owned(), |(accuracy, f1)| format!("{accuracy:.3} / {f1:.3}")),
                );
            }
        }
        if ahead.is_empty() && above.is_empty() {
            return String::new();
        }
        let points = |values: &[f64]| mean(values).map_or("–".to_owned(), |value| format!("{:+.1}", 100.0 * value));
        text += &format!(
            "\nOn average {MIXTURES} is {} points of accuracy from the best pipeline published before scDD, and {} from the best \
             baseline of each row, below which it is in {below} of {}. ",
            points(&ahead),
            points(&above),
            above.len()
        );
        match mean(&closed) {
            Some(fraction) => {
                text += &format!(
                    "Where all training cells are better than that baseline ({} rows), it closes {:.0} % of the gap on average.\n",
                    closed.len(),
                    100.0 * fraction
                );
            }
            None => text += "Nowhere are all training cells better than that baseline.\n",
        }
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::benchmark::BenchmarkRow;
    use crate::benchmark::journal::tests::row;

    /// Two data sets of six methods under three models, the second a tenth higher.
    pub(in crate::benchmark) fn results() -> BenchmarkResults {
        let mut rows = Vec::new();
        for (file, offset) in [("a", 0.0), ("b", 0.1)] {
            for model in ["linear head", "MLP", "CellTypist"] {
                let of = |method: &str, accuracy: f64| BenchmarkRow {
                    file: file.into(),
                    per_class: (method != ALL_CELLS).then_some(1),
                    ..row(method, model, 1, accuracy + offset)
                };
                rows.extend([of("DC", 0.5), of("scDD+SCDG, DC", 0.55), of("class mean", 0.6)]);
                rows.extend([of("medoid", 0.4), of(MIXTURES, 0.7), of(ALL_CELLS, 0.8)]);
            }
        }
        BenchmarkResults::new(rows)
    }

    #[test]
    fn the_summary_names_the_best_of_each_group_and_how_far_the_mixtures_are_from_them() {
        let text = results().unseen_models();
        assert!(text.contains("0.500 / ") && text.contains("(DC)") && text.contains("(class mean)"), "{text}");
        assert!(text.contains("is +20.0 points of accuracy from the best pipeline published before scDD"), "{text}");
        assert!(text.contains("and +10.0 from the best baseline of each row, below which it is in 0 of 2"), "{text}");
        assert!(text.contains("(2 rows), it closes 50 % of the gap"), "{text}");
    }
}
