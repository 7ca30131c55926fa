//! Means, deviations, medians, rank statistics, correlations, and the area under a ROC curve.

use ndarray::{Array1, Array2, ArrayView1};
use rayon::prelude::*;

/// Mean; `None` without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Standard deviation of a sample (divided by n - 1); `None` below two values.
///
/// ```
/// assert_eq!(scdd_learn::statistics::sample_deviation(&[1.0, 3.0]), Some(2.0f64.sqrt()));
/// ```
pub fn sample_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Mean of the rows of each group, `[count, columns]`, summed in f64; zeros for a group without rows. `groups` has the group
/// of each row, below `count`.
pub fn group_means<'a>(
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

/// Pearson's correlation; None below three pairs, or when one side does not vary.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() < 3 || a.len() != b.len() {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    let norms = (of_a * of_b).sqrt();
    (norms > 0.0 && norms.is_finite()).then(|| both / norms)
}

/// The middle value; NaN without any.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Spearman's correlation: Pearson's of the ranks, equal values sharing their mean rank.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    pearson(&ranks(a), &ranks(b))
}

/// The chance that a value of `positive` is above one of `negative`, equals counting half; None without values of either.
pub fn area_under_curve(positive: &[f64], negative: &[f64]) -> Option<f64> {
    if positive.is_empty() || negative.is_empty() {
        return None;
    }
    let ranks = ranks(&[positive, negative].concat());
    let n = positive.len() as f64;
    let sum: f64 = ranks[..positive.len()].iter().sum();
    Some((sum - n * (n + 1.0) / 2.0) / (n * negative.len() as f64))
}

/// Ranks from 1, equal values sharing their mean rank.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let equal = order[start..].iter().take_while(|&&index| values[index] == values[order[start]]).count().max(1);
        let rank = start as f64 + (equal as f64 + 1.0) / 2.0;
        order[start..start + equal].iter().for_each(|&index| ranks[index] = rank);
        start += equal;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_groups_are_those_of_their_rows_and_zero_without_any() {
        let rows = ndarray::array![[1.0f32, 2.0], [3.0, 0.0], [5.0, 7.0]];
        let means = group_means(rows.rows(), [0, 0, 2], 3);
        assert_eq!(means, ndarray::array![[2.0, 1.0], [0.0, 0.0], [5.0, 7.0]]);
        assert_eq!((mean(&[]), mean(&[1.0, 2.0]), sample_deviation(&[1.0])), (None, Some(1.5), None));
        assert!(median(&[]).is_nan());
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
    }

    #[test]
    fn correlations_and_areas_are_those_of_numbers_checked_by_hand() {
        // Deviations (-1.5, -.5, .5, 1.5) and (-1, -2, 2, 1): 1.5 + 1 + 1 + 1.5 = 5 over sqrt(5 * 10).
        let found = pearson(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 5.0, 4.0]).unwrap();
        assert!((found - 5.0 / 50f64.sqrt()).abs() < 1e-12);
        // Ranks 1, 2.5, 2.5, 4 against 1 to 4: sum of products of deviations 4.5 over sqrt(4.5 * 5).
        let found = spearman(&[0.1, 7.0, 7.0, 900.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((found - 4.5 / 22.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(pearson(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[1.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0]), None);
        assert_eq!(area_under_curve(&[3.0, 2.0], &[1.0, 2.0]), Some(3.5 / 4.0));
        assert_eq!(area_under_curve(&[1.0, 1.0], &[1.0]), Some(0.5));
        assert_eq!(area_under_curve(&[], &[1.0]), None);
    }
}
