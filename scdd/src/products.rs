//! Products of dense, row-major matrices on the host, each on the thread that asks for it.
//!
//! Tensors have products too, but a small one costs less than the tensors around it; what is written out in loops takes these.

/// What becomes of the numbers that are in the product's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// They are overwritten.
    Anew,
    /// The product is added to them.
    Added,
}

/// A matrix in a slice: its numbers from one row, and from one column, to the next.
#[derive(Clone, Copy)]
struct Strided<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl Strided<'_> {
    fn fits(&self) -> bool {
        let last = self.rows.saturating_sub(1) * self.row + self.columns.saturating_sub(1) * self.column;
        self.rows == 0 || self.columns == 0 || last < self.values.len()
    }
}

/// a `[rows, inner]` times b `[inner, columns]`.
pub(crate) fn times(a: &[f32], b: &[f32], inner: usize, columns: usize, product: &mut [f32], put: Put) {
    let rows = a.len() / inner.max(1);
    let a = Strided { values: a, rows, columns: inner, row: inner, column: 1 };
    let b = Strided { values: b, rows: inner, columns, row: columns, column: 1 };
    multiply(a, b, product, put);
}

/// a `[rows, inner]` times b `[columns, inner]` transposed.
pub(crate) fn times_transposed(a: &[f32], b: &[f32], inner: usize, product: &mut [f32], put: Put) {
    let (rows, columns) = (a.len() / inner.max(1), b.len() / inner.max(1));
    let a = Strided { values: a, rows, columns: inner, row: inner, column: 1 };
    let b = Strided { values: b, rows: inner, columns, row: 1, column: inner };
    multiply(a, b, product, put);
}

/// Columns from `first` on of a `[inner, width]`, transposed, times b `[inner, columns]`: as many rows as the product has.
pub(crate) fn transposed_times(
    (a, width, first): (&[f32], usize, usize),
    b: &[f32],
    columns: usize,
    product: &mut [f32],
    put: Put,
) {
    let (rows, inner) = (product.len() / columns.max(1), b.len() / columns.max(1));
    let a = Strided { values: a.get(first..).unwrap_or_default(), rows, columns: inner, row: 1, column: width };
    let b = Strided { values: b, rows: inner, columns, row: columns, column: 1 };
    multiply(a, b, product, put);
}

fn multiply(a: Strided, b: Strided, product: &mut [f32], put: Put) {
    let (rows, inner, columns) = (a.rows, a.columns, b.columns);
    assert!(
        a.fits() && b.fits() && b.rows == inner && product.len() == rows * columns,
        "a product of matrices that don't go together"
    );
    // SAFETY: both matrices are within their slices, and the product, which is nobody else's, has rows * columns numbers.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            product.as_mut_ptr(),
            1,
            columns as isize,
            put == Put::Added,
            a.values.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.values.as_ptr(),
            b.column as isize,
            b.row as isize,
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
    use crate::seed;

    #[test]
    fn all_three_products_equal_sums_written_out_and_add_where_asked() {
        let mut rng = seed::stream(3, "test");
        for (rows, inner, columns) in [(1, 1, 1), (3, 7, 5), (64, 100, 33), (2, 0, 3)] {
            let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0_f32)).collect::<Vec<_>>();
            let (a, b, old) = (draw(rows * inner), draw(inner * columns), draw(rows * columns));
            let turned = |values: &[f32], width: usize| -> Vec<f32> {
                (0..width).flat_map(|column| values.iter().skip(column).step_by(width).copied()).collect()
            };
            let entry = |row: usize, column: usize| -> f64 {
                (0..inner).map(|k| f64::from(a[row * inner + k]) * f64::from(b[k * columns + column])).sum()
            };
            for put in [Put::Anew, Put::Added] {
                let check = |name: &str, product: &dyn Fn(&mut [f32])| {
                    let mut found = old.clone();
                    product(&mut found);
                    for (place, (found, old)) in found.iter().zip(&old).enumerate() {
                        let kept = if put == Put::Added { f64::from(*old) } else { 0.0 };
                        let expected = entry(place / columns, place % columns) + kept;
                        assert!((f64::from(*found) - expected).abs() < 1e-5, "{name} {rows} x {inner} x {columns}");
                    }
                };
                if inner > 0 {
                    check("times", &|found| times(&a, &b, inner, columns, found, put));
                    check("times transposed", &|found| {
                        times_transposed(&a, &turned(&b, columns), inner, found, put);
                    });
                }
                check("transposed times", &|found| {
                    transposed_times((&turned(&a, inner), rows, 0), &b, columns, found, put);
                });
            }
        }
    }

    #[test]
    fn a_part_of_the_columns_gives_a_part_of_the_transposed_product() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // two rows, three columns
        let b = [1.0, 10.0, 100.0, 1000.0];
        let mut part = [0.0; 4];
        transposed_times((&a, 3, 1), &b, 2, &mut part, Put::Anew);
        assert_eq!(part, [502.0, 5020.0, 603.0, 6030.0]);
    }
}
