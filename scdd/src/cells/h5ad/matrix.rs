//! Expression from an .h5ad file: compressed rows, compressed columns or dense, any kind of number, into sorted
//! rows without zeros. Nothing dense is made of what is sparse, and dense input is read by blocks of rows.
//!
//! Layouts: anndata's on-disk format 0.1.0 (`encoding-type`) and that before 0.7 (`h5sparse_format`).

use hdf5_metno::{Dataset, Group};

use super::hdf5::{
    Problem, dataset, group, length, length_1d, numbers, piece, pieces, reserved, shape_attribute, text_attribute,
    unreadable,
};
use crate::cells::Expression;
use crate::text::grouped;

/// Values in a block of dense rows: 16 MB.
const BLOCK: usize = 1 << 22;

/// Reads the matrix `name` of a group.
pub(super) fn read(parent: &Group, name: &str) -> Result<Expression, Problem> {
    if let Ok(array) = parent.dataset(name) {
        return read_dense(&array);
    }
    let matrix = group(parent, name)?;
    let layout = text_attribute(&matrix, "encoding-type").or_else(|| text_attribute(&matrix, "h5sparse_format"));
    let shape = shape_attribute(&matrix, "shape").or_else(|| shape_attribute(&matrix, "h5sparse_shape"));
    let (rows, columns) = shape.ok_or_else(|| format!("'{}' has no shape attribute", matrix.name()))?;
    if rows == 0 || columns == 0 {
        return Err(format!("'{name}' is empty: {rows} cells x {columns} genes; at least one of each is needed"));
    }
    if u32::try_from(columns).is_err() || u32::try_from(rows).is_err() {
        return Err(format!("'{name}' claims {rows} cells x {columns} genes; fewer than 2^32 of each are expected"));
    }
    match layout.as_deref() {
        Some("csr_matrix" | "csr") => read_rows(&matrix, rows, columns),
        Some("csc_matrix" | "csc") => read_columns(&matrix, rows, columns),
        other => Err(format!(
            "'{}' is of the kind {}; csr_matrix, csc_matrix or a dense array is expected: convert it with scipy",
            matrix.name(),
            other.unwrap_or("(none given)")
        )),
    }
}

/// The arrays of a compressed matrix, and pointers that fit them.
struct Compressed {
    pointers: Vec<u64>,
    indices: Dataset,
    data: Dataset,
}

impl Compressed {
    fn open(matrix: &Group, compressed: usize) -> Result<Self, Problem> {
        let (indices, data) = (dataset(matrix, "indices")?, dataset(matrix, "data")?);
        let stored = length_1d(&data)?;
        let listed = length_1d(&indices)?;
        let raw = numbers::<i64>(&dataset(matrix, "indptr")?)?;
        let rising = raw.first() == Some(&0) && raw.windows(2).all(|pair| pair[0] <= pair[1]);
        if raw.len() != compressed + 1 || !rising || raw.last() != Some(&(stored as i64)) || listed != stored {
            return Err(format!(
                "'{}' does not fit together: {} pointers for {compressed} rows or columns, from {:?} to {:?}, for \
                 {stored} values and {listed} indices: the file is damaged, write it again",
                matrix.name(),
                raw.len(),
                raw.first(),
                raw.last()
            ));
        }
        Ok(Self { pointers: raw.into_iter().map(|pointer| pointer as u64).collect(), indices, data })
    }

    fn nnz(&self) -> usize {
        self.pointers.last().copied().unwrap_or(0) as usize
    }

    /// Indices of a piece, each below `limit`.
    fn indices(&self, range: std::ops::Range<usize>, limit: usize) -> Result<Vec<u32>, Problem> {
        let raw = piece::<i64>(&self.indices, range)?;
        let checked = raw.into_iter().map(|index| match usize::try_from(index) {
            Ok(index) if index < limit => Ok(index as u32),
            _ => Err(format!("'{}' names index {index} of {limit}: the file is damaged", self.indices.name())),
        });
        checked.collect()
    }
}

fn read_rows(matrix: &Group, rows: usize, columns: usize) -> Result<Expression, Problem> {
    let parts = Compressed::open(matrix, rows)?;
    let (mut indices, mut values) = (reserved(parts.nnz())?, reserved(parts.nnz())?);
    for range in pieces(parts.nnz()) {
        indices.extend(parts.indices(range.clone(), columns)?);
        values.extend(piece::<f32>(&parts.data, range)?);
    }
    canonical(columns, parts.pointers, indices, values)
}

/// Columns become rows in two passes over the file: count each row's entries, then put them in their places.
fn read_columns(matrix: &Group, rows: usize, columns: usize) -> Result<Expression, Problem> {
    let parts = Compressed::open(matrix, columns)?;
    let mut pointers: Vec<u64> = reserved(rows + 1)?;
    pointers.resize(rows + 1, 0);
    for range in pieces(parts.nnz()) {
        parts.indices(range, rows)?.into_iter().for_each(|row| pointers[row as usize + 1] += 1);
    }
    for row in 0..rows {
        pointers[row + 1] += pointers[row];
    }
    let mut next = pointers.clone();
    let (mut indices, mut values): (Vec<u32>, Vec<f32>) = (reserved(parts.nnz())?, reserved(parts.nnz())?);
    indices.resize(parts.nnz(), 0);
    values.resize(parts.nnz(), 0.0);
    let mut column = 0;
    for range in pieces(parts.nnz()) {
        let data = piece::<f32>(&parts.data, range.clone())?;
        for ((position, row), value) in range.clone().zip(parts.indices(range, rows)?).zip(data) {
            while parts.pointers[column + 1] <= position as u64 {
                column += 1;
            }
            let place = &mut next[row as usize];
            indices[*place as usize] = column as u32;
            values[*place as usize] = value;
            *place += 1;
        }
    }
    canonical(columns, pointers, indices, values)
}

fn read_dense(array: &Dataset) -> Result<Expression, Problem> {
    length(array)?;
    let shape = array.shape();
    let [rows, columns] = shape[..] else {
        return Err(format!("'{}' has the shape {shape:?}; cells x genes are expected", array.name()));
    };
    if rows == 0 || columns == 0 {
        return Err(format!(
            "'{}' is empty: {rows} cells x {columns} genes; at least one of each is needed",
            array.name()
        ));
    }
    let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    let block = (BLOCK / columns).max(1);
    for start in (0..rows).step_by(block) {
        let end = (start + block).min(rows);
        let dense = array.read_slice_2d::<f32, _>((start..end, 0..columns));
        for row in dense.map_err(|problem| unreadable(array, problem))?.rows() {
            for (gene, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                indices.push(gene as u32);
                values.push(value);
            }
            pointers.push(values.len() as u64);
        }
    }
    canonical(columns, pointers, indices, values)
}

/// Sorts each row by gene, drops stored zeros, refuses what comes twice or is not finite. Works in place.
fn canonical(
    genes: usize,
    mut pointers: Vec<u64>,
    mut indices: Vec<u32>,
    mut values: Vec<f32>,
) -> Result<Expression, Problem> {
    let (mut kept, mut start, mut not_finite) = (0, 0, (0usize, None));
    let mut entries: Vec<(u32, f32)> = Vec::new();
    for row in 0..pointers.len() - 1 {
        let end = pointers[row + 1] as usize;
        entries.clear();
        entries.extend(indices[start..end].iter().copied().zip(values[start..end].iter().copied()));
        if !entries.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            entries.sort_unstable_by_key(|entry| entry.0);
            if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(format!(
                    "cell {row} has two values for gene {}; one is expected: call X.sum_duplicates() in scipy",
                    pair[0].0
                ));
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
        pointers[row + 1] = kept as u64;
    }
    if let (count, Some((cell, gene))) = not_finite {
        return Err(format!(
            "{} of {} stored values are NaN or infinite, the first in cell {cell}, gene {gene}; replace them or drop \
             those cells or genes",
            grouped(count),
            grouped(start)
        ));
    }
    indices.truncate(kept);
    values.truncate(kept);
    Expression::new(genes, pointers, indices, values).map_err(|problem| problem.to_string())
}
