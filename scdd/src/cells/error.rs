//! What can be wrong with cells.

use std::path::{Path, PathBuf};

/// Errors of reading, checking and writing cells: each says what was found, what was expected, and the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellsError {
    /// The parts of a matrix, or names and annotations, do not fit together.
    #[error("{0}")]
    Shape(String),
    /// Values that are not what the stage expects: negative, fractional, already normalised.
    #[error("{0}")]
    Values(String),
    /// Names of genes that are not unique.
    #[error("{0}")]
    Names(String),
    /// A label column that is not there or cannot be used as labels.
    #[error("{0}")]
    Labels(String),
    /// An array of `obsm` that is not there or does not fit the cells.
    #[error("{0}")]
    Obsm(String),
    /// A setting outside its range.
    #[error("{0}")]
    Setting(String),
    /// A frame that could not be made.
    #[error("polars refuses the frame: {0}")]
    Frame(#[from] polars::error::PolarsError),
    /// A file that cannot be read or written.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found in it, and the mend.
        problem: String,
    },
}

impl CellsError {
    /// Puts the file before what is wrong with it.
    pub(crate) fn file(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_path_buf(), problem: problem.to_string() }
    }
}
