//! Reads a matrix of an .h5ad file, CSR, CSC or dense, of any kind of number, into CSR without zeros.
//!
//! Sparse input never becomes dense, and dense input is read in blocks of rows.
//!
//! Layouts: anndata's on-disk format 0.1.0 (`encoding-type`) and that before 0.7 (`h5sparse_format`).

use hdf5_metno::{Dataset, Group};

use super::FileProblem;
use super::hdf5::{
    dataset, group, length, length_1d, numbers, piece, pieces, reserved, shape_attribute, text_attribute, unreadable,
};
use crate::cells::{CellsError, Expression};

/// Values in a block of dense rows: 16 MB.
const BLOCK: usize = 1 << 22;

/// Reads the matrix `name` of a group.
pub(super) fn read(parent: &Group, name: &str) -> Result<Expression, FileProblem> {
    if let Ok(array) = parent.dataset(name) {
        return read_dense(&array);
    }
    let matrix = group(parent, name)?;
    let layout = text_attribute(&matrix, "encoding-type").or_else(|| text_attribute(&matrix, "h5sparse_format"));
    let shape = shape_attribute(&matrix, "shape").or_else(|| shape_attribute(&matrix, "h5sparse_shape"));
    let (rows, columns) =
        shape.ok_or_else(|| FileProblem::Damaged(format!("'{}' has no shape attribute", matrix.name())))?;
    check_shape(&matrix.name(), rows, columns)?;
    match layout.as_deref() {
        Some("csr_matrix" | "csr") => read_compressed(&matrix, rows, columns),
        Some("csc_matrix" | "csc") => Ok(read_compressed(&matrix, columns, rows).map_err(transposed)?.transposed()),
        other => {
            let (name, found) = (matrix.name(), other.map(str::to_owned));
            Err(FileProblem::Kind { name, found, expected: "csr_matrix, csc_matrix or a dense array (scipy converts)" })
        }
    }
}

fn check_shape(name: &str, rows: usize, columns: usize) -> Result<(), FileProblem> {
    if rows == 0 || columns == 0 {
        return Err(CellsError::Empty { cells: rows, genes: columns }.into());
    }
    if u32::try_from(columns).is_err() || u32::try_from(rows).is_err() {
        let (name, expected) = (name.to_owned(), "fewer than 2^32 cells and genes are".to_owned());
        return Err(FileProblem::Shape { name, found: vec![rows, columns], expected });
    }
    Ok(())
}

/// The arrays of a compressed sparse matrix, with an indptr that fits them.
struct Compressed {
    indptr: Vec<u64>,
    indices: Dataset,
    data: Dataset,
}

impl Compressed {
    /// Of so many compressed rows, or columns of a CSC matrix.
    fn open(matrix: &Group, rows: usize) -> Result<Self, FileProblem> {
        let (indices, data) = (dataset(matrix, "indices")?, dataset(matrix, "data")?);
        let (nnz, count) = (length_1d(&data)?, length_1d(&indices)?);
        let indptr = numbers::<i64>(&dataset(matrix, "indptr")?)?;
        let ends = (indptr.first().copied(), indptr.last().copied());
        if indptr.len() != rows + 1 || ends != (Some(0), Some(nnz as i64)) || !indptr.is_sorted() || count != nnz {
            return Err(FileProblem::Damaged(format!(
                "'{}' does not fit together: indptr of {} for {rows} rows or columns, from {:?} to {:?}, for {nnz} values \
                 and {count} indices",
                matrix.name(),
                indptr.len(),
                ends.0,
                ends.1
            )));
        }
        Ok(Self { indptr: indptr.into_iter().map(|end| end as u64).collect(), indices, data })
    }

    fn nnz(&self) -> usize {
        self.indptr.last().copied().unwrap_or(0) as usize
    }

    /// Indices of a piece, each below `limit`.
    fn indices(&self, range: std::ops::Range<usize>, limit: usize) -> Result<Vec<u32>, FileProblem> {
        let raw = piece::<i64>(&self.indices, range)?;
        let checked = raw.into_iter().map(|index| match usize::try_from(index) {
            Ok(index) if index < limit => Ok(index as u32),
            _ => Err(FileProblem::Damaged(format!("'{}' has index {index} of {limit}", self.indices.name()))),
        });
        checked.collect()
    }
}

/// Reads so many compressed rows, or columns of a CSC matrix, with indices below `limit`.
fn read_compressed(matrix: &Group, rows: usize, limit: usize) -> Result<Expression, FileProblem> {
    let parts = Compressed::open(matrix, rows)?;
    let (mut indices, mut values) = (reserved(parts.nnz())?, reserved(parts.nnz())?);
    for range in pieces(parts.nnz()) {
        indices.extend(parts.indices(range.clone(), limit)?);
        values.extend(piece::<f32>(&parts.data, range)?);
    }
    canonical(limit, parts.indptr, indices, values)
}

/// What is wrong with a matrix whose transpose was read.
fn transposed(problem: FileProblem) -> FileProblem {
    match problem {
        FileProblem::EntryTwice { cell, gene } => FileProblem::EntryTwice { cell: gene, gene: cell },
        FileProblem::NotFinite { count, nnz, cell, gene } => {
            FileProblem::NotFinite { count, nnz, cell: gene, gene: cell }
        }
        other => other,
    }
}

fn read_dense(array: &Dataset) -> Result<Expression, FileProblem> {
    length(array)?;
    let shape = array.shape();
    let [rows, columns] = shape[..] else {
        let (name, expected) = (array.name(), "[cells, genes] is".to_owned());
        return Err(FileProblem::Shape { name, found: shape, expected });
    };
    check_shape(&array.name(), rows, columns)?;
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    let block = (BLOCK / columns).max(1);
    for start in (0..rows).step_by(block) {
        let end = (start + block).min(rows);
        let dense = array.read_slice_2d::<f32, _>((start..end, 0..columns));
        for row in dense.map_err(|problem| unreadable(array, problem))?.rows() {
            for (gene, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                indices.push(gene as u32);
                values.push(value);
            }
            indptr.push(values.len() as u64);
        }
    }
    canonical(columns, indptr, indices, values)
}

/// Sorts each row by gene and drops stored zeros, in place. Refuses two values for one gene, NaN and infinity.
fn canonical(
    genes: usize,
    mut indptr: Vec<u64>,
    mut indices: Vec<u32>,
    mut values: Vec<f32>,
) -> Result<Expression, FileProblem> {
    let (mut kept, mut start, mut not_finite) = (0, 0, (0usize, None));
    let mut entries: Vec<(u32, f32)> = Vec::new();
    for row in 0..indptr.len() - 1 {
        let end = indptr[row + 1] as usize;
        entries.clear();
        entries.extend(indices[start..end].iter().copied().zip(values[start..end].iter().copied()));
        if !entries.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            entries.sort_unstable_by_key(|entry| entry.0);
            if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(FileProblem::EntryTwice { cell: row, gene: pair[0].0 as usize });
            }
        }
        for &(gene, value) in &entries {
            if !value.is_finite() {
                not_finite = (not_finite.0 + 1, not_finite.1.or(Some((row, gene))));
            } else if value != 0.0 {
                (indices[kept], values[kept]) = (gene, value);
                kept += 1;
            }
        }
        start = end;
        indptr[row + 1] = kept as u64;
    }
    if let (count, Some((cell, gene))) = not_finite {
        return Err(FileProblem::NotFinite { count, nnz: start, cell, gene: gene as usize });
    }
    indices.truncate(kept);
    values.truncate(kept);
    Ok(Expression::new(genes, indptr, indices, values)?)
}
