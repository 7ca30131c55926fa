//! Errors of reading, checking and writing cells: each says what was found, what was expected, and how to fix it.

use std::path::{Path, PathBuf};

use scdd_compute::CsrError;

use super::FileProblem;
use crate::error::SettingError;
use crate::text::{first_few, grouped, measured, quoted};

/// What is wrong with cells: their matrix, values, labels, arrays, settings or file.
///
/// ```
/// use scdd::cells::{CellsError, Expression, Provenance};
/// use scdd::polars::prelude::DataFrame;
/// use scdd::{Cells, Counts, Error};
///
/// let counts = Expression::from_dense(2, &[0.0, 3.0])?;
/// let (obs, var) = (DataFrame::new(1, vec![])?, DataFrame::new(2, vec![])?);
/// let genes = vec!["CD3E".to_owned(), "CD3E".to_owned()];
/// let cells = Cells::<Counts>::new(counts, vec!["c1".to_owned()], genes, obs, var, Provenance::default());
/// match cells {
///     Err(Error::Cells(CellsError::GenesTwice { genes })) => assert_eq!(genes, ["CD3E"]),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellsError {
    /// Arrays that are no matrix in compressed sparse rows.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// No cell or no gene.
    #[error("the matrix is empty: {cells} cells x {genes} genes; at least one of each is needed")]
    Empty {
        /// Rows.
        cells: usize,
        /// Columns.
        genes: usize,
    },
    /// Names or annotations of another number than the matrix has cells or genes.
    #[error(
        "{} {what} for {} {unit} of the matrix; give one each, and rows of the matrix are cells",
        grouped(*found), grouped(*expected)
    )]
    Count {
        /// What is counted: "gene names", "rows of obs".
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        expected: usize,
        /// "cells" or "genes".
        unit: &'static str,
    },
    /// Gene names that are not unique.
    #[error(
        "{} gene names come more than once: {}; sum or drop those genes, or read the file with \
         H5ad::open(path).unique_gene_names(), which appends -1, -2, ...",
        grouped(.genes.len()), first_few(genes)
    )]
    GenesTwice {
        /// The names, in the order in which they repeat.
        genes: Vec<String>,
    },
    /// Negative values among counts.
    #[error(
        "{} of {} stored values are negative, the smallest {smallest}; counts are expected, scaled values cannot be \
         turned back: read the counts with {COUNTS}",
        grouped(*negative), grouped(*nnz)
    )]
    Negative {
        /// How many values are negative.
        negative: usize,
        /// Stored values.
        nnz: usize,
        /// The smallest.
        smallest: f32,
    },
    /// Log-normalised values instead of counts.
    #[error(
        "the values are already log-normalised: row sums of expm1 run {}; counts are expected: read the counts with \
         {COUNTS}, or keep them as they are with H5ad::open(path).log_normalized()",
        range(sums)
    )]
    LogNormalized {
        /// Smallest and largest row sum of expm1 of the values.
        sums: (f64, f64),
    },
    /// Normalised values, without the logarithm, instead of counts.
    #[error(
        "the values are already normalised, without the logarithm: row sums run {}; counts are expected: read the counts \
         with {COUNTS}",
        range(sums)
    )]
    Normalized {
        /// Smallest and largest row sum.
        sums: (f64, f64),
    },
    /// Values that are no integers, of a kind that isn't recognised.
    #[error(
        "{} of {} stored values are not integers; row sums run {}, row sums of expm1 {}; counts are expected: read the \
         counts with {COUNTS}, or .log_normalized() when they are log1p of normalised counts",
        grouped(*fractional), grouped(*nnz), range(sums), range(expm1_sums)
    )]
    NotIntegers {
        /// How many values are no integers.
        fractional: usize,
        /// Stored values.
        nnz: usize,
        /// Smallest and largest row sum.
        sums: (f64, f64),
        /// The same of expm1 of the values.
        expm1_sums: (f64, f64),
    },
    /// Nothing but zeros instead of log-normalised expression.
    #[error("every value is zero; log-normalised expression is expected")]
    AllZero,
    /// Negative values instead of log-normalised expression.
    #[error(
        "values run from {smallest} to {largest}; log-normalised expression is not negative: scaled values cannot be \
         turned back, read H5ad::open(path).raw().log_normalized()"
    )]
    Scaled {
        /// The smallest value.
        smallest: f32,
        /// The largest.
        largest: f32,
    },
    /// Counts instead of log-normalised expression.
    #[error(
        "all {} stored values are integers, row sums run {}: these are counts; read them without .log_normalized() and \
         call .preprocess()",
        grouped(*nnz), range(sums)
    )]
    Counts {
        /// Stored values.
        nnz: usize,
        /// Smallest and largest row sum.
        sums: (f64, f64),
    },
    /// Values that are too large to be logarithms of normalised counts.
    #[error(
        "values run up to {largest} and row sums of expm1 run {}; log1p of at most a million counts per cell is at most \
         {most}: take the logarithm first, or start from counts and call .preprocess()",
        range(expm1_sums)
    )]
    NoLogarithms {
        /// The largest value.
        largest: f32,
        /// The largest that is accepted.
        most: f32,
        /// Smallest and largest row sum of expm1 of the values.
        expm1_sums: (f64, f64),
    },
    /// A column that obs does not have.
    #[error("obs has no column '{column}'; its columns are {}", quoted(columns))]
    NoColumn {
        /// The requested name.
        column: String,
        /// All columns of obs.
        columns: Vec<String>,
    },
    /// A column that obs has already.
    #[error(
        "obs has a column '{column}' already; choose another name, or rename that one first: \
         cells.rename_obs(\"{column}\", \"other name\")"
    )]
    ColumnTaken {
        /// The column.
        column: String,
    },
    /// A column of another number of values than there are cells.
    #[error("{} values in the column '{column}' for {} cells; one for each is expected", grouped(*found), grouped(*cells))]
    ColumnLength {
        /// The column.
        column: String,
        /// Its values.
        found: usize,
        /// Cells.
        cells: usize,
    },
    /// A column whose type has no text form.
    #[error("obs column '{column}' of type {kind} cannot be read as labels: {problem}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        kind: String,
        /// What polars says.
        problem: polars::error::PolarsError,
    },
    /// A label column with a single class.
    #[error(
        "obs column '{column}' has one class only, '{class}' for all {} cells; at least two are needed, choose another \
         column of {}",
        grouped(*cells), quoted(columns)
    )]
    OneClass {
        /// The column.
        column: String,
        /// The class.
        class: String,
        /// Cells.
        cells: usize,
        /// All columns of obs.
        columns: Vec<String>,
    },
    /// A label column of measurements.
    #[error(
        "obs column '{column}' holds numbers, {} different ones in {} cells: a measurement, not classes; choose another \
         column of {}",
        grouped(*values), grouped(*cells), quoted(columns)
    )]
    Measurement {
        /// The column.
        column: String,
        /// Different values.
        values: usize,
        /// Cells.
        cells: usize,
        /// All columns of obs.
        columns: Vec<String>,
    },
    /// Cells without a label.
    #[error(
        "{} of {} cells have no label in obs column '{column}', the first is cell {first} ('{name}'); drop them with \
         cells.drop_missing(\"{column}\")",
        grouped(*missing), grouped(*cells)
    )]
    MissingLabels {
        /// The column.
        column: String,
        /// Cells without a label.
        missing: usize,
        /// All cells.
        cells: usize,
        /// Index of the first cell without a label.
        first: usize,
        /// Its name.
        name: String,
    },
    /// A column in which no cell has a value.
    #[error(
        "none of {} cells has a value in obs column '{column}'; choose another column of {}",
        grouped(*cells), quoted(columns)
    )]
    NoLabels {
        /// The column.
        column: String,
        /// Cells.
        cells: usize,
        /// All columns of obs.
        columns: Vec<String>,
    },
    /// A value that no cell has.
    #[error("no cell has '{value}' in obs column '{column}'; its values are {}", first_few(values))]
    NoValue {
        /// The column.
        column: String,
        /// The requested name.
        value: String,
        /// All values of the column.
        values: Vec<String>,
    },
    /// No cell is left of a choice by value.
    #[error("all {} cells have one of {} in obs column '{column}': none is left", grouped(*cells), first_few(values))]
    NoneLeft {
        /// The column.
        column: String,
        /// The values that were left out.
        values: Vec<String>,
        /// Cells.
        cells: usize,
    },
    /// A key that obsm does not have.
    #[error(
        "{}; the arrays that there are, with their dimensions: {}. Name one of them, or add one with \
         cells.with_obsm(\"{key}\", array)",
        found_in_obsm(key, unreadable),
        dimensions(arrays)
    )]
    NoObsm {
        /// The requested name.
        key: String,
        /// Why the array of the file could not be read, if there is one.
        unreadable: Option<String>,
        /// All arrays, each with its dimensions.
        arrays: Vec<(String, usize)>,
    },
    /// An array for obsm that doesn't fit the cells.
    #[error(
        "the array for obsm['{key}'] has the shape [{}, {dimensions}]; one row for each of the {} cells and at least one \
         dimension are expected",
        grouped(*rows), grouped(*cells)
    )]
    ObsmShape {
        /// The key.
        key: String,
        /// Rows of the array.
        rows: usize,
        /// Its columns.
        dimensions: usize,
        /// Cells.
        cells: usize,
    },
    /// A selected index that is out of range.
    #[error("{unit} index {index} is selected of {} {unit}s; indices start at 0", grouped(*count))]
    Index {
        /// "cell" or "gene".
        unit: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A gene that is selected twice.
    #[error("gene {index} ('{name}') is selected twice; select it once")]
    SelectedTwice {
        /// Its index.
        index: usize,
        /// Its name.
        name: String,
    },
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A frame that could not be made.
    #[error("polars refuses the frame: {0}")]
    Frame(#[from] polars::error::PolarsError),
    /// A file that cannot be read or written.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, and how to fix it.
        problem: FileProblem,
    },
}

impl CellsError {
    /// Puts the file before what is wrong with it.
    pub(crate) fn file(path: &Path, problem: impl Into<FileProblem>) -> Self {
        Self::File { path: path.to_path_buf(), problem: problem.into() }
    }
}

/// How counts are read that are not in `X`.
const COUNTS: &str = "H5ad::open(path).raw() or .layer(\"counts\")";

fn range((low, high): &(f64, f64)) -> String {
    format!("from {} to {}", measured(*low), measured(*high))
}

fn found_in_obsm(key: &str, unreadable: &Option<String>) -> String {
    match unreadable {
        Some(problem) => format!("obsm['{key}'] of the file could not be read: {problem}"),
        None => format!("obsm has no array '{key}'"),
    }
}

fn dimensions(arrays: &[(String, usize)]) -> String {
    let arrays: Vec<_> = arrays.iter().map(|(key, dimensions)| format!("'{key}' ({dimensions})")).collect();
    if arrays.is_empty() { "none".to_owned() } else { arrays.join(", ") }
}
