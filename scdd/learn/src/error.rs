//! What can be wrong with data and settings of a method.

/// Errors of all methods: what was found, what was expected, and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A classifier of one class learns nothing.
    #[error(
        "all {cells} training cells have label {class}; a classifier needs two classes or more: choose another \
         label column or keep more classes"
    )]
    OneClass {
        /// The only class.
        class: u32,
        /// How many training cells have it.
        cells: usize,
    },
    /// A NaN or an infinity among the features.
    #[error(
        "cell {cell}, feature {feature} is {value}; features must be finite: look for a division by zero or \
         a distillation that diverged (a lower rate mends that)"
    )]
    NotFinite {
        /// Row.
        cell: usize,
        /// Column.
        feature: usize,
        /// What stood there.
        value: f32,
    },
    /// A label at or above the number of classes.
    #[error("cell {cell} has label {label}, but there are {classes} classes, 0 to {}; give the number of classes of \
             the whole study, not of one part", .classes.saturating_sub(1))]
    LabelOutOfRange {
        /// Position of the label.
        cell: usize,
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// Rows and labels, or true and predicted labels, differ in number.
    #[error("{found} {what} for {expected} labels; each needs exactly one label")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// Number of labels.
        expected: usize,
    },
    /// No cell or no feature to train on.
    #[error("training features are {cells} cells x {features} features; at least one of both is needed")]
    EmptyTraining {
        /// Rows.
        cells: usize,
        /// Columns.
        features: usize,
    },
    /// No cell to score.
    #[error("there are no test cells to score; at least one is needed")]
    EmptyTest,
    /// Features are not those that the model was trained on.
    #[error(
        "cells have {found} features, but the model was trained on {expected}; embed both with the same foundation"
    )]
    Width {
        /// Columns given.
        found: usize,
        /// Columns expected.
        expected: usize,
    },
    /// Softmax regression that diverged.
    #[error(
        "training of network {network} diverged in epoch {epoch}: loss {loss}; lower learning_rate ({learning_rate}) or \
         embedding_scale ({embedding_scale})"
    )]
    Diverged {
        /// Which network.
        network: usize,
        /// First epoch without a finite loss, counted from 0; the number of epochs when it is the last update's.
        epoch: usize,
        /// That loss.
        loss: f64,
        /// The rate it was trained with.
        learning_rate: f64,
        /// What the features were multiplied with.
        embedding_scale: f32,
    },
    /// More principal components than the cells or features have.
    #[error(
        "{found} principal components are asked for of {cells} training cells x {features} genes; from 1 to {most} are \
         expected, fewer than cells and than genes: set .components({most}) or less"
    )]
    Components {
        /// Components asked for.
        found: usize,
        /// Rows.
        cells: usize,
        /// Columns.
        features: usize,
        /// Most that there can be.
        most: usize,
    },
    /// Cells that do not differ, or are all zero.
    #[error(
        "the {cells} cells x {features} numbers do not vary or are all zero, so there is no direction of variance; look \
         at the cells that were kept"
    )]
    NoVariance {
        /// Rows.
        cells: usize,
        /// Columns.
        features: usize,
    },
    /// The solver of principal components failed.
    #[error("the principal components were not found: {0}; ask for fewer .components()")]
    Decomposition(String),
}

/// A setting outside its range: what it was, and what it may be.
///
/// ```
/// use scdd_learn::SettingError;
/// let error = SettingError::new("per_class", 0, "1 or more");
/// assert_eq!(error.to_string(), "per_class is 0; expected 1 or more");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {found}; expected {expected}")]
pub struct SettingError {
    /// The setting.
    pub setting: &'static str,
    /// What it was.
    pub found: String,
    /// What it may be, and where that helps the way to get there.
    pub expected: String,
}

impl SettingError {
    /// Of a setting, by name.
    pub fn new(setting: &'static str, found: impl ToString, expected: impl Into<String>) -> Self {
        Self { setting, found: found.to_string(), expected: expected.into() }
    }
}

/// Checks that there is one label per row and that none reaches `classes`; `what` names the rows in the error.
///
/// # Errors
/// [`LearnError::Count`] or [`LearnError::LabelOutOfRange`].
pub fn check_labels(what: &'static str, rows: usize, labels: &[u32], classes: usize) -> Result<(), LearnError> {
    if rows != labels.len() {
        return Err(LearnError::Count { what, found: rows, expected: labels.len() });
    }
    match labels.iter().enumerate().find(|(_, label)| **label as usize >= classes) {
        Some((cell, &label)) => Err(LearnError::LabelOutOfRange { cell, label, classes }),
        None => Ok(()),
    }
}

/// Checks that a classifier can be trained on rows with these labels: there are cells and features, one label for each
/// cell, and at least two classes have a cell.
///
/// # Errors
/// [`LearnError::EmptyTraining`], [`LearnError::OneClass`], and those of [`check_labels`].
pub fn check_training_set(cells: usize, features: usize, labels: &[u32], classes: usize) -> Result<(), LearnError> {
    if cells == 0 || features == 0 {
        return Err(LearnError::EmptyTraining { cells, features });
    }
    check_labels("training cells", cells, labels, classes)?;
    if labels.iter().all(|label| *label == labels[0]) {
        return Err(LearnError::OneClass { class: labels[0], cells });
    }
    Ok(())
}

/// Fails with [`LearnError::Setting`] unless the condition holds.
pub(crate) fn demand(
    holds: bool,
    name: &'static str,
    value: impl ToString,
    expected: &'static str,
) -> Result<(), LearnError> {
    if holds { Ok(()) } else { Err(SettingError::new(name, value, expected).into()) }
}
