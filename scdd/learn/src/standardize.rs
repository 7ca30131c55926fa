//! Standardised sparse columns that keep their zeros: z = min((x - m) / s, clip) with the mean m and population deviation s of
//! each column, as scikit-learn's StandardScaler has it.
//!
//! With o = m / s, z = v - o where v = min(x / s, clip + o), and v is 0 where x is. So rows stay sparse, and products take o
//! off: z w = v w - o w.

use scdd_compute::CsrView;

/// Mean and deviation of each column, fitted in O(nnz).
///
/// ```
/// use scdd_learn::{scdd_compute::Csr, standardize::Standardizer};
/// let cells = Csr::from_dense(2, &[1.0, 0.0, 3.0, 0.0])?;
/// let standardizer = Standardizer::fit(cells.view(), f64::INFINITY);
/// let mut row = [0.0; 2];
/// standardizer.dense_row(cells.view(), 1, &mut row);
/// assert_eq!(row, [1.0, 0.0]);
/// # Ok::<(), scdd_learn::scdd_compute::CsrError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Standardizer {
    /// 1 / s of each column; 1 for a column that does not vary, as StandardScaler has it.
    inverse: Vec<f64>,
    /// m / s of each column.
    offset: Vec<f64>,
    clip: f64,
}

impl Standardizer {
    /// Of cells `[n, d]`. Values above `clip` deviations count as that many; nothing is clipped below.
    pub fn fit(cells: CsrView, clip: f64) -> Self {
        let (columns, rows) = (cells.columns(), cells.rows() as f64);
        let entries = || {
            let all = cells.indptr()[0] as usize..cells.indptr()[cells.rows()] as usize;
            cells.indices()[all.clone()].iter().zip(&cells.values()[all])
        };
        let mut mean = vec![0.0f64; columns];
        let mut stored = vec![0.0f64; columns];
        for (&column, &value) in entries() {
            mean[column as usize] += f64::from(value);
            stored[column as usize] += 1.0;
        }
        mean.iter_mut().for_each(|sum| *sum /= rows);
        // Around the mean: sums of squares would cancel for a column that hardly varies.
        let mut squares: Vec<f64> =
            mean.iter().zip(&stored).map(|(mean, stored)| mean * mean * (rows - stored)).collect();
        for (&column, &value) in entries() {
            squares[column as usize] += (f64::from(value) - mean[column as usize]).powi(2);
        }
        let inverse: Vec<f64> = squares
            .iter()
            .zip(&mean)
            .map(|(squares, mean)| {
                let variance = squares / rows;
                // scikit-learn's bound on what rounding makes of a constant column.
                let constant = rows * f64::EPSILON * variance + (rows * mean * f64::EPSILON).powi(2);
                if variance <= constant { 1.0 } else { 1.0 / variance.sqrt() }
            })
            .collect();
        let offset = mean.iter().zip(&inverse).map(|(mean, inverse)| mean * inverse).collect();
        Self { inverse, offset, clip }
    }

    /// From 1 / s and m / s of each column, as a file has them.
    pub fn from_parts(inverse: Vec<f64>, offset: Vec<f64>, clip: f64) -> Self {
        Self { inverse, offset, clip }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.inverse.len()
    }

    /// 1 / s of each column.
    pub fn inverse(&self) -> &[f64] {
        &self.inverse
    }

    /// o = m / s of each column.
    pub fn offset(&self) -> &[f64] {
        &self.offset
    }

    /// v = z + o of one value of a column.
    pub fn shifted(&self, column: u32, value: f32) -> f64 {
        let column = column as usize;
        (f64::from(value) * self.inverse[column]).min(self.clip + self.offset[column])
    }

    /// v of all stored values of the matrix that the rows are of.
    pub fn shifted_values(&self, cells: CsrView) -> Vec<f64> {
        let entries = cells.indices().iter().zip(cells.values());
        entries.map(|(&column, &value)| self.shifted(column, value)).collect()
    }

    /// Writes z of one row into `row`, dense `[d]`.
    pub fn dense_row(&self, cells: CsrView, number: usize, row: &mut [f64]) {
        row.iter_mut().zip(&self.offset).for_each(|(z, offset)| *z = -offset);
        let entries = cells.entries(number);
        for (&column, &value) in cells.indices()[entries.clone()].iter().zip(&cells.values()[entries]) {
            row[column as usize] = self.shifted(column, value) - self.offset[column as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use scdd_compute::Csr;

    use super::*;

    #[test]
    fn columns_have_mean_zero_and_deviation_one_a_constant_one_is_zero_and_large_values_are_clipped() {
        let cells = 400;
        let dense: Vec<f32> =
            (0..cells).flat_map(|cell| [(cell % 7) as f32, if cell == 0 { 5.0 } else { 0.0 }, 2.5, 0.0]).collect();
        let matrix = Csr::from_dense(4, &dense).unwrap();
        let standardizer = Standardizer::fit(matrix.view(), 10.0);
        let mut rows = vec![vec![0.0; 4]; cells];
        rows.iter_mut().enumerate().for_each(|(cell, row)| standardizer.dense_row(matrix.view(), cell, row));
        let column = |column: usize| rows.iter().map(move |row| row[column]);
        assert!(column(0).sum::<f64>().abs() < 1e-9);
        assert!((column(0).map(|z| z * z).sum::<f64>() / cells as f64 - 1.0).abs() < 1e-9);
        // 5 in one of 400 cells is 19.97 deviations above the mean.
        assert_eq!(rows[0][1], 10.0);
        assert!((rows[1][1] + 1.0 / (399f64).sqrt()).abs() < 1e-9);
        assert!(column(2).chain(column(3)).all(|z| z == 0.0));
    }
}
