//! The rows of a benchmark, as tables with marks, Markdown and HTML.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use itertools::Itertools;

use super::{BenchmarkError, BenchmarkRow, Measure, ScoreTable, journal, names};
use crate::text::count;

/// Rows of a benchmark. Cheap to clone.
#[derive(Clone)]
pub struct BenchmarkResults {
    rows: Arc<Vec<BenchmarkRow>>,
}

impl std::fmt::Debug for BenchmarkResults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let refused = self.rows.iter().filter(|row| !row.ok()).count();
        write!(f, "{}, {refused} of them refused", count(self.rows.len(), "row"))
    }
}

impl BenchmarkResults {
    /// Results of rows that are at hand.
    pub fn new(rows: Vec<BenchmarkRow>) -> Self {
        Self { rows: Arc::new(rows) }
    }

    /// The rows of a result file; half a line at its end, of a process that was killed, is passed over.
    ///
    /// # Errors
    /// When the file can't be read, or a line is no row; the error says which.
    pub fn read(path: impl AsRef<Path>) -> crate::Result<Self> {
        Ok(Self::new(journal::read(path.as_ref())?.into_iter().map(|(_, row)| row).collect()))
    }

    /// Writes the rows as lines of JSON; the file is there as a whole or not at all.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> crate::Result<()> {
        Ok(journal::write(path.as_ref(), &self.rows)?)
    }

    /// The rows.
    pub fn rows(&self) -> &[BenchmarkRow] {
        &self.rows
    }

    /// The name of a method that has rows; case, spaces and punctuation don't matter.
    ///
    /// # Errors
    /// When no row is of such a method; the error lists those that there are.
    pub fn method_named(&self, name: &str) -> Result<String, BenchmarkError> {
        let known: Vec<String> = self.rows.iter().map(|row| row.method.clone()).unique().collect();
        Ok(known[names::find("method", name, &known)?].clone())
    }

    /// One table for each data set and label: methods by models, mean and deviation over seeds, with the best and the second
    /// best of each model and budget marked.
    pub fn tables(&self, measure: Measure) -> Vec<ScoreTable> {
        let data_sets = self.rows.iter().map(|row| (row.file.as_str(), row.label.as_str())).unique();
        let table = |(file, label): (&str, &str)| {
            let rows: Vec<&BenchmarkRow> =
                self.rows.iter().filter(|row| row.file == file && row.label == label).collect();
            ScoreTable::new(file, label, &rows, measure)
        };
        data_sets.map(table).collect()
    }

    /// All tables of accuracy and of macro-F1 in Markdown: the best of a budget bold, the second best underlined; then the
    /// rows that were refused, and why.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for measure in [Measure::Accuracy, Measure::MacroF1] {
            for table in self.tables(measure) {
                text += &format!("**{}**\n\n{}\n", table.caption(), table.markdown());
            }
        }
        let refused = self.refused();
        if !refused.is_empty() {
            text += "Rows without scores:\n\n";
            refused.iter().for_each(|line| text += &format!("- {line}\n"));
        }
        text
    }

    /// The same in HTML.
    pub fn html(&self) -> String {
        let tables = [Measure::Accuracy, Measure::MacroF1].into_iter().flat_map(|measure| self.tables(measure));
        let mut html: String = tables.map(|table| table.html()).collect();
        let refused = self.refused();
        if !refused.is_empty() {
            let lines: String =
                refused.iter().map(|line| format!("<li>{}</li>", crate::notebook::escape(line))).collect();
            html += &format!("<p>Rows without scores:</p><ul>{lines}</ul>\n");
        }
        html
    }

    /// Why rows were refused, and how many for each reason.
    pub fn refused(&self) -> Vec<String> {
        let mut reasons: BTreeMap<(&str, &str), Vec<&BenchmarkRow>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| !row.ok()) {
            reasons.entry((&row.method, &row.status)).or_default().push(row);
        }
        let line = |((method, status), rows): ((&str, &str), Vec<&BenchmarkRow>)| {
            let mut models: Vec<&str> = rows.iter().map(|row| row.model.as_str()).collect();
            models.sort_unstable();
            models.dedup();
            format!("{method} ({}; {}): {status}", models.join(", "), count(rows.len(), "row"))
        };
        reasons.into_iter().map(line).collect()
    }

    /// Shows the tables in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show(&[("text/html", &self.html()), ("text/plain", &self.markdown())]);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::journal::tests::row;
    use super::*;

    /// Two seeds of four methods, and a row without scores.
    pub(in crate::benchmark) fn results() -> BenchmarkResults {
        let mut rows = Vec::new();
        for seed in [1, 2] {
            let offset = 0.01 * seed as f64;
            rows.push(row("all training cells", "linear head", seed, 0.95 + offset));
            rows.push(row("DC", "linear head", seed, 0.8 + offset));
            rows.push(row("class mean", "linear head", seed, 0.9));
            rows.push(row("DM", "linear head", seed, 0.7));
        }
        rows.push(BenchmarkRow {
            accuracy: None,
            macro_f1: None,
            status: "too few | cells".into(),
            ..row("DM", "MLP", 1, 0.0)
        });
        BenchmarkResults::new(rows)
    }

    #[test]
    fn markdown_marks_best_and_second_best_of_a_budget_and_counts_what_was_refused() {
        let text = results().markdown();
        assert!(text.contains("**0.900 ± 0.000**"), "{text}");
        assert!(text.contains("<u>0.815 ± 0.007</u>"), "{text}");
        // All training cells have no rank.
        assert!(text.contains("| all training cells | all | 0.965 ± 0.007 |"), "{text}");
        assert!(text.contains("- DM (MLP; 1 row): too few | cells"), "{text}");
        let html = results().html();
        assert!(html.contains("<strong>0.900 ± 0.000</strong>") && html.contains("<u>0.815 ± 0.007</u>"), "{html}");
    }

    #[test]
    fn rows_that_were_written_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let rows: Vec<BenchmarkRow> = results()
            .rows()
            .iter()
            .enumerate()
            .map(|(number, row)| {
                let round = |value: Option<f64>| value.map(super::super::row::rounded);
                let recall =
                    row.recall.iter().map(|(class, value)| (class.clone(), super::super::row::rounded(*value)));
                BenchmarkRow {
                    seed: number as u64,
                    accuracy: round(row.accuracy),
                    macro_f1: round(row.macro_f1),
                    balanced_accuracy: round(row.balanced_accuracy),
                    recall: recall.collect(),
                    ..row.clone()
                }
            })
            .collect();
        BenchmarkResults::new(rows.clone()).write(&path).unwrap();
        assert_eq!(BenchmarkResults::read(&path).unwrap().rows(), rows);
    }
}
