//! The rows of a benchmark as polars frames: all fields, recall of each class, a measure over seeds.

use std::collections::HashMap;

use polars::prelude::{Column, DataFrame, NamedFrom, Series};

use crate::benchmark::{BenchmarkError, BenchmarkResults, BenchmarkRow, Measure};
use crate::evaluate::{mean, sample_deviation};

impl BenchmarkResults {
    /// The rows as a polars frame, one column per field but for `recall`, which [`recalls`](Self::recalls) has; `config` is
    /// JSON.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let rows = self.rows();
        let text = |name: &str, of: fn(&BenchmarkRow) -> &str| -> Column {
            Series::new(name.into(), rows.iter().map(of).collect::<Vec<&str>>()).into()
        };
        let number = |name: &str, of: fn(&BenchmarkRow) -> Option<f64>| -> Column {
            Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()).into()
        };
        let whole = |name: &str, of: fn(&BenchmarkRow) -> Option<u64>| -> Column {
            Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()).into()
        };
        let configs: Vec<String> = rows.iter().map(|row| row.config.to_string()).collect();
        let columns = vec![
            text("file", |row| &row.file),
            text("label", |row| &row.label),
            whole("per_class", |row| row.per_class.map(|count| count as u64)),
            text("method", |row| &row.method),
            text("model", |row| &row.model),
            whole("seed", |row| Some(row.seed)),
            text("status", |row| &row.status),
            number("accuracy", |row| row.accuracy),
            number("macro_f1", |row| row.macro_f1),
            number("balanced_accuracy", |row| row.balanced_accuracy),
            number("rare_recall", |row| row.rare_recall),
            number("loss", |row| row.loss),
            number("seconds", |row| row.seconds),
            number("model_seconds", |row| row.model_seconds),
            whole("peak_mb", |row| row.peak_mb),
            whole("cells", |row| row.cells.map(|count| count as u64)),
            number("permille", |row| row.permille),
            whole("scored", |row| row.scored.map(|count| count as u64)),
            text("note", |row| &row.note),
            whole("row", |row| Some(row.row as u64)),
            whole("of", |row| Some(row.of as u64)),
            Series::new("config".into(), configs).into(),
        ];
        Ok(DataFrame::new(rows.len(), columns).map_err(BenchmarkError::from)?)
    }

    /// Recall of each class in each row, as a polars frame: file, label, per_class, method, model, seed, class, recall.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn recalls(&self) -> crate::Result<DataFrame> {
        let cases: Vec<(&BenchmarkRow, &str, f64)> = self
            .rows()
            .iter()
            .flat_map(|row| row.recall.iter().map(move |(class, recall)| (row, class.as_str(), *recall)))
            .collect();
        let text = |name: &str, of: fn(&BenchmarkRow) -> &str| -> Column {
            Series::new(name.into(), cases.iter().map(|(row, ..)| of(row)).collect::<Vec<&str>>()).into()
        };
        let budgets: Vec<_> = cases.iter().map(|(row, ..)| row.per_class.map(|count| count as u64)).collect();
        let columns = vec![
            text("file", |row| &row.file),
            text("label", |row| &row.label),
            Series::new("per_class".into(), budgets).into(),
            text("method", |row| &row.method),
            text("model", |row| &row.model),
            Series::new("seed".into(), cases.iter().map(|(row, ..)| row.seed).collect::<Vec<_>>()).into(),
            Series::new("class".into(), cases.iter().map(|(_, class, _)| *class).collect::<Vec<_>>()).into(),
            Series::new("recall".into(), cases.iter().map(|(.., recall)| *recall).collect::<Vec<_>>()).into(),
        ];
        Ok(DataFrame::new(cases.len(), columns).map_err(BenchmarkError::from)?)
    }

    /// A measure over seeds, as a polars frame: file, label, per_class, method, model, seeds, mean, deviation (of a sample; null
    /// of one seed). Rows without scores are not in it.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn summary(&self, measure: Measure) -> crate::Result<DataFrame> {
        let mut places: Vec<(&BenchmarkRow, Vec<f64>)> = Vec::new();
        let mut known: HashMap<(&str, &str, Option<usize>, &str, &str), usize> = HashMap::new();
        for row in self.rows() {
            let Some(value) = measure.of(row) else { continue };
            let key = (row.file.as_str(), row.label.as_str(), row.per_class, row.method.as_str(), row.model.as_str());
            let position = *known.entry(key).or_insert(places.len());
            match places.get_mut(position) {
                Some((_, values)) => values.push(value),
                None => places.push((row, vec![value])),
            }
        }
        let text = |name: &str, of: fn(&BenchmarkRow) -> &str| -> Column {
            Series::new(name.into(), places.iter().map(|(row, _)| of(row)).collect::<Vec<&str>>()).into()
        };
        let number = |name: &str, of: fn(&[f64]) -> Option<f64>| -> Column {
            Series::new(name.into(), places.iter().map(|(_, values)| of(values)).collect::<Vec<_>>()).into()
        };
        let budgets: Vec<_> = places.iter().map(|(row, _)| row.per_class.map(|count| count as u64)).collect();
        let seeds: Vec<u64> = places.iter().map(|(_, values)| values.len() as u64).collect();
        let columns = vec![
            text("file", |row| &row.file),
            text("label", |row| &row.label),
            Series::new("per_class".into(), budgets).into(),
            text("method", |row| &row.method),
            text("model", |row| &row.model),
            Series::new("seeds".into(), seeds).into(),
            number("mean", mean),
            number("deviation", sample_deviation),
        ];
        Ok(DataFrame::new(places.len(), columns).map_err(BenchmarkError::from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::results::tests::results;

    #[test]
    fn every_field_of_a_row_is_a_column_of_a_frame() {
        let results = results();
        let frame = results.frame().unwrap();
        let fields = serde_json::to_value(&results.rows()[0]).unwrap();
        for name in fields.as_object().unwrap().keys().filter(|name| *name != "recall") {
            assert!(frame.column(name).is_ok(), "{name}");
        }
        assert_eq!((frame.height(), frame.width()), (9, 22));
        assert_eq!(frame.column("accuracy").unwrap().null_count(), 1);
        let recalls = results.recalls().unwrap();
        assert_eq!(recalls.height(), 18);
    }

    #[test]
    fn a_summary_has_mean_and_deviation_over_the_seeds_that_have_scores() {
        let frame = results().summary(Measure::Accuracy).unwrap();
        // All cells, DC, class mean and DM under the head; DM under the MLP has no scores.
        assert_eq!((frame.height(), frame.width()), (4, 8));
        let mean = frame.column("mean").unwrap().f64().unwrap().get(1).unwrap();
        let deviation = frame.column("deviation").unwrap().f64().unwrap().get(1).unwrap();
        assert!((mean - 0.815).abs() < 1e-12 && (deviation - 0.01 / 2f64.sqrt()).abs() < 1e-12);
    }
}
