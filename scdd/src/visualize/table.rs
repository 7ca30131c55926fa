//! A table of results that shows itself: HTML in a notebook, aligned text in a terminal.

use std::fmt::{Display as _, Write as _};
use std::sync::Arc;

use polars::prelude::{AnyValue, Column, DataFrame};

use super::VisualizeError;
use crate::notebook::{block, emit, escape};
use crate::text::{count, grouped};

/// A polars frame with a caption. Numbers stand to the right with thousands separators and, column by column, as
/// many decimals as give the largest four digits (at least one beside fractions below 100); the best value of a column is bold
/// when asked for. A clone shares the data.
///
/// ```
/// use polars::df;
/// let frame = df!("method" => ["scDD", "random"], "macro F1" => [0.91234, 0.7], "cells" => [14i64, 13_500])?;
/// let table = scdd::visualize::Table::new(frame, "One cell per class").highest("macro F1")?;
/// assert_eq!(
///     table.to_string(),
///     "One cell per class\n\
///      method  macro F1   cells\n\
///      scDD     0.9123*      14\n\
///      random   0.7000   13,500\n\
///      * best value\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    frame: DataFrame,
    caption: Arc<str>,
    best: Arc<Vec<(String, bool)>>,
}

impl Table {
    /// A table of all columns of `frame`, in order.
    pub fn new(frame: DataFrame, caption: &str) -> Self {
        Self { frame, caption: caption.into(), best: Arc::default() }
    }

    /// Prints the highest value of a column bold. The column holds numbers, or texts that open with one
    /// ("0.91 ± 0.02").
    ///
    /// # Errors
    /// When there is no such column; the error lists those that would do.
    pub fn highest(self, column: &str) -> Result<Self, VisualizeError> {
        self.mark(column, true)
    }

    /// Prints the lowest value of a column bold; see [`highest`](Self::highest).
    ///
    /// # Errors
    /// As for [`highest`](Self::highest).
    pub fn lowest(self, column: &str) -> Result<Self, VisualizeError> {
        self.mark(column, false)
    }

    fn mark(mut self, column: &str, high: bool) -> Result<Self, VisualizeError> {
        let numeric = |column: &&Column| numbers(column).iter().any(Option::is_some);
        let columns = self.frame.columns();
        if !columns.iter().filter(numeric).any(|c| c.name() == column) {
            return Err(VisualizeError::Column {
                column: column.to_owned(),
                present: columns.iter().filter(numeric).map(|c| c.name().to_string()).collect(),
            });
        }
        Arc::make_mut(&mut self.best).push((column.to_owned(), high));
        Ok(self)
    }

    /// The numbers as a polars frame.
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The words above the table.
    pub fn caption(&self) -> &str {
        &self.caption
    }

    /// The table as HTML.
    pub fn to_html(&self) -> String {
        let border = "border-bottom:1px solid #b0b0b0";
        let mut html = format!(
            "<table style=\"border-collapse:collapse;font-variant-numeric:tabular-nums\">\
             <caption style=\"caption-side:top;text-align:left;padding:4px 0;font-weight:600\">{}</caption>\n<thead><tr>",
            escape(&self.caption)
        );
        let columns = self.printed();
        for column in &columns {
            let _ = write!(
                html,
                "<th scope=\"col\" style=\"text-align:{};padding:4px 12px;{border}\">{}</th>",
                column.side(),
                escape(&column.name)
            );
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in 0..self.frame.height() {
            html.push_str("<tr>");
            for column in &columns {
                let text = escape(&column.cells[row]);
                let text = if column.best[row] { format!("<strong>{text}</strong>") } else { text };
                let _ = write!(
                    html,
                    "<td style=\"text-align:{};padding:3px 12px;white-space:nowrap\">{text}</td>",
                    column.side()
                );
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table>");
        html
    }

    /// Shows the table in the notebook as HTML and as text.
    pub fn evcxr_display(&self) {
        emit(&[block("text/html", &self.to_html()), block("text/plain", self.to_string().trim_end())]);
    }

    fn printed(&self) -> Vec<Printed> {
        self.frame
            .columns()
            .iter()
            .map(|column| {
                let values = numbers(column);
                let wanted = self.best.iter().find(|(name, _)| column.name() == name.as_str());
                let best = wanted.and_then(|&(_, high)| {
                    let ordered = values.iter().flatten().copied().filter(|x| !x.is_nan());
                    ordered.reduce(|a, b| if (a > b) == high { a } else { b })
                });
                Printed {
                    name: column.name().to_string(),
                    right: values.iter().any(Option::is_some),
                    best: values.iter().map(|value| best.is_some() && *value == best).collect(),
                    cells: cells(column, &values),
                }
            })
            .collect()
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.printed();
        let starred = columns.iter().any(|column| column.best.contains(&true));
        writeln!(f, "{}", self.caption)?;
        let mut lines = vec![String::new(); self.frame.height() + 1];
        for column in &columns {
            // A column with a star is one character wider in each line.
            let marks = column.best.contains(&true);
            let mut texts = vec![column.name.clone()];
            texts.extend(column.cells.iter().zip(&column.best).map(|(text, &best)| match (marks, best) {
                (false, _) => text.clone(),
                (true, false) => format!("{text} "),
                (true, true) => format!("{text}*"),
            }));
            let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
            for (line, text) in lines.iter_mut().zip(texts) {
                let _ = if column.right { write!(line, "{text:>width$}  ") } else { write!(line, "{text:<width$}  ") };
            }
        }
        lines.iter().try_for_each(|line| writeln!(f, "{}", line.trim_end()))?;
        if columns.is_empty() {
            writeln!(f, "({})", count(0, "column"))?;
        }
        if starred { writeln!(f, "* best value") } else { Ok(()) }
    }
}

/// Shows a table in the notebook, or why there is none.
pub(super) fn show(table: crate::Result<Table>) {
    match table {
        Ok(table) => table.evcxr_display(),
        Err(problem) => println!("{problem}"),
    }
}

/// Writes a table as text, or why there is none.
pub(super) fn write(table: crate::Result<Table>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    match table {
        Ok(table) => table.fmt(f),
        Err(problem) => problem.fmt(f),
    }
}

struct Printed {
    name: String,
    cells: Vec<String>,
    best: Vec<bool>,
    right: bool,
}

impl Printed {
    fn side(&self) -> &'static str {
        if self.right { "right" } else { "left" }
    }
}

/// The numbers of a column; a text counts by the number that it opens with, when all texts of the column do.
fn numbers(column: &Column) -> Vec<Option<f64>> {
    let values: Vec<AnyValue<'_>> = (0..column.len()).map(|row| column.get(row).unwrap_or(AnyValue::Null)).collect();
    let read = |value: &AnyValue<'_>| match value {
        AnyValue::String(text) => text.split([' ', '±']).next().and_then(|word| word.replace(',', "").parse().ok()),
        AnyValue::Boolean(_) => None,
        other => other.extract::<f64>(),
    };
    let found: Vec<Option<f64>> = values.iter().map(read).collect();
    let whole = values.iter().zip(&found).all(|(value, number)| value.is_null() || number.is_some());
    if whole { found } else { vec![None; values.len()] }
}

fn cells(column: &Column, numbers: &[Option<f64>]) -> Vec<String> {
    let largest = numbers.iter().flatten().filter(|x| x.is_finite()).fold(0.0f64, |most, x| most.max(x.abs()));
    let decimals = if largest > 0.0 { (3 - largest.log10().floor() as i64).clamp(0, 9) as usize } else { 1 };
    // 8.17 beside 1,000 keeps a decimal.
    let fine = numbers.iter().flatten().any(|x| x.abs() < 100.0 && x.fract() != 0.0);
    let decimals = decimals.max(usize::from(fine));
    let float = column.dtype().is_float();
    let integer = column.dtype().is_integer();
    (0..column.len())
        .map(|row| match (column.get(row).unwrap_or(AnyValue::Null), numbers[row]) {
            (AnyValue::Null, _) => "–".to_owned(),
            (AnyValue::String(text), _) => text.to_owned(),
            (_, Some(number)) if float && !number.is_finite() => "–".to_owned(),
            (_, Some(number)) if float => separated(number, decimals),
            (_, Some(number)) if integer => separated(number, 0),
            (other, _) => other.str_value().into_owned(),
        })
        .collect()
}

fn separated(number: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", number.abs());
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let sign = if number < 0.0 { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{rest}", whole.parse().map_or(whole.to_owned(), grouped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    fn table() -> Table {
        let frame = df!(
            "method" => ["scDD <1>", "random", "all cells"],
            "accuracy" => ["0.91 ± 0.02", "0.85 ± 0.10", "0.97 ± 0.00"],
            "seconds" => [Some(12.5), None, Some(1_234.0)],
            "cells" => [14i64, 14, 1_713],
        );
        Table::new(frame.unwrap(), "Scores & times")
    }

    #[test]
    fn the_best_value_is_bold_and_numbers_stand_right() {
        let html = table().highest("accuracy").unwrap().lowest("seconds").unwrap().to_html();
        assert!(html.contains("<strong>0.97 ± 0.00</strong>"), "{html}");
        assert!(
            html.contains("<td style=\"text-align:right;padding:3px 12px;white-space:nowrap\"><strong>12.5</strong>"),
            "{html}"
        );
        assert!(html.contains(">1,713</td>") && html.contains("scDD &lt;1&gt;") && html.contains("Scores &amp; times"));
        assert_eq!(html.matches("<strong>").count(), 2);
    }

    #[test]
    fn a_column_without_numbers_cannot_have_a_best_value() {
        let error = table().highest("method").unwrap_err().to_string();
        assert!(error.contains("\"method\"") && error.contains("\"accuracy\", \"seconds\", \"cells\""), "{error}");
    }

    #[test]
    fn text_is_aligned_and_missing_values_are_dashes() {
        let text = table().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[3].contains('–'));
        let ends: Vec<usize> = lines[1..].iter().map(|line| line.chars().count()).collect();
        assert!(ends.iter().all(|&end| end == ends[0]), "{text}");
    }
}
