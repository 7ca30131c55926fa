//! One error for the whole pipeline, made of one enum per folder, and the error of a setting, which all of them have.

/// What went wrong, where: each folder's own error says what was found, what was expected, and the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading, checking or writing cells.
    #[error(transparent)]
    Cells(#[from] crate::cells::CellsError),
    /// Filtering, normalising, splitting.
    #[error(transparent)]
    Preprocess(#[from] crate::preprocess::PreprocessError),
    /// Foundation models.
    #[error(transparent)]
    Foundation(#[from] crate::foundation::FoundationError),
    /// Setting up a study.
    #[error(transparent)]
    Study(#[from] crate::study::StudyError),
    /// Training and using SCDG.
    #[error(transparent)]
    Scdg(#[from] crate::scdg::ScdgError),
    /// Distilling.
    #[error(transparent)]
    Distill(#[from] crate::distill::DistillError),
    /// Choosing a device.
    #[error(transparent)]
    Device(#[from] crate::device::DeviceError),
    /// Training and scoring evaluation models.
    #[error(transparent)]
    Evaluate(#[from] crate::evaluate::EvaluateError),
    /// Running benchmarks and showing their results.
    #[error(transparent)]
    Benchmark(#[from] crate::benchmark::BenchmarkError),
    /// Stopped on request, without a partial result.
    #[error(transparent)]
    Stopped(#[from] crate::progress::Stopped),
    /// Drawing figures and tables.
    #[error(transparent)]
    Visualize(#[from] crate::visualize::VisualizeError),
}

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A setting outside its range: what it was, and what it may be. Every folder's error has it as `Setting`.
///
/// ```
/// use scdd::error::SettingError;
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
