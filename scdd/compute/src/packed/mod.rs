//! Packed weights: a frozen matrix `[rows, columns]` in column panels, for products with sparse and dense rows.
//!
//! A panel holds 64 of the columns, `[panel][row][64]`, 256 bytes a row. So the weights of 128 rows fit L1 (32 KB) and lie in
//! all of its sets; cut out of whole rows, 4 KB apart, they would compete for a few. The last panel is padded with zeros.
//!
//! [`spmm`] multiplies sparse rows with packed weights, [`sddmm`] samples the product of dense rows with their transpose.

mod buckets;
pub(crate) mod panel;
mod sddmm;
mod spmm;

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use crate::aligned::Aligned;
use panel::{PANEL, PanelRow};
pub use sddmm::{Pattern, sddmm};
pub use spmm::spmm;

/// Rows that are transposed together: 64 KB.
const TRANSPOSED_ROWS: usize = 256;

/// A frozen matrix `[rows, columns]` of f32 in column panels. An encoder's first layer has a row for each gene.
#[derive(Debug)]
pub struct PackedMatrix {
    panels: Aligned,
    rows: usize,
    columns: usize,
    /// L2 norm of each row, once asked for.
    norms: OnceLock<Vec<f32>>,
}

impl PackedMatrix {
    /// Packs a row-major matrix `[rows, columns]`.
    ///
    /// ```
    /// use scdd_compute::PackedMatrix;
    /// let packed = PackedMatrix::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
    /// assert_eq!((packed.rows(), packed.columns()), (2, 3));
    /// assert_eq!(packed.to_dense(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    /// ```
    pub fn new(values: &[f32], columns: usize) -> Self {
        let rows = values.len() / columns.max(1);
        Self::gather(rows, columns, |row, part| &values[row * columns..][part])
    }

    /// Packs the transpose of a matrix `[columns, rows]`. The closure gives some rows of that matrix at a time, row-major, so
    /// that it need not be in memory as a whole.
    pub fn from_transposed(rows: usize, columns: usize, part: impl Fn(Range<usize>) -> Vec<f32>) -> Self {
        let mut panels = Aligned::zeros(columns.div_ceil(PANEL) * rows * PANEL);
        for (number, panel) in panels.values_mut().chunks_exact_mut((rows * PANEL).max(1)).enumerate() {
            let part = part(number * PANEL..((number + 1) * PANEL).min(columns));
            // As many rows at a time as stay in cache until all columns are written.
            for (block, panel) in panel.chunks_mut(TRANSPOSED_ROWS * PANEL).enumerate() {
                for (column, values) in part.chunks_exact(rows.max(1)).enumerate() {
                    for (row, value) in panel.chunks_exact_mut(PANEL).zip(&values[block * TRANSPOSED_ROWS..]) {
                        row[column] = *value;
                    }
                }
            }
        }
        Self { panels, rows, columns, norms: OnceLock::new() }
    }

    /// The given rows, in the given order.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        Self::gather(rows.len(), self.columns, |row, columns| self.part(rows[row], columns))
    }

    /// The transpose `[columns, rows]`.
    pub fn transpose(&self) -> Self {
        Self::from_transposed(self.columns, self.rows, |rows| self.dense_rows(rows))
    }

    fn gather<'a>(rows: usize, columns: usize, part: impl Fn(usize, Range<usize>) -> &'a [f32]) -> Self {
        let mut panels = Aligned::zeros(columns.div_ceil(PANEL) * rows * PANEL);
        for (number, panel) in panels.values_mut().chunks_exact_mut((rows * PANEL).max(1)).enumerate() {
            let columns = number * PANEL..((number + 1) * PANEL).min(columns);
            for (row, values) in panel.chunks_exact_mut(PANEL).enumerate() {
                values[..columns.len()].copy_from_slice(part(row, columns.clone()));
            }
        }
        Self { panels, rows, columns, norms: OnceLock::new() }
    }

    /// Columns of one panel, of one row.
    fn part(&self, row: usize, columns: Range<usize>) -> &[f32] {
        let start = (columns.start / PANEL * self.rows + row) * PANEL;
        &self.panels[start..start + columns.len()]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// All rows of a panel.
    pub(crate) fn panel(&self, number: usize) -> &[PanelRow] {
        &self.panels.as_chunks().0[number * self.rows..][..self.rows]
    }

    /// One value.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn value(&self, row: usize, column: usize) -> f32 {
        self.panel(column / PANEL)[row][column % PANEL]
    }

    /// The L2 norm of each row.
    pub(crate) fn norms(&self) -> &[f32] {
        self.norms.get_or_init(|| {
            let squares = |row: usize| {
                let values = (0..self.panels()).flat_map(|panel| &self.panel(panel)[row]);
                values.map(|value| value * value).sum::<f32>()
            };
            (0..self.rows).into_par_iter().map(|row| squares(row).sqrt()).collect()
        })
    }

    /// The dot product of `values` `[columns]` with one row.
    pub(crate) fn dot(&self, values: &[f32], row: usize) -> f32 {
        let mut sums = [0.0; 16];
        for (panel, values) in values.chunks(PANEL).enumerate() {
            for (weights, values) in self.panel(panel)[row].chunks(16).zip(values.chunks(16)) {
                sums.iter_mut()
                    .zip(weights.iter().zip(values))
                    .for_each(|(sum, (weight, value))| *sum += weight * value);
            }
        }
        sums.iter().sum()
    }

    /// The matrix, row-major again.
    pub fn to_dense(&self) -> Vec<f32> {
        self.dense_rows(0..self.rows)
    }

    /// Some rows, row-major.
    pub(crate) fn dense_rows(&self, rows: impl ExactSizeIterator<Item = usize>) -> Vec<f32> {
        let mut dense = Vec::with_capacity(rows.len() * self.columns);
        for row in rows {
            for column in (0..self.columns).step_by(PANEL) {
                dense.extend_from_slice(self.part(row, column..(column + PANEL).min(self.columns)));
            }
        }
        dense
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::csr::Csr;
    use crate::testing::{draw, rng};

    #[test]
    fn packed_weights_are_the_same_when_unpacked() {
        let mut rng = rng(3);
        for (genes, width) in [(1, 1), (5, 64), (7, 65), (3, 200), (0, 10), (4, 0)] {
            let rows = draw(genes * width, &mut rng);
            assert_eq!(PackedMatrix::new(&rows, width).to_dense(), rows, "{genes} x {width}");
            let columns: Vec<f32> =
                (0..width).flat_map(|column| rows.iter().skip(column).step_by(width)).copied().collect();
            assert_eq!(
                PackedMatrix::from_transposed(genes, width, |part| columns[part.start * genes..part.end * genes]
                    .to_vec())
                .to_dense(),
                rows,
                "{genes} x {width}, transposed"
            );
        }
    }

    #[test]
    fn selected_genes_are_rows_in_the_given_order() {
        let rows = draw(6 * 70, &mut rng(3));
        let selected = PackedMatrix::new(&rows, 70).select_rows(&[4, 0]).to_dense();
        assert_eq!(selected, [&rows[4 * 70..5 * 70], &rows[..70]].concat());
    }

    #[test]
    fn products_equal_dense_ones() {
        let dense = [0.0, 2.0, 0.0, 1.0, 0.0, 3.0]; // two cells, three genes
        let matrix = Csr::from_dense(3, &dense).unwrap();
        let packed = PackedMatrix::new(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2);
        assert_eq!(spmm(matrix.view().slice(0..2), &packed), [4.0, 40.0, 10.0, 100.0]);
        assert_eq!(spmm(matrix.view().slice(1..2), &packed), [10.0, 100.0]);
        assert_eq!(spmm(matrix.view().slice(1..1), &packed), [0.0; 0]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes")]
    fn a_cell_alone_gets_the_same_bits_as_among_others() {
        let (cells, genes, width) = (2500, 700, 100); // more cells than a task has, more genes than a tile
        let mut rng = rng(3);
        // From cells that express nearly nothing to cells that express nearly all.
        let shares: Vec<f64> = (0..cells).map(|_| rng.random::<f64>().powi(3)).collect();
        let dense: Vec<f32> = shares
            .iter()
            .flat_map(|&share| vec![share; genes])
            .map(|share| if rng.random::<f64>() < share { rng.random_range(0.1..4.0) } else { 0.0 })
            .collect();
        let matrix = Csr::from_dense(genes, &dense).unwrap();
        let packed = PackedMatrix::new(&draw(genes * width, &mut rng), width);
        let whole = spmm(matrix.view(), &packed);
        for cell in (0..cells).step_by(97) {
            let alone = spmm(matrix.view().slice(cell..cell + 1), &packed);
            assert_eq!(alone, whole[cell * width..][..width]);
        }
    }
}
