//! One row of a benchmark: a model, trained on one set, on the test cells of one split.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `status` says of a row that has scores.
pub(super) const OK: &str = "ok";
/// The method that is no set of a budget.
pub(super) const ALL_CELLS: &str = "all training cells";

/// One row of the results, and one line of a result file.
///
/// Scores have six decimals, so that what is read from a file equals what was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkRow {
    /// Name of the data set: the file's, without folder and ending.
    pub file: String,
    /// Column of obs that holds the classes.
    pub label: String,
    /// Cells asked for per class; None for all training cells.
    pub per_class: Option<usize>,
    /// How the training set was made: "class mean", "scDD+SCDG, DC".
    pub method: String,
    /// What was trained on it: "linear head", "CellTypist".
    pub model: String,
    /// Seed of split, foundation model, set and networks.
    pub seed: u64,
    /// "ok", or why there are no scores.
    pub status: String,
    /// Accuracy on the test cells, mean over networks.
    pub accuracy: Option<f64>,
    /// Macro-F1, likewise.
    pub macro_f1: Option<f64>,
    /// Balanced accuracy, likewise.
    pub balanced_accuracy: Option<f64>,
    /// Recall of the classes below 1% of the test cells; None when there is no such class.
    pub rare_recall: Option<f64>,
    /// Recall of each class that has test cells.
    pub recall: BTreeMap<String, f64>,
    /// Last value of the objective's loss; None where nothing was moved.
    pub loss: Option<f64>,
    /// Seconds to make the set, with what its pipeline needs beside the foundation model.
    pub seconds: Option<f64>,
    /// Seconds to train the model on it and to score it.
    pub model_seconds: Option<f64>,
    /// The most memory that the process held while this set was made and evaluated, in MB; only on Linux.
    pub peak_mb: Option<u64>,
    /// Cells in the set.
    pub cells: Option<usize>,
    /// Cells per 1,000 training cells.
    pub permille: Option<f64>,
    /// Cells that scores were taken on.
    pub scored: Option<usize>,
    /// What a reader should know: classes that the split left out, models that had not converged.
    pub note: String,
    /// Number of the row in its grid, from 0.
    pub row: usize,
    /// Rows of the grid, of all shards.
    pub of: usize,
    /// Settings that the row was made with.
    pub config: Value,
}

/// What tells rows apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) file: String,
    pub(crate) label: String,
    pub(crate) seed: u64,
    pub(crate) per_class: Option<usize>,
    pub(crate) method: String,
    pub(crate) model: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, label, seed, per_class, method, model } = self;
        let budget = crate::text::budget(*per_class);
        write!(f, "'{file}' by '{label}', seed {seed}: {method}{budget}, {model}")
    }
}

impl BenchmarkRow {
    pub(crate) fn key(&self) -> Key {
        Key {
            file: self.file.clone(),
            label: self.label.clone(),
            seed: self.seed,
            per_class: self.per_class,
            method: self.method.clone(),
            model: self.model.clone(),
        }
    }

    /// Whether it has scores.
    pub fn ok(&self) -> bool {
        self.status == OK
    }

    /// The row without what differs from run to run: seconds and memory.
    #[must_use]
    pub fn without_cost(&self) -> Self {
        Self { seconds: None, model_seconds: None, peak_mb: None, ..self.clone() }
    }

    /// In what it differs from another one of the same key, cost left out; None where it doesn't.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let place = |row: &Self| Self { row: 0, of: 0, ..row.without_cost() };
        let (Ok(Value::Object(here)), Ok(Value::Object(there))) =
            (serde_json::to_value(place(self)), serde_json::to_value(place(other)))
        else {
            return None;
        };
        let differs = here.iter().find(|(name, value)| there.get(*name) != Some(value));
        differs.map(|(name, value)| format!("{name} is {value} and {}", there.get(name).unwrap_or(&Value::Null)))
    }
}

/// A score of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Share of test cells whose label is predicted.
    #[default]
    Accuracy,
    /// Mean F1 over classes.
    MacroF1,
    /// Mean recall over classes.
    BalancedAccuracy,
    /// Mean recall over the classes below 1% of the test cells.
    RareRecall,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Accuracy, Self::MacroF1, Self::BalancedAccuracy, Self::RareRecall];

    /// A measure by the name that tables give it; case, spaces and punctuation don't matter.
    ///
    /// # Errors
    /// When there is none of that name; the error lists those that there are.
    pub fn named(name: &str) -> Result<Self, super::BenchmarkError> {
        let known = Self::ALL.map(|measure| measure.name().to_owned());
        Ok(Self::ALL[super::names::find("measure", name, &known)?])
    }

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro-F1",
            Self::BalancedAccuracy => "balanced accuracy",
            Self::RareRecall => "recall of rare classes",
        }
    }

    /// Its value in a row.
    pub fn of(self, row: &BenchmarkRow) -> Option<f64> {
        match self {
            Self::Accuracy => row.accuracy,
            Self::MacroF1 => row.macro_f1,
            Self::BalancedAccuracy => row.balanced_accuracy,
            Self::RareRecall => row.rare_recall,
        }
    }
}

/// Six decimals: such a number comes back from JSON as it was.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Six significant digits, for numbers of any size; None for one that is not finite.
pub(super) fn significant(value: f64) -> Option<f64> {
    value.is_finite().then(|| format!("{value:.5e}").parse().unwrap_or(value))
}
