//! Means of groups of rows, summed in f64.

use ndarray::{Array1, Array2, ArrayView1};
use rayon::prelude::*;

/// Mean of the rows of each group `[groups, columns]`; zeros of a group without rows.
pub(super) fn group_means<'a>(
    rows: impl IntoIterator<Item = ArrayView1<'a, f32>>,
    groups: impl IntoIterator<Item = usize>,
    count: usize,
) -> Array2<f64> {
    let mut members = vec![Vec::new(); count];
    let mut columns = 0;
    for (row, group) in rows.into_iter().zip(groups) {
        columns = row.len();
        members[group].push(row);
    }
    let mean = |members: Vec<ArrayView1<f32>>| {
        let mut mean = Array1::<f64>::zeros(columns);
        members.iter().for_each(|row| mean.zip_mut_with(row, |sum, &value| *sum += f64::from(value)));
        mean / f64::max(members.len() as f64, 1.0)
    };
    let means: Vec<Array1<f64>> = members.into_par_iter().map(mean).collect();
    Array2::from_shape_fn((count, columns), |(group, column)| means[group][column])
}
