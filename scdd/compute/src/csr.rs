//! Compressed sparse rows (CSR): a matrix of f32 with u64 `indptr` and u32 `indices`, as scipy's `csr_matrix`.
//!
//! Row `i` holds entries `indptr[i]..indptr[i + 1]`; within a row the indices are sorted ascending, each at most once. [`Csr`]
//! owns its arrays, and a clone shares them. [`CsrView`] borrows them: products take views, also of some rows.

use std::ops::Range;
use std::sync::Arc;

use crate::csr_error::CsrError;

/// A sparse matrix `[rows, columns]`. A clone shares the arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    columns: usize,
    indptr: Arc<Vec<u64>>,
    indices: Arc<Vec<u32>>,
    values: Arc<Vec<f32>>,
}

/// Borrowed rows of a sparse matrix. `indptr` may begin at any entry, as that of some rows of a larger matrix does.
#[derive(Clone, Copy, Debug)]
pub struct CsrView<'a> {
    columns: usize,
    indptr: &'a [u64],
    indices: &'a [u32],
    values: &'a [f32],
}

impl Csr {
    /// Checks and takes the arrays, in O(nnz).
    ///
    /// # Errors
    /// When they are no CSR matrix of so many columns, or a value is NaN or infinite.
    ///
    /// ```
    /// use scdd_compute::Csr;
    /// // two rows, three columns: [[0, 5, 0], [1, 0, 2]]
    /// let x = Csr::new(3, vec![0, 1, 3], vec![1, 0, 2], vec![5.0, 1.0, 2.0])?;
    /// assert_eq!(x.row(1), (&[0u32, 2][..], &[1.0f32, 2.0][..]));
    /// # Ok::<(), scdd_compute::CsrError>(())
    /// ```
    pub fn new(columns: usize, indptr: Vec<u64>, indices: Vec<u32>, values: Vec<f32>) -> Result<Self, CsrError> {
        let count = values.len();
        if indptr.first() != Some(&0) || indptr.last() != Some(&(count as u64)) || indices.len() != count {
            let indptr = [indptr.first().copied(), indptr.last().copied()];
            return Err(CsrError::Lengths { indptr, indices: indices.len(), values: count });
        }
        for (row, ends) in indptr.windows(2).enumerate() {
            if ends[1] < ends[0] || ends[1] > count as u64 {
                return Err(CsrError::Ends { row, ends: [ends[0], ends[1]], values: count });
            }
            let range = ends[0] as usize..ends[1] as usize;
            let of_row = &indices[range.clone()];
            if !of_row.is_sorted_by(|a, b| a < b) {
                return Err(CsrError::Unsorted { row });
            }
            if let Some(&index) = of_row.last().filter(|&&index| index as usize >= columns) {
                return Err(CsrError::Index { row, index, columns });
            }
            if let Some(&value) = values[range].iter().find(|value| !value.is_finite()) {
                return Err(CsrError::NotFinite { row, value });
            }
        }
        Ok(Self::trusted(columns, indptr, indices, values))
    }

    /// Arrays that are known to be CSR.
    fn trusted(columns: usize, indptr: Vec<u64>, indices: Vec<u32>, values: Vec<f32>) -> Self {
        Self { columns, indptr: Arc::new(indptr), indices: Arc::new(indices), values: Arc::new(values) }
    }

    /// Leaves the zeros of dense rows `[rows, columns]` out.
    ///
    /// # Errors
    /// When the values do not fill whole rows, or one is NaN or infinite.
    pub fn from_dense(columns: usize, dense: &[f32]) -> Result<Self, CsrError> {
        if columns == 0 || !dense.len().is_multiple_of(columns) {
            return Err(CsrError::Dense { values: dense.len(), columns });
        }
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in dense.chunks_exact(columns) {
            for (column, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                indices.push(column as u32);
                values.push(value);
            }
            indptr.push(values.len() as u64);
        }
        Self::new(columns, indptr, indices, values)
    }

    /// No rows of so many columns.
    pub fn empty(columns: usize) -> Self {
        Self::trusted(columns, vec![0], Vec::new(), Vec::new())
    }

    /// The rows of several matrices of `columns` columns, one after another. One matrix alone is shared.
    pub fn concatenate(columns: usize, parts: &[Self]) -> Self {
        if let [part] = parts {
            return part.clone();
        }
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for part in parts {
            let before = values.len() as u64;
            indptr.extend(part.indptr[1..].iter().map(|end| before + end));
            indices.extend_from_slice(&part.indices);
            values.extend_from_slice(&part.values);
        }
        Self::trusted(columns, indptr, indices, values)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of stored values.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Where rows begin and end, `rows + 1` of them.
    pub fn indptr(&self) -> &[u64] {
        &self.indptr
    }

    /// Column of each stored value.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The stored values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Columns and values of one row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[row] as usize..self.indptr[row + 1] as usize;
        (&self.indices[range.clone()], &self.values[range])
    }

    /// All rows.
    pub fn view(&self) -> CsrView<'_> {
        CsrView { columns: self.columns, indptr: &self.indptr, indices: &self.indices, values: &self.values }
    }

    /// The given rows, in the given order; a row may come twice.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for &row in rows {
            let (of_row, numbers) = self.row(row);
            indices.extend_from_slice(of_row);
            values.extend_from_slice(numbers);
            indptr.push(values.len() as u64);
        }
        Self::trusted(self.columns, indptr, indices, values)
    }

    /// The given rows, each stored value changed; those that become 0 are left out, as dropout's are.
    pub fn select_rows_with(&self, rows: &[usize], mut change: impl FnMut(f32) -> f32) -> Self {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for &row in rows {
            let (of_row, numbers) = self.row(row);
            for (&index, &value) in of_row.iter().zip(numbers) {
                let changed = change(value);
                if changed != 0.0 {
                    indices.push(index);
                    values.push(changed);
                }
            }
            indptr.push(values.len() as u64);
        }
        Self::trusted(self.columns, indptr, indices, values)
    }

    /// The given columns, in the given order, each at most once.
    pub fn select_columns(&self, columns: &[usize]) -> Self {
        let mut positions = vec![u32::MAX; self.columns];
        for (new, &column) in columns.iter().enumerate() {
            positions[column] = new as u32;
        }
        self.move_columns(columns.len(), columns.is_sorted_by(|a, b| a < b), |column| positions[column as usize])
    }

    /// The same rows among `columns` columns: column `i` becomes column `positions[i]`, each taken at most once.
    pub fn place_columns(&self, columns: usize, positions: &[usize]) -> Self {
        self.move_columns(columns, false, |column| positions[column as usize] as u32)
    }

    /// Each column at its new position; `u32::MAX` leaves it out.
    fn move_columns(&self, columns: usize, sorted: bool, position: impl Fn(u32) -> u32) -> Self {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        let mut row: Vec<(u32, f32)> = Vec::new();
        for number in 0..self.rows() {
            let (of_row, numbers) = self.row(number);
            row.clear();
            row.extend(of_row.iter().zip(numbers).map(|(&column, &value)| (position(column), value)));
            row.retain(|&(column, _)| column != u32::MAX);
            if !sorted {
                row.sort_unstable_by_key(|&(column, _)| column);
            }
            indices.extend(row.iter().map(|&(column, _)| column));
            values.extend(row.iter().map(|&(_, value)| value));
            indptr.push(values.len() as u64);
        }
        Self::trusted(columns, indptr, indices, values)
    }

    /// The same zeros, each stored value changed; the function gets the row and the value.
    pub fn map(&self, change: impl Fn(usize, f32) -> f32) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for row in 0..self.rows() {
            values.extend(self.row(row).1.iter().map(|&value| change(row, value)));
        }
        Self { values: Arc::new(values), ..self.clone() }
    }

    /// The given rows, dense `[rows, columns]`: a batch, never the whole matrix.
    pub fn dense_rows(&self, rows: &[usize]) -> Vec<f32> {
        let mut dense = vec![0.0; rows.len() * self.columns];
        for (dense, &row) in dense.chunks_exact_mut(self.columns.max(1)).zip(rows) {
            let (of_row, values) = self.row(row);
            for (&column, &value) in of_row.iter().zip(values) {
                dense[column as usize] = value;
            }
        }
        dense
    }
}

impl<'a> CsrView<'a> {
    /// Rows of borrowed arrays, which must be CSR: a wrong index makes products wrong, or panics.
    ///
    /// # Panics
    /// When `indptr` is empty.
    pub fn new(columns: usize, indptr: &'a [u64], indices: &'a [u32], values: &'a [f32]) -> Self {
        assert!(!indptr.is_empty(), "CSR rows have one more indptr than rows");
        Self { columns, indptr, indices, values }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of stored values of these rows.
    pub fn nnz(&self) -> usize {
        (self.indptr[self.indptr.len() - 1] - self.indptr[0]) as usize
    }

    /// Where rows begin and end, `rows + 1` of them; the first need not be 0.
    pub fn indptr(&self) -> &'a [u64] {
        self.indptr
    }

    /// Columns of stored values, also of other rows of the matrix.
    pub fn indices(&self) -> &'a [u32] {
        self.indices
    }

    /// Stored values, also of other rows of the matrix.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Where a row's entries are.
    pub fn entries(&self, row: usize) -> Range<usize> {
        self.indptr[row] as usize..self.indptr[row + 1] as usize
    }

    /// Contiguous rows; nothing is copied.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        Self { indptr: &self.indptr[rows.start..=rows.end], ..*self }
    }

    /// Columns by rows: row `i` holds the rows that have a value in column `i`. A counting sort, O(nnz + columns).
    pub fn transpose(&self) -> Csr {
        let mut indptr = vec![0u64; self.columns + 1];
        let all = self.indptr[0] as usize..self.indptr[self.rows()] as usize;
        self.indices[all.clone()].iter().for_each(|&column| indptr[column as usize + 1] += 1);
        for column in 0..self.columns {
            indptr[column + 1] += indptr[column];
        }
        let mut next = indptr.clone();
        let (mut indices, mut values) = (vec![0; all.len()], vec![0.0; all.len()]);
        for row in 0..self.rows() {
            for entry in self.entries(row) {
                let position = &mut next[self.indices[entry] as usize];
                indices[*position as usize] = row as u32;
                values[*position as usize] = self.values[entry];
                *position += 1;
            }
        }
        Csr::trusted(self.rows(), indptr, indices, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [[0, 5, 0], [1, 0, 2]]
    fn small() -> Csr {
        Csr::new(3, vec![0, 1, 3], vec![1, 0, 2], vec![5.0, 1.0, 2.0]).unwrap()
    }

    #[test]
    fn arrays_that_are_no_csr_matrix_are_refused_with_the_row() {
        let refused = |columns, indptr: &[u64], indices: &[u32], values: &[f32]| {
            Csr::new(columns, indptr.to_vec(), indices.to_vec(), values.to_vec()).unwrap_err().to_string()
        };
        assert!(refused(3, &[0, 1], &[1, 2], &[1.0, 2.0]).contains("do not fit together"));
        assert!(refused(3, &[], &[], &[]).contains("do not fit together"));
        assert!(refused(3, &[0, 2, 1, 2], &[0, 1], &[1.0, 2.0]).contains("row 1: indptr goes from 2 to 1"));
        assert!(refused(3, &[0, 2], &[1, 1], &[1.0, 2.0]).contains("not sorted ascending"));
        assert!(refused(3, &[0, 1], &[3], &[1.0]).contains("index 3 of 3 columns"));
        assert!(refused(3, &[0, 1], &[0], &[f32::NAN]).contains("must be finite"));
        assert!(Csr::from_dense(2, &[1.0; 3]).unwrap_err().to_string().contains("3 values do not fill rows of 2"));
    }

    #[test]
    fn dense_rows_come_back_and_zeros_are_not_stored() {
        let dense = [0.0, 5.0, 0.0, 1.0, 0.0, 2.0];
        let matrix = Csr::from_dense(3, &dense).unwrap();
        assert_eq!(matrix, small());
        assert_eq!((matrix.nnz(), matrix.dense_rows(&[1, 0])), (3, vec![1.0, 0.0, 2.0, 0.0, 5.0, 0.0]));
    }

    #[test]
    fn transposing_twice_gives_the_matrix_also_of_a_slice_of_rows() {
        assert_eq!(small().view().transpose().view().transpose(), small());
        let last = small().view().slice(1..2).transpose();
        assert_eq!(last, Csr::from_dense(1, &[1.0, 0.0, 2.0]).unwrap());
    }

    #[test]
    fn rows_and_columns_are_selected_in_the_given_order() {
        assert_eq!(small().select_rows(&[1, 1]).dense_rows(&[1]), [1.0, 0.0, 2.0]);
        assert_eq!(small().select_columns(&[2, 0]).dense_rows(&[0, 1]), [0.0, 0.0, 2.0, 1.0]);
        assert_eq!(small().place_columns(5, &[4, 0, 1]).dense_rows(&[1]), [0.0, 2.0, 0.0, 0.0, 1.0]);
        let dropped = small().select_rows_with(&[1], |value| if value == 1.0 { 0.0 } else { 2.0 * value });
        assert_eq!((dropped.nnz(), dropped.dense_rows(&[0])), (1, vec![0.0, 0.0, 4.0]));
    }
}
