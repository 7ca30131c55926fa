//! What can be wrong with an .h5ad file, without the file's name, which [`CellsError::File`] puts before.

use crate::cells::CellsError;
use crate::text::grouped;

/// What was found in a file, and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// No file of that name.
    #[error("there is no such file; check the path")]
    NotThere,
    /// The system can't read it.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// No signature of HDF5 where one can stand.
    #[error(
        "is not an HDF5 file: none of its {bytes} bytes start the format; an .h5ad file is expected (unpack it when it is \
         compressed, convert .loom, .rds or .csv with Python's anndata)"
    )]
    NotHdf5 {
        /// Size of the file.
        bytes: u64,
    },
    /// The HDF5 library doesn't open it.
    #[error("is an HDF5 file that cannot be opened, perhaps cut off or damaged: fetch it again ({0})")]
    NotOpened(String),
    /// The HDF5 library can't read an array.
    #[error("'{array}' cannot be read, perhaps the file is cut off or damaged: fetch it again ({problem})")]
    Unreadable {
        /// The array.
        array: String,
        /// What the library says.
        problem: String,
    },
    /// Arrays that contradict each other or the stored bytes.
    #[error("{0}: the file is damaged, fetch or write it again")]
    Damaged(String),
    /// Another file than the one that is known by this name.
    #[error(
        "its SHA-256 is {found}, {expected} is expected: remove it and fetch it again with `cargo xtask data`, or read your \
         own file with read_h5ad(path)"
    )]
    OtherFile {
        /// Its SHA-256.
        found: String,
        /// That of the known file.
        expected: &'static str,
    },
    /// A group or an array that the file does not have.
    #[error("'{parent}' has no {kind} '{name}' ({problem})")]
    NoMember {
        /// The group that it should be in.
        parent: String,
        /// "group" or "array".
        kind: &'static str,
        /// The name.
        name: String,
        /// What the HDF5 library says.
        problem: String,
    },
    /// A matrix that the file does not have.
    #[error(
        "has no matrix {wanted}; it has: {}; choose with H5ad::open(path).raw() or .layer(name)",
        if .matrices.is_empty() { "none".to_owned() } else { .matrices.join(", ") }
    )]
    NoMatrix {
        /// The requested matrix.
        wanted: String,
        /// The matrices of the file.
        matrices: Vec<String>,
    },
    /// Annotations as one array, as anndata wrote them before 0.7.
    #[error(
        "'{name}' is one array instead of a group, as anndata wrote before 0.7; open and save the file once with Python's \
         anndata: anndata.read_h5ad(path).write_h5ad(path)"
    )]
    BeforeAnndata07 {
        /// "obs" or "var".
        name: &'static str,
    },
    /// Annotations without an index.
    #[error("'{name}' has no index; its members are {}", .members.join(", "))]
    NoIndex {
        /// "obs" or "var".
        name: &'static str,
        /// Its members.
        members: Vec<String>,
    },
    /// Columns that can't be read, with `.every_column()`.
    #[error(
        "{} ({} such columns); leave .every_column() out to go without",
        .skipped.first().map_or("", String::as_str), .skipped.len()
    )]
    Columns {
        /// Each column with what is wrong; at least one.
        skipped: Vec<String>,
    },
    /// An encoding that isn't known.
    #[error("'{name}' is of the kind {}; {expected} is expected", .found.as_deref().unwrap_or("(none given)"))]
    Kind {
        /// The group or array.
        name: String,
        /// Its `encoding-type`, or the type of its elements.
        found: Option<String>,
        /// The kinds that can be read.
        expected: &'static str,
    },
    /// An array of an unexpected shape.
    #[error("'{name}' has the shape {found:?}; {expected} expected")]
    Shape {
        /// The array.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it may be, with its verb: "one dimension is".
        expected: String,
    },
    /// More values than memory can hold.
    #[error("needs memory for {values} values, more than there is; use a machine with more memory or fewer cells")]
    Memory {
        /// Values of one array.
        values: usize,
    },
    /// Two values of one gene in one cell.
    #[error("cell {cell} has two values for gene {gene}; one is expected: call X.sum_duplicates() in scipy")]
    EntryTwice {
        /// Row.
        cell: usize,
        /// Column.
        gene: usize,
    },
    /// Values that are NaN or infinite.
    #[error(
        "{} of {} stored values are NaN or infinite, the first in cell {cell}, gene {gene}; replace them or drop those \
         cells or genes",
        grouped(*count), grouped(*nnz)
    )]
    NotFinite {
        /// How many.
        count: usize,
        /// Stored values.
        nnz: usize,
        /// Row of the first.
        cell: usize,
        /// Its column.
        gene: usize,
    },
    /// Contents that the stage refuses.
    #[error(transparent)]
    Cells(Box<CellsError>),
    /// It can't be written.
    #[error("cannot be written: {0}")]
    NotWritten(String),
}

impl From<CellsError> for FileProblem {
    fn from(problem: CellsError) -> Self {
        Self::Cells(Box::new(problem))
    }
}
