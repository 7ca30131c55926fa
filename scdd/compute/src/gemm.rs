//! GEMM: products of dense, row-major matrices in slices, each on the thread that calls it, in O(rows * inner * columns).
//!
//! A tensor library has products too, but a small one costs less than the tensors around it; hand-derived passes use these.
//! Names are BLAS's: `n` a matrix as it is, `t` a transposed one. The arithmetic is the `gemm` crate's, for AVX-512, AVX2, FMA
//! and NEON.

/// Whether a product overwrites the output or is added to it (BLAS's beta of 0 or 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// C = A B.
    Overwrite,
    /// C += A B.
    Add,
}

/// A matrix in a slice, with the distances from one row and from one column to the next.
#[derive(Clone, Copy)]
struct Strided<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl Strided<'_> {
    fn fits(&self) -> bool {
        let last = self.rows.saturating_sub(1) * self.row_stride + self.columns.saturating_sub(1) * self.column_stride;
        self.rows == 0 || self.columns == 0 || last < self.values.len()
    }
}

/// C `[rows, columns]` = A `[rows, inner]` B `[inner, columns]`.
///
/// # Panics
/// When the shapes don't go together.
///
/// ```
/// use scdd_compute::gemm::{Accumulate, gemm_nn};
/// let mut c = [0.0; 2];
/// gemm_nn(&[1.0, 2.0, 3.0, 4.0], &[10.0, 1.0], 2, 1, &mut c, Accumulate::Overwrite);
/// assert_eq!(c, [12.0, 34.0]);
/// ```
pub fn gemm_nn(a: &[f32], b: &[f32], inner: usize, columns: usize, c: &mut [f32], accumulate: Accumulate) {
    let rows = a.len() / inner.max(1);
    let a = Strided { values: a, rows, columns: inner, row_stride: inner, column_stride: 1 };
    let b = Strided { values: b, rows: inner, columns, row_stride: columns, column_stride: 1 };
    multiply(a, b, c, accumulate);
}

/// C `[rows, columns]` = A `[rows, inner]` B^T, B `[columns, inner]`.
///
/// # Panics
/// When the shapes don't go together.
pub fn gemm_nt(a: &[f32], b: &[f32], inner: usize, c: &mut [f32], accumulate: Accumulate) {
    let (rows, columns) = (a.len() / inner.max(1), b.len() / inner.max(1));
    let a = Strided { values: a, rows, columns: inner, row_stride: inner, column_stride: 1 };
    let b = Strided { values: b, rows: inner, columns, row_stride: 1, column_stride: inner };
    multiply(a, b, c, accumulate);
}

/// C `[rows, columns]` = A[:, first..first + rows]^T B, with A `[inner, width]` and B `[inner, columns]`; C says how many rows.
///
/// # Panics
/// When the shapes don't go together.
pub fn gemm_tn(
    (a, width, first): (&[f32], usize, usize),
    b: &[f32],
    columns: usize,
    c: &mut [f32],
    accumulate: Accumulate,
) {
    let (rows, inner) = (c.len() / columns.max(1), b.len() / columns.max(1));
    let a = Strided {
        values: a.get(first..).unwrap_or_default(),
        rows,
        columns: inner,
        row_stride: 1,
        column_stride: width,
    };
    let b = Strided { values: b, rows: inner, columns, row_stride: columns, column_stride: 1 };
    multiply(a, b, c, accumulate);
}

fn multiply(a: Strided, b: Strided, c: &mut [f32], accumulate: Accumulate) {
    let (rows, inner, columns) = (a.rows, a.columns, b.columns);
    assert!(
        a.fits() && b.fits() && b.rows == inner && c.len() == rows * columns,
        "GEMM of [{rows}, {inner}] and [{}, {columns}] into {} values: the shapes don't go together",
        b.rows,
        c.len()
    );
    // SAFETY: both matrices are within their slices, as was just checked, and C, borrowed mutably, has rows * columns values.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            c.as_mut_ptr(),
            1,
            columns as isize,
            accumulate == Accumulate::Add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::testing::{cases, rng};

    #[test]
    fn all_three_products_equal_plain_sums_and_add_where_asked() {
        let mut rng = rng(3);
        for (rows, inner, columns) in cases([(1, 1, 1), (2, 0, 3), (3, 7, 5), (64, 100, 33)], 2) {
            let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0_f32)).collect::<Vec<_>>();
            let (a, b, old) = (draw(rows * inner), draw(inner * columns), draw(rows * columns));
            let turned = |values: &[f32], width: usize| -> Vec<f32> {
                (0..width).flat_map(|column| values.iter().skip(column).step_by(width).copied()).collect()
            };
            let entry = |row: usize, column: usize| -> f64 {
                (0..inner).map(|k| f64::from(a[row * inner + k]) * f64::from(b[k * columns + column])).sum()
            };
            for accumulate in [Accumulate::Overwrite, Accumulate::Add] {
                let check = |name: &str, product: &dyn Fn(&mut [f32])| {
                    let mut found = old.clone();
                    product(&mut found);
                    for (place, (found, old)) in found.iter().zip(&old).enumerate() {
                        let kept = if accumulate == Accumulate::Add { f64::from(*old) } else { 0.0 };
                        let expected = entry(place / columns, place % columns) + kept;
                        assert!((f64::from(*found) - expected).abs() < 1e-5, "{name} {rows} x {inner} x {columns}");
                    }
                };
                if inner > 0 {
                    check("times", &|found| gemm_nn(&a, &b, inner, columns, found, accumulate));
                    check("times transposed", &|found| {
                        gemm_nt(&a, &turned(&b, columns), inner, found, accumulate);
                    });
                }
                check("transposed times", &|found| {
                    gemm_tn((&turned(&a, inner), rows, 0), &b, columns, found, accumulate);
                });
            }
        }
    }

    #[test]
    fn a_part_of_the_columns_gives_a_part_of_the_transposed_product() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // two rows, three columns
        let b = [1.0, 10.0, 100.0, 1000.0];
        let mut part = [0.0; 4];
        gemm_tn((&a, 3, 1), &b, 2, &mut part, Accumulate::Overwrite);
        assert_eq!(part, [502.0, 5020.0, 603.0, 6030.0]);
    }
}
