//! Means of groups of rows.

use ndarray::{Array2, ArrayView1};

/// Mean of the rows of each group `[groups, columns]`; zeros of a group without rows.
pub(super) fn group_means<'a>(
    rows: impl IntoIterator<Item = ArrayView1<'a, f32>>,
    groups: impl IntoIterator<Item = usize>,
    count: usize,
) -> Array2<f64> {
    let mut rows = rows.into_iter().peekable();
    let mut means = Array2::zeros((count, rows.peek().map_or(0, ArrayView1::len)));
    let mut sizes = vec![0.0; count];
    for (row, group) in rows.zip(groups) {
        means.row_mut(group).zip_mut_with(&row, |sum, &value| *sum += f64::from(value));
        sizes[group] += 1.0;
    }
    for (mut mean, size) in means.rows_mut().into_iter().zip(sizes) {
        mean /= f64::max(size, 1.0);
    }
    means
}
