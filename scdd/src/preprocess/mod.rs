//! From counts to log-normalised cells, and their split.

/// Errors of preprocessing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A setting outside its range.
    #[error("{0}")]
    Setting(String),
}
