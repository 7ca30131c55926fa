//! What can go wrong between counts and training.

/// Errors of preprocessing: each says what was found, what was expected, and the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A setting outside its range.
    #[error("{0}")]
    Setting(String),
    /// Nothing is left after filtering.
    #[error("{0}")]
    Nothing(String),
    /// Cells without a single count cannot be normalised.
    #[error("{0}")]
    ZeroCounts(String),
}
