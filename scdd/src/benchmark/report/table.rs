//! A table of one data set and label: methods by models, the best and the second best marked.

use std::fmt::Write as _;

use itertools::Itertools;

use crate::benchmark::row::ALL_CELLS;
use crate::benchmark::{BenchmarkRow, Measure};
use crate::evaluate::{mean, sample_deviation};
use crate::notebook::escape;
use crate::text::count;

/// The model on the embeddings that distillation matched.
pub(in crate::benchmark) const LINEAR_HEAD: &str = "linear head";
/// The column of the mean over all other models.
pub(in crate::benchmark) const MEAN_OF_UNSEEN: &str = "mean of unseen models";

/// Means and deviations over seeds. Lines are methods with a budget, columns models.
#[derive(Clone, Debug)]
pub struct ScoreTable {
    caption: String,
    columns: Vec<String>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    method: String,
    per_class: Option<usize>,
    permille: Option<f64>,
    cells: Vec<Option<Spread>>,
    ranks: Vec<Option<usize>>,
}

/// Mean, deviation and number of seeds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) deviation: Option<f64>,
}

impl ScoreTable {
    pub(in crate::benchmark) fn new(file: &str, label: &str, rows: &[&BenchmarkRow], measure: Measure) -> Self {
        let mut columns: Vec<String> = rows.iter().map(|row| row.model.clone()).unique().collect();
        let mut lines: Vec<(&str, Option<usize>)> =
            rows.iter().map(|row| (row.method.as_str(), row.per_class)).unique().collect();
        // Budget by budget; what has no budget comes last, as the bound.
        lines.sort_by_key(|(_, per_class)| per_class.unwrap_or(usize::MAX));
        let unseen: Vec<String> = columns.iter().filter(|model| *model != LINEAR_HEAD).cloned().collect();
        let with_mean = unseen.len() > 1;
        let line = |(method, per_class): (&str, Option<usize>)| {
            let of: Vec<&&BenchmarkRow> =
                rows.iter().filter(|row| row.method == method && row.per_class == per_class).collect();
            let under = |model: &String| -> Vec<(u64, f64)> {
                let of_model = of.iter().filter(|row| row.model == *model);
                of_model.filter_map(|row| Some((row.seed, measure.of(row)?))).collect()
            };
            let mut cells: Vec<Option<Spread>> =
                columns.iter().map(|model| Spread::of(&values(&under(model)))).collect();
            if with_mean {
                let all: Vec<Vec<(u64, f64)>> = unseen.iter().map(under).collect();
                cells.push(Spread::of(&means(&all)));
            }
            let ranks = vec![None; cells.len()];
            let permille = of.iter().find_map(|row| row.permille);
            Line { method: method.to_owned(), per_class, permille, cells, ranks }
        };
        let mut lines: Vec<Line> = lines.into_iter().map(line).collect();
        if with_mean {
            columns.push(MEAN_OF_UNSEEN.to_owned());
        }
        mark(&mut lines, columns.len());
        let mut seeds: Vec<u64> = rows.iter().map(|row| row.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let scored = rows.iter().find_map(|row| row.scored);
        let scored = scored.map_or(String::new(), |cells| format!(", on {}", count(cells, "cell")));
        let spread = if seeds.len() > 1 { ", mean ± deviation over" } else { " of" };
        let caption = format!("{file}, {label}: {}{spread} {}{scored}", measure.name(), count(seeds.len(), "seed"));
        Self { caption, columns, lines }
    }

    /// Data set and label.
    pub(super) fn data_set(&self) -> &str {
        self.caption.split_once(':').map_or(&self.caption, |(of, _)| of)
    }

    /// Methods and budgets, in table order.
    pub(super) fn methods(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        self.lines.iter().map(|line| (line.method.as_str(), line.per_class))
    }

    /// Models, and their mean.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Budgets, each once.
    pub(super) fn budgets(&self) -> Vec<usize> {
        let mut budgets: Vec<usize> = self.lines.iter().filter_map(|line| line.per_class).collect();
        budgets.dedup();
        budgets
    }

    /// A method's mean and deviation over seeds in a column.
    pub(super) fn spread(&self, method: &str, per_class: Option<usize>, column: &str) -> Option<Spread> {
        let column = self.columns.iter().position(|name| name == column)?;
        let line = self.lines.iter().find(|line| line.method == method && line.per_class == per_class)?;
        line.cells[column]
    }

    /// A method's mean over seeds in a column.
    pub(super) fn mean(&self, method: &str, per_class: Option<usize>, column: &str) -> Option<f64> {
        self.spread(method, per_class, column).map(|spread| spread.mean)
    }

    /// Data set, label, measure and number of seeds.
    pub fn caption(&self) -> &str {
        &self.caption
    }

    /// As Markdown, without the caption: the best bold, the second best underlined.
    pub fn markdown(&self) -> String {
        let plain = |text: &str| text.replace('|', "\\|");
        let mut text = format!(
            "| training set | per class |{}\n|---|---|{}\n",
            self.columns.iter().map(|model| format!(" {} |", plain(model))).collect::<String>(),
            "---|".repeat(self.columns.len())
        );
        for line in &self.lines {
            let _ = write!(text, "| {} | {} |", plain(&line.method), budget(line.per_class));
            for (cell, rank) in line.cells.iter().zip(&line.ranks) {
                let _ = match (cell, rank) {
                    (None, _) => write!(text, " – |"),
                    (Some(cell), Some(1)) => write!(text, " **{cell}** |"),
                    (Some(cell), Some(2)) => write!(text, " <u>{cell}</u> |"),
                    (Some(cell), _) => write!(text, " {cell} |"),
                };
            }
            text.push('\n');
        }
        text
    }

    /// As an HTML table.
    pub fn html(&self) -> String {
        let border = "border-bottom:1px solid #b0b0b0";
        let head = |name: &str, side: &str| {
            format!("<th scope=\"col\" style=\"text-align:{side};padding:4px 12px;{border}\">{}</th>", escape(name))
        };
        let mut html = format!(
            "<table style=\"border-collapse:collapse;font-variant-numeric:tabular-nums;margin:0 0 24px\">\
             <caption style=\"caption-side:top;text-align:left;padding:4px 0;font-weight:600\">{}</caption>\n<thead><tr>{}{}{}",
            escape(&self.caption),
            head("training set", "left"),
            head("per class", "right"),
            head("permille", "right"),
        );
        self.columns.iter().for_each(|model| html += &head(model, "right"));
        html += "</tr></thead>\n<tbody>\n";
        let cell = |text: &str, side: &str| {
            format!("<td style=\"text-align:{side};padding:3px 12px;white-space:nowrap\">{text}</td>")
        };
        for line in &self.lines {
            let permille = line.permille.map_or("–".to_owned(), |permille| format!("{permille:.1}"));
            html += &format!(
                "<tr>{}{}{}",
                cell(&escape(&line.method), "left"),
                cell(&budget(line.per_class), "right"),
                cell(&permille, "right")
            );
            for (spread, rank) in line.cells.iter().zip(&line.ranks) {
                let text = match (spread, rank) {
                    (None, _) => "–".to_owned(),
                    (Some(spread), Some(1)) => format!("<strong>{spread}</strong>"),
                    (Some(spread), Some(2)) => format!("<u>{spread}</u>"),
                    (Some(spread), _) => spread.to_string(),
                };
                html += &cell(&text, "right");
            }
            html += "</tr>\n";
        }
        html + "</tbody></table>\n"
    }
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        Some(Self { mean: mean(values)?, deviation: sample_deviation(values) })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.deviation {
            Some(deviation) => write!(f, "{:.3} ± {deviation:.3}", self.mean),
            None => write!(f, "{:.3}", self.mean),
        }
    }
}

/// A budget as tables print it.
pub(super) fn budget(per_class: Option<usize>) -> String {
    per_class.map_or("all".to_owned(), |count| count.to_string())
}

fn values(of_seeds: &[(u64, f64)]) -> Vec<f64> {
    of_seeds.iter().map(|(_, value)| *value).collect()
}

/// The mean over models for each seed that all of them have.
fn means(models: &[Vec<(u64, f64)>]) -> Vec<f64> {
    let Some(first) = models.first() else { return Vec::new() };
    let of = |seed: u64| -> Option<f64> {
        let values: Vec<f64> = models
            .iter()
            .filter_map(|model| model.iter().find(|(other, _)| *other == seed).map(|(_, value)| *value))
            .collect();
        (values.len() == models.len()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    first.iter().filter_map(|(seed, _)| of(*seed)).collect()
}

/// Ranks the best and second best of each column among the lines of one budget, by the printed digits: equal values have equal
/// ranks. All training cells have no rank, nor has a line without others of its budget.
fn mark(lines: &mut [Line], columns: usize) {
    for column in 0..columns {
        let budgets: Vec<Option<usize>> = lines.iter().map(|line| line.per_class).collect();
        for (position, budget) in budgets.iter().enumerate().filter(|(_, budget)| budget.is_some()) {
            let printed = |line: &Line| line.cells[column].map(|cell| (cell.mean * 1e3).round() as i64);
            let Some(here) = printed(&lines[position]) else { continue };
            let rivals = lines.iter().filter(|line| line.per_class == *budget && line.method != ALL_CELLS);
            let mut rivals: Vec<i64> = rivals.filter_map(printed).collect();
            rivals.sort_unstable_by(|a, b| b.cmp(a));
            let several = rivals.len() > 1;
            rivals.dedup();
            let rank = rivals.iter().position(|&value| value == here).map(|rank| rank + 1);
            lines[position].ranks[column] = rank.filter(|&rank| several && rank <= 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::journal::tests::row;

    #[test]
    fn marks_stay_within_a_budget_and_equals_share_them() {
        let of = |method: &str, per_class: usize, accuracy| BenchmarkRow {
            per_class: Some(per_class),
            ..row(method, "MLP", 1, accuracy)
        };
        let rows =
            [of("a", 1, 0.5), of("b", 1, 0.5), of("c", 1, 0.4), of("d", 1, 0.3), of("a", 5, 0.9), of("b", 5, 0.8)];
        let table = ScoreTable::new("x", "y", &rows.iter().collect::<Vec<_>>(), Measure::Accuracy);
        let ranks: Vec<Option<usize>> = table.lines.iter().map(|line| line.ranks[0]).collect();
        assert_eq!(ranks, [Some(1), Some(1), Some(2), None, Some(1), Some(2)]);
        assert_eq!(table.caption(), "x, y: accuracy of 1 seed, on 400 cells");
    }

    #[test]
    fn the_mean_of_the_unseen_leaves_out_the_head_and_seeds_without_all_models() {
        let rows = [
            row("a", LINEAR_HEAD, 1, 0.1),
            row("a", "MLP", 1, 0.4),
            row("a", "TOSICA", 1, 0.6),
            row("a", "MLP", 2, 0.9),
        ];
        let table = ScoreTable::new("x", "y", &rows.iter().collect::<Vec<_>>(), Measure::Accuracy);
        assert_eq!(table.columns, [LINEAR_HEAD, "MLP", "TOSICA", MEAN_OF_UNSEEN]);
        assert!((table.lines[0].cells[3].unwrap().mean - 0.5).abs() < 1e-12);
        assert!((table.lines[0].cells[1].unwrap().mean - 0.65).abs() < 1e-12);
    }
}
