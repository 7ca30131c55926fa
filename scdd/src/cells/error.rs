//! What can be wrong with cells.

/// Errors of reading, checking and writing cells.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellsError {
    /// The parts of a sparse matrix do not fit together.
    #[error("{0}")]
    Shape(String),
}
