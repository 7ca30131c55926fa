//! What can be wrong with a benchmark and its result files.

use std::path::PathBuf;

use crate::text::{first_few, grouped};

/// Errors of running benchmarks, and of reading, joining and showing their results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchmarkError {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] crate::error::SettingError),
    /// A name of no method, model, measure or table.
    #[error("there is no {kind} '{name}'{}{}", suggested(.near), .known.join("; "))]
    Unknown {
        /// "method", "model", "measure" or "table".
        kind: &'static str,
        /// What was not understood.
        name: String,
        /// Known names that are written nearly so.
        near: Vec<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// Two files that results could not tell apart.
    #[error(
        "two files are called '{0}', and rows are told apart by it; give one another name with .named(name, path, labels)"
    )]
    SameName(String),
    /// A file that is not there, or can't be read or written.
    #[error("{}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the mend.
        problem: String,
    },
    /// A line that is no row of a benchmark.
    #[error(
        "{}, line {line}: {problem}; every line is a row of a benchmark in JSON. Nothing was changed: mend or remove the line, \
         or choose another file", .path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A row that was made with other settings.
    #[error(
        "{}, line {line}: {row} was made with other settings{difference}. Go on with the same, or choose another file",
        .path.display()
    )]
    OtherSettings {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Which row.
        row: String,
        /// In what they differ.
        difference: String,
    },
    /// A file that another process writes.
    #[error("{}: another benchmark writes to it; wait for it, or choose another file", .0.display())]
    Locked(PathBuf),
    /// Two files that say different things of one row.
    #[error(
        "{row} is in two files and differs: {difference}. Results of different settings or versions can't be joined"
    )]
    Conflict {
        /// Which row.
        row: String,
        /// What is different.
        difference: String,
    },
    /// Rows of the grid that no file has.
    #[error(
        "{} of {} rows are missing, such as {}; run the shards that were not finished again with the same settings, which \
         only makes what is missing", grouped(*.count), grouped(*.of), first_few(.missing)
    )]
    Missing {
        /// The rows, or ranges of their numbers.
        missing: Vec<String>,
        /// How many rows that are.
        count: usize,
        /// Rows of the grid.
        of: usize,
    },
    /// What methods share could not be made.
    #[error("{0}")]
    Shared(String),
    /// Nothing to show.
    #[error("there are no rows; run a benchmark, or read a file of one")]
    Empty,
    /// The frame could not be made.
    #[error("table of results: {0}")]
    Table(#[from] polars::error::PolarsError),
}

fn suggested(near: &[String]) -> String {
    if near.is_empty() {
        "; there are ".to_owned()
    } else {
        format!(". Did you mean '{}'? There are ", near.join("' or '"))
    }
}

impl BenchmarkError {
    pub(super) fn file(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into() }
    }
}
