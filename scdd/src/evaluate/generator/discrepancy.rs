//! Maximum mean discrepancy (Gretton et al. 2012) with a Gaussian kernel, its width the median distance of all points.

use ndarray::{Array2, Axis, concatenate};

use super::{Found, Sample, balanced, too_few};
use scdd_learn::knn::{Distance, nearest};

/// Below so many cells the estimate is mostly noise (ours).
const LEAST: usize = 20;

/// The unbiased estimate of the squared discrepancy: 0 on average for one distribution, so it may be below.
pub(super) fn compare(real: &Sample, other: &Sample, seed: u64) -> Found {
    let name = "squared maximum mean discrepancy";
    if let Some(reason) = too_few(LEAST, real.cells(), other.cells()) {
        return Found { name, ideal: 0.0, value: Err(reason) };
    }
    let (real, other) = balanced(real, other, seed);
    Found { name, ideal: 0.0, value: discrepancy(&real, &other).ok_or_else(|| "all cells are equal".to_owned()) }
}

fn discrepancy(a: &Array2<f32>, b: &Array2<f32>) -> Option<f64> {
    let n = a.nrows();
    let all = concatenate(Axis(0), &[a.view(), b.view()]).ok()?;
    // All neighbours of each point are all distances.
    let (order, distances) = nearest(&all, &all, 2 * n, Distance::Euclidean);
    let mut sorted: Vec<f32> = distances.iter().copied().collect();
    let middle = sorted.len() / 2;
    let (_, &mut median, _) = sorted.select_nth_unstable_by(middle, f32::total_cmp);
    let width = 2.0 * f64::from(median).powi(2);
    if width == 0.0 {
        return None;
    }
    let mut sum = 0.0;
    for (point, (order, distances)) in order.rows().into_iter().zip(distances.rows()).enumerate() {
        for (&other, &distance) in order.iter().zip(distances) {
            let kernel = (-f64::from(distance).powi(2) / width).exp();
            let (own, other) = (point < n, (other as usize) < n);
            sum += match own == other {
                true => kernel / (n * (n - 1)) as f64,
                false => -kernel / (n * n) as f64,
            };
        }
        // A point's kernel with itself is 1 and does not count.
        sum -= 1.0 / (n * (n - 1)) as f64;
    }
    Some(sum)
}
