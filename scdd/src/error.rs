//! One error for the whole pipeline, made of one enum per folder, and the error of a setting, which all of them have.

pub use scdd_learn::{LearnError, SettingError};

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
    /// Annotating cells and searching similar ones.
    #[error(transparent)]
    Annotate(#[from] crate::annotate::AnnotateError),
    /// Running benchmarks and showing their results.
    #[error(transparent)]
    Benchmark(#[from] crate::benchmark::BenchmarkError),
    /// Stopped on request, without a partial result.
    #[error(transparent)]
    Stopped(#[from] crate::progress::Stopped),
    /// Fitting and scoring classical models: softmax and logistic regression, principal components.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// Drawing figures and tables.
    #[error(transparent)]
    Visualize(#[from] crate::visualize::VisualizeError),
}

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
