//! t-SNE (van der Maaten and Hinton 2008) of a few thousand points: attraction along the nearest neighbours (van der Maaten
//! 2014), exact repulsion between all pairs, summed in vector registers. O(500 n^2).
//!
//! It is ours: bhtsne 0.7.13 is well kept, but through rustfft it changes a feature of num-integer, below polars, and
//! sums in the order of its threads. Here one seed gives one layout.

use ndarray::Array2;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::knn::nearest_itself_first;

/// Effective number of neighbours of a point (scikit-learn).
const PERPLEXITY: f64 = 30.0;
/// Steps of early exaggeration, and its factor (scikit-learn).
const EARLY: usize = 125;
const EXAGGERATION: f32 = 12.0;
/// Steps in all (ours: half of scikit-learn's 1,000).
const STEPS: usize = 500;

/// Positions `[n, 2]` of points `[n, d]`. The same stream of random numbers gives the same positions. Fewer than five points
/// stay where they are drawn.
///
/// ```
/// use scdd_learn::{ndarray::Array2, seed, tsne::tsne};
/// let points = Array2::from_shape_fn((20, 3), |(point, axis)| if point % 2 == 0 { axis as f32 } else { 9.0 });
/// let positions = tsne(&points, &mut seed::stream(7, "layout"));
/// assert!(positions.iter().flatten().all(|value| value.is_finite()));
/// ```
pub fn tsne(points: &Array2<f32>, rng: &mut impl Rng) -> Vec<[f32; 2]> {
    let count = points.nrows();
    // scikit-learn initialises by principal components; from a small cloud the early exaggeration does as well.
    let draw = |_| -> f32 { Distribution::<f32>::sample(&StandardNormal, rng) };
    let initial: Vec<f32> = (0..2 * count).map(draw).map(|value| value * 1e-4).collect();
    let mut positions: Vec<[f32; 2]> = initial.as_chunks::<2>().0.to_vec();
    if count < 5 {
        return positions;
    }
    let attraction = Attraction::of(points);
    let rate = (count as f32 / EXAGGERATION / 4.0).max(50.0);
    let (mut velocities, mut gains) = (vec![[0.0f32; 2]; count], vec![[1.0f32; 2]; count]);
    for step in 0..STEPS {
        let (exaggeration, momentum) = if step < EARLY { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let gradient = attraction.gradient(&positions, exaggeration);
        let all = positions.iter_mut().zip(&mut velocities).zip(&mut gains).zip(&gradient);
        for (((position, velocity), gain), gradient) in all {
            for axis in 0..2 {
                let same = (gradient[axis] > 0.0) == (velocity[axis] > 0.0);
                gain[axis] = if same { (gain[axis] * 0.8).max(0.01) } else { gain[axis] + 0.2 };
                velocity[axis] = momentum * velocity[axis] - rate * gain[axis] * gradient[axis];
                position[axis] += velocity[axis];
            }
        }
    }
    positions
}

/// Symmetric probabilities p of pairs of neighbours, as sparse rows.
struct Attraction {
    rows: Vec<Vec<(u32, f32)>>,
}

impl Attraction {
    fn of(points: &Array2<f32>) -> Self {
        let count = points.nrows();
        let perplexity = PERPLEXITY.min((count - 1) as f64 / 3.0);
        let neighbours = ((3.0 * perplexity) as usize).clamp(1, count - 1);
        let (indices, distances) = nearest_itself_first(points, neighbours + 1);
        let probabilities: Vec<Vec<f64>> = (0..count)
            .into_par_iter()
            .map(|point| {
                let of_point = distances.row(point);
                let squared = of_point.iter().skip(1).map(|d| f64::from(*d) * f64::from(*d));
                conditional(&squared.collect::<Vec<_>>(), perplexity)
            })
            .collect();
        let mut rows: Vec<Vec<(u32, f32)>> = vec![Vec::new(); count];
        for (point, probabilities) in probabilities.iter().enumerate() {
            for (&other, p) in indices.row(point).iter().skip(1).zip(probabilities) {
                let half = (p / (2 * count) as f64) as f32;
                rows[point].push((other, half));
                rows[other as usize].push((point as u32, half));
            }
        }
        Self { rows }
    }

    fn gradient(&self, positions: &[[f32; 2]], exaggeration: f32) -> Vec<[f32; 2]> {
        let (x, y): (Vec<f32>, Vec<f32>) = positions.iter().map(|[x, y]| (*x, *y)).unzip();
        let repelled: Vec<[f32; 3]> = positions.par_iter().map(|position| repulsion(*position, &x, &y)).collect();
        // Each point's q of itself is 1. Summed in one order, whatever the threads.
        let total: f64 = repelled.iter().map(|sums| f64::from(sums[2]) - 1.0).sum();
        let inverse = (1.0 / total.max(1e-12)) as f32;
        positions
            .par_iter()
            .zip(&self.rows)
            .zip(&repelled)
            .map(|((position, row), repelled)| {
                let mut attracted = [0.0f32; 2];
                for &(other, p) in row {
                    let (dx, dy) = (position[0] - x[other as usize], position[1] - y[other as usize]);
                    let pull = p / (1.0 + dx * dx + dy * dy);
                    attracted[0] += pull * dx;
                    attracted[1] += pull * dy;
                }
                std::array::from_fn(|axis| 4.0 * (exaggeration * attracted[axis] - repelled[axis] * inverse))
            })
            .collect()
    }
}

/// Sums over all points of q^2 times the difference, and of q = 1 / (1 + d^2).
fn repulsion(position: [f32; 2], x: &[f32], y: &[f32]) -> [f32; 3] {
    const LANES: usize = 16;
    let mut sums = [[0.0f32; LANES]; 3];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            let (dx, dy) = (position[0] - x[lane], position[1] - y[lane]);
            let q = 1.0 / (1.0 + dx * dx + dy * dy);
            sums[0][lane] += q * q * dx;
            sums[1][lane] += q * q * dy;
            sums[2][lane] += q;
        }
    }
    let mut all: [f32; 3] = std::array::from_fn(|sum| sums[sum].iter().sum());
    for (x, y) in x_rest.iter().zip(y_rest) {
        let (dx, dy) = (position[0] - x, position[1] - y);
        let q = 1.0 / (1.0 + dx * dx + dy * dy);
        all[0] += q * q * dx;
        all[1] += q * q * dy;
        all[2] += q;
    }
    all
}

/// Conditional probabilities of neighbours at these squared distances: a normal distribution whose width gives the
/// perplexity, by bisection.
fn conditional(squared: &[f64], perplexity: f64) -> Vec<f64> {
    let nearest = squared.iter().copied().fold(f64::INFINITY, f64::min);
    let (mut precision, mut low, mut high) = (1.0f64, 0.0f64, f64::INFINITY);
    let mut probabilities = Vec::new();
    for _ in 0..64 {
        probabilities = squared.iter().map(|distance| (-(distance - nearest) * precision).exp()).collect();
        let sum: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= sum);
        let entropy: f64 = probabilities.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        let gap = entropy - perplexity.ln();
        if gap.abs() < 1e-5 {
            break;
        }
        if gap > 0.0 {
            low = precision;
            precision = if high.is_finite() { (precision + high) / 2.0 } else { precision * 2.0 };
        } else {
            high = precision;
            precision = (precision + low) / 2.0;
        }
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn the_probabilities_of_neighbours_have_the_perplexity() {
        let squared: Vec<f64> = (1..60).map(|i| f64::from(i).powi(2) / 100.0).collect();
        let entropy: f64 = conditional(&squared, 12.0).iter().map(|p| -p * p.max(1e-300).ln()).sum();
        assert!((entropy.exp() - 12.0).abs() < 1e-3, "{}", entropy.exp());
        // Equal distances have equal probabilities, whatever the perplexity.
        assert!(conditional(&[1.0; 8], 3.0).iter().all(|p| (p - 0.125).abs() < 1e-12));
    }

    #[test]
    fn clusters_stay_apart_and_one_seed_gives_one_layout() {
        let mut random = seed::stream(4, "t-SNE clusters");
        let points = Array2::from_shape_fn((120, 6), |(point, axis)| {
            let noise: f32 = Distribution::<f32>::sample(&StandardNormal, &mut random);
            0.1 * noise + if point % 3 == axis { 1.0 } else { 0.0 }
        });
        let positions = tsne(&points, &mut seed::stream(5, "layout"));
        assert_eq!(positions, tsne(&points, &mut seed::stream(5, "layout")));
        let apart =
            |a: usize, b: usize| (0..2).map(|axis| (positions[a][axis] - positions[b][axis]).powi(2)).sum::<f32>();
        let nearest = |point: usize| {
            (0..120).filter(|other| *other != point).min_by(|a, b| apart(point, *a).total_cmp(&apart(point, *b)))
        };
        let kept = (0..120).filter(|point| nearest(*point).is_some_and(|other| other % 3 == point % 3));
        assert!(kept.count() > 114);
    }

    #[test]
    fn repulsion_is_the_plain_sum() {
        let positions: Vec<[f32; 2]> = (0..37).map(|i| [(i % 7) as f32, (i % 5) as f32 * 0.5]).collect();
        let (x, y): (Vec<f32>, Vec<f32>) = positions.iter().map(|position| (position[0], position[1])).unzip();
        let found = repulsion(positions[3], &x, &y);
        let q = |position: &[f32; 2]| {
            let (dx, dy) = (positions[3][0] - position[0], positions[3][1] - position[1]);
            (1.0 / (1.0 + dx * dx + dy * dy), dx)
        };
        let sum: f32 = positions.iter().map(|position| q(position).0).sum();
        let pushed: f32 = positions.iter().map(|position| q(position).0.powi(2) * q(position).1).sum();
        assert!((found[2] - sum).abs() < 1e-4 && (found[0] - pushed).abs() < 1e-4);
    }
}
