//! The evaluation table: one row per training set and evaluation model.

use polars::prelude::{Column, DataFrame, NamedFrom, Series};

use scdd_learn::metrics::Scores;
use scdd_learn::statistics::{mean, sample_deviation};

use super::EvaluateError;
use crate::error::SettingError;

/// How one training set did under one evaluation model, over the networks of the protocol.
///
/// Standard deviations are those of a sample (divided by n - 1), over networks; `None` for a single network.
///
/// ```
/// use scdd::evaluate::{EvaluationRow, Scores};
/// let truth = [0, 0, 1, 1];
/// let all = [Scores::new(&truth, &truth, 2)?, Scores::new(&truth, &[0, 0, 1, 0], 2)?];
/// let one = [Scores::new(&truth, &[0, 0, 0, 1], 2)?, Scores::new(&truth, &[0, 0, 1, 0], 2)?];
/// let all = EvaluationRow::new("all training cells", "linear head", &all, 1000, 1000)?.seconds(2.5).relative_to_itself();
/// let one = EvaluationRow::new("class mean", "linear head", &one, 2, 1000)?.per_class(1).seconds(0.1).relative_to(&all);
/// assert_eq!(one.permille, 2.0);
/// assert_eq!(one.ratio_to_all, Some(0.75 / 0.875));
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EvaluationRow {
    /// How the training set was made: "class mean", "scDD+SCDG, DC", "all training cells".
    pub method: String,
    /// Budget in cells per class; `None` for all training cells.
    pub per_class: Option<usize>,
    /// Cells in the training set, over all classes.
    pub cells: usize,
    /// The evaluation model that was trained on it: "linear head".
    pub model: String,
    /// The foundation model whose latents it was trained on: "SCimilarity"; `None` when not said.
    #[serde(default)]
    pub foundation: Option<String>,
    /// Which cells the scores were taken on: "test cells", or "validation cells" for choices.
    #[serde(default = "test_cells")]
    pub scored_on: String,
    /// Networks over which means are taken.
    pub networks: usize,
    /// Mean accuracy on those cells.
    pub accuracy_mean: f64,
    /// Its standard deviation.
    pub accuracy_std: Option<f64>,
    /// Mean macro-F1.
    pub macro_f1_mean: f64,
    /// Its standard deviation.
    pub macro_f1_std: Option<f64>,
    /// Mean balanced accuracy.
    pub balanced_accuracy_mean: f64,
    /// Its standard deviation.
    pub balanced_accuracy_std: Option<f64>,
    /// Mean recall of the classes below 1% of the test cells; `None` when there is no such class.
    pub rare_recall: Option<f64>,
    /// Mean recall of each class on the scored cells, in the order of the study's classes; `None` for a class
    /// without such cells.
    #[serde(default)]
    pub recall_per_class: Vec<Option<f64>>,
    /// Seconds to make the training set; `None` when not measured.
    pub seconds: Option<f64>,
    /// Cells per 1,000 training cells.
    pub permille: f64,
    /// Mean accuracy divided by that of all training cells; `None` before they are known.
    pub ratio_to_all: Option<f64>,
    /// Mean fraction of its own training cells that the model predicts; low on all training cells, the model underfits.
    pub training_accuracy: Option<f64>,
}

impl EvaluationRow {
    /// Summarises the scores of all networks on a set of `cells` made from `training_cells` cells.
    ///
    /// # Errors
    /// When there are no scores or no training cells.
    pub fn new(
        method: impl Into<String>,
        model: impl Into<String>,
        scores: &[Scores],
        cells: usize,
        training_cells: usize,
    ) -> Result<Self, EvaluateError> {
        for (name, count) in [("networks", scores.len()), ("training cells", training_cells)] {
            if count == 0 {
                return Err(EvaluateError::Setting(SettingError::new(name, "0", "1 or more")));
            }
        }
        let of = |score: fn(&Scores) -> f64| -> Vec<f64> { scores.iter().map(score).collect() };
        let accuracy = of(|scores| scores.accuracy);
        let macro_f1 = of(|scores| scores.macro_f1);
        let balanced = of(|scores| scores.balanced_accuracy);
        let rare: Vec<f64> = scores.iter().filter_map(|scores| scores.rare_recall).collect();
        Ok(Self {
            method: method.into(),
            per_class: None,
            cells,
            model: model.into(),
            foundation: None,
            scored_on: test_cells(),
            networks: scores.len(),
            accuracy_mean: mean(&accuracy).unwrap_or(0.0),
            accuracy_std: sample_deviation(&accuracy),
            macro_f1_mean: mean(&macro_f1).unwrap_or(0.0),
            macro_f1_std: sample_deviation(&macro_f1),
            balanced_accuracy_mean: mean(&balanced).unwrap_or(0.0),
            balanced_accuracy_std: sample_deviation(&balanced),
            rare_recall: mean(&rare),
            recall_per_class: recalls(scores),
            seconds: None,
            permille: 1000.0 * cells as f64 / training_cells as f64,
            ratio_to_all: None,
            training_accuracy: None,
        })
    }

    /// Sets the budget in cells per class.
    #[must_use]
    pub fn per_class(self, per_class: usize) -> Self {
        Self { per_class: Some(per_class), ..self }
    }

    /// Says which foundation model embedded the cells, so that rows of two can be told apart.
    #[must_use]
    pub fn foundation(self, name: impl Into<String>) -> Self {
        Self { foundation: Some(name.into()), ..self }
    }

    /// Says how many seconds it took to make the training set.
    #[must_use]
    pub fn seconds(self, seconds: f64) -> Self {
        Self { seconds: Some(seconds), ..self }
    }

    /// Says which fraction of its own training cells the model predicts.
    #[must_use]
    pub fn training_accuracy(self, accuracy: f64) -> Self {
        Self { training_accuracy: Some(accuracy), ..self }
    }

    /// Compares with the row of all training cells; `None` stays when that row's accuracy is 0.
    #[must_use]
    pub fn relative_to(self, all: &Self) -> Self {
        let ratio_to_all = (all.accuracy_mean > 0.0).then(|| self.accuracy_mean / all.accuracy_mean);
        Self { ratio_to_all, ..self }
    }

    /// For the row of all training cells: its ratio is 1.
    #[must_use]
    pub fn relative_to_itself(self) -> Self {
        let all = self.clone();
        self.relative_to(&all)
    }
}

/// Means over networks, class by class.
fn recalls(scores: &[Scores]) -> Vec<Option<f64>> {
    let classes = scores.iter().map(|scores| scores.recall_per_class.len()).max().unwrap_or(0);
    let of = |class: usize| -> Vec<f64> {
        scores.iter().filter_map(|scores| scores.recall_per_class.get(class).copied().flatten()).collect()
    };
    (0..classes).map(|class| mean(&of(class))).collect()
}

fn test_cells() -> String {
    "test cells".to_owned()
}

/// Rows as a polars frame, one column per field under the field's name, in the order given; what is `None` is null.
///
/// # Errors
/// When polars refuses the columns, which no rows are known to cause.
pub(crate) fn table(rows: &[EvaluationRow]) -> Result<DataFrame, EvaluateError> {
    let text = |name: &str, of: fn(&EvaluationRow) -> &str| -> Column {
        Series::new(name.into(), rows.iter().map(of).collect::<Vec<&str>>()).into()
    };
    let count = |name: &str, of: fn(&EvaluationRow) -> Option<usize>| -> Column {
        Series::new(name.into(), rows.iter().map(|row| of(row).map(|count| count as u64)).collect::<Vec<_>>()).into()
    };
    let number = |name: &str, of: fn(&EvaluationRow) -> Option<f64>| -> Column {
        Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()).into()
    };
    let columns = vec![
        text("method", |row| &row.method),
        count("per_class", |row| row.per_class),
        count("cells", |row| Some(row.cells)),
        text("model", |row| &row.model),
        Series::new("foundation".into(), rows.iter().map(|row| row.foundation.as_deref()).collect::<Vec<_>>()).into(),
        text("scored_on", |row| &row.scored_on),
        count("networks", |row| Some(row.networks)),
        number("accuracy_mean", |row| Some(row.accuracy_mean)),
        number("accuracy_std", |row| row.accuracy_std),
        number("macro_f1_mean", |row| Some(row.macro_f1_mean)),
        number("macro_f1_std", |row| row.macro_f1_std),
        number("balanced_accuracy_mean", |row| Some(row.balanced_accuracy_mean)),
        number("balanced_accuracy_std", |row| row.balanced_accuracy_std),
        number("rare_recall", |row| row.rare_recall),
        Series::new("recall_per_class".into(), rows.iter().map(recall_series).collect::<Vec<_>>()).into(),
        number("seconds", |row| row.seconds),
        number("permille", |row| Some(row.permille)),
        number("ratio_to_all", |row| row.ratio_to_all),
        number("training_accuracy", |row| row.training_accuracy),
    ];
    Ok(DataFrame::new(rows.len(), columns)?)
}

fn recall_series(row: &EvaluationRow) -> Series {
    Series::new("".into(), row.recall_per_class.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(networks: usize) -> EvaluationRow {
        let truth = [0, 0, 1, 1, 2];
        let predictions = [[0, 0, 1, 1, 2], [0, 0, 1, 1, 1], [0, 1, 0, 1, 2]];
        let scores: Vec<Scores> =
            predictions[..networks].iter().map(|predicted| Scores::new(&truth, predicted, 3).unwrap()).collect();
        EvaluationRow::new("random cells", "linear head", &scores, 3, 600).unwrap()
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        // accuracies 1.0, 0.8, 0.6: mean 0.8, squares 0.04 + 0 + 0.04, divided by 2
        let row = row(3);
        assert!((row.accuracy_mean - 0.8).abs() < 1e-12);
        assert!((row.accuracy_std.unwrap() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn one_network_has_no_deviation_and_no_network_is_refused() {
        assert_eq!(row(1).accuracy_std, None);
        assert!(EvaluationRow::new("a", "b", &[], 1, 1).unwrap_err().to_string().starts_with("networks is 0"));
    }

    #[test]
    fn every_field_is_a_column_under_its_name_and_none_is_null() {
        let rows = [row(3).per_class(1).seconds(0.5).foundation("PCA"), row(1)];
        let frame = table(&rows).unwrap();
        let fields = serde_json::to_value(&rows[0]).unwrap();
        let mut names: Vec<String> = fields.as_object().unwrap().keys().cloned().collect();
        let mut columns: Vec<String> = frame.get_column_names().iter().map(|name| name.to_string()).collect();
        names.sort();
        columns.sort();
        assert_eq!(columns, names);
        let nulls = |name: &str| frame.column(name).unwrap().null_count();
        assert_eq!((nulls("per_class"), nulls("accuracy_std"), nulls("ratio_to_all")), (1, 1, 2));
        let foundation = frame.column("foundation").unwrap().str().unwrap().clone();
        assert_eq!(foundation.iter().collect::<Vec<_>>(), [Some("PCA"), None]);
        let recalls = frame.column("recall_per_class").unwrap().list().unwrap().get_as_series(0).unwrap();
        let recalls: Vec<Option<f64>> = recalls.f64().unwrap().iter().collect();
        // Three networks find both, both and one of two cells; two, one and one; the last class two times of three.
        let expected = [5.0 / 6.0, 5.0 / 6.0, 2.0 / 3.0];
        assert_eq!(recalls.len(), expected.len());
        assert!(recalls.iter().zip(expected).all(|(found, expected)| (found.unwrap() - expected).abs() < 1e-12));
        assert_eq!(frame.column("permille").unwrap().f64().unwrap().get(0), Some(5.0));
    }

    #[test]
    fn a_table_without_rows_still_has_its_columns() {
        let frame = table(&[]).unwrap();
        assert_eq!((frame.height(), frame.width()), (0, 19));
    }

    #[test]
    fn the_ratio_compares_with_all_training_cells() {
        let all = row(1);
        assert_eq!(row(3).relative_to(&all).ratio_to_all, Some(row(3).accuracy_mean));
        assert_eq!(row(2).relative_to_itself().ratio_to_all, Some(1.0));
    }
}
