//! What can be wrong with the input of a figure.

/// Errors of drawing figures and tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisualizeError {
    /// There is nothing to draw.
    #[error("{what} is empty: {found}; give at least {least}")]
    Empty {
        /// What is empty.
        what: &'static str,
        /// What was found, in numbers.
        found: String,
        /// The least that can be drawn.
        least: &'static str,
    },
    /// Two inputs that belong together differ in length.
    #[error("{what}: found {found}, expected {expected}")]
    Length {
        /// The inputs.
        what: String,
        /// Length found.
        found: usize,
        /// Length of the input that it belongs to.
        expected: usize,
    },
    /// A label that names no class.
    #[error("label {label} of {kind} cell {cell} is no class: there are {classes} class names (0 to {last})", last = classes.saturating_sub(1))]
    Label {
        /// "real" or "synthetic".
        kind: &'static str,
        /// Position of the cell.
        cell: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A value that cannot be drawn.
    #[error("{what} holds {value} at {at}; {hint}")]
    Value {
        /// The input.
        what: String,
        /// The value.
        value: f64,
        /// Where it stands.
        at: String,
        /// What to do.
        hint: &'static str,
    },
    /// A table column that is not there, or holds no numbers.
    #[error("no numeric column {column:?} in this table; numeric columns: {present:?}")]
    Column {
        /// The name asked for.
        column: String,
        /// The numeric columns.
        present: Vec<String>,
    },
    /// The page could not be written.
    #[error("could not write {path}: {source}; check that the folder exists and is writable")]
    Write {
        /// The target.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// plotly.js could not be read.
    #[error("could not read plotly.js from {path}: {source}; it comes as plotly.min.js with the Python package plotly")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
}
