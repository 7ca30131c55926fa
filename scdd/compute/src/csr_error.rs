//! Errors of CSR matrices: what was found in which row.

/// Why arrays are no CSR matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum CsrError {
    /// `indptr` doesn't run from 0 to the number of values, or there are not as many indices as values.
    Lengths {
        /// First and last of `indptr`.
        indptr: [Option<u64>; 2],
        /// How many indices there are.
        indices: usize,
        /// How many values there are.
        values: usize,
    },
    /// A row ends before it begins, or behind the last value.
    Ends {
        /// The row.
        row: usize,
        /// Where it begins and ends.
        ends: [u64; 2],
        /// How many values there are.
        values: usize,
    },
    /// The indices of a row are not sorted ascending, or one comes twice.
    Unsorted {
        /// The row.
        row: usize,
    },
    /// An index reaches past the last column.
    Index {
        /// The row.
        row: usize,
        /// The index.
        index: u32,
        /// How many columns there are.
        columns: usize,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// The row.
        row: usize,
        /// The value.
        value: f32,
    },
    /// Dense values don't fill whole rows.
    Dense {
        /// How many values there are.
        values: usize,
        /// How many columns there are.
        columns: usize,
    },
}

impl std::fmt::Display for CsrError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lengths { indptr: [first, last], indices, values } => write!(
                f,
                "sparse rows do not fit together: indptr runs from {first:?} to {last:?} for {values} values and {indices} \
                 indices"
            ),
            Self::Ends { row, ends: [begin, end], values } => {
                write!(f, "row {row}: indptr goes from {begin} to {end} of {values} values")
            }
            Self::Unsorted { row } => write!(f, "row {row}: indices are not sorted ascending"),
            Self::Index { row, index, columns } => write!(f, "row {row}: index {index} of {columns} columns"),
            Self::NotFinite { row, value } => write!(f, "row {row}: value {value}; values must be finite"),
            Self::Dense { values, columns } => write!(f, "{values} values do not fill rows of {columns} columns"),
        }
    }
}

impl std::error::Error for CsrError {}
