//! k-means clustering: Lloyd's iterations from k-means++ initialisation (Arthur and Vassilvitskii 2007).
//!
//! Points are `[n, d]`. An iteration costs O(n k d); clusters of a few thousand points settle in a few dozen iterations.

use ndarray::{Array2, ArrayView1, Axis};
use rand::{Rng, RngExt};

use crate::statistics::group_means;

/// Lloyd's iterations at most (ours; scikit-learn has 300).
const ITERATIONS: usize = 100;

/// Clusters of points, and how the iterations ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Clustering {
    /// The cluster of each point, 0 to `k - 1`; each cluster has at least one point.
    pub clusters: Vec<usize>,
    /// Sum of squared distances of the points to the means of their clusters.
    pub inertia: f64,
    /// Times that the means were computed.
    pub iterations: usize,
    /// Whether the last assignment changed no cluster; false after 100 iterations without that.
    pub converged: bool,
}

/// Groups points `[n, d]` into `k` clusters, at least 1 and at most n. The same stream of random numbers gives the same
/// clusters.
///
/// ```
/// use scdd_learn::{kmeans::kmeans, ndarray::array, seed};
/// let points = array![[0.0, 0.0], [9.0, 9.0], [0.1, 0.0], [9.0, 9.2]];
/// let found = kmeans(&points, 2, &mut seed::stream(7, "clusters"));
/// assert_eq!(found.clusters[0], found.clusters[2]);
/// assert_ne!(found.clusters[0], found.clusters[1]);
/// assert!(found.converged && found.inertia < 0.03);
/// ```
pub fn kmeans(points: &Array2<f32>, k: usize, rng: &mut impl Rng) -> Clustering {
    let k = k.min(points.nrows());
    if k <= 1 {
        let clusters = vec![0; points.nrows()];
        let inertia = inertia(points, &clusters, &means(points, &clusters, 1));
        return Clustering { clusters, inertia, iterations: 1, converged: true };
    }
    let mut centres = points.select(Axis(0), &plus_plus(points, k, rng));
    let mut clusters = vec![usize::MAX; points.nrows()];
    for iteration in 0..ITERATIONS {
        let (mut assigned, distances) = assign(points, &centres);
        fill_empty(&mut assigned, &distances, k);
        if assigned == clusters {
            let inertia = inertia(points, &clusters, &centres);
            return Clustering { clusters, inertia, iterations: iteration, converged: true };
        }
        clusters = assigned;
        centres = means(points, &clusters, k);
    }
    let inertia = inertia(points, &clusters, &centres);
    Clustering { clusters, inertia, iterations: ITERATIONS, converged: false }
}

/// Squared Euclidean distance, summed in f64.
pub fn squared_distance(a: ArrayView1<f32>, b: ArrayView1<f32>) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

fn means(points: &Array2<f32>, clusters: &[usize], k: usize) -> Array2<f32> {
    group_means(points.rows(), clusters.iter().copied(), k).mapv(|mean| mean as f32)
}

fn inertia(points: &Array2<f32>, clusters: &[usize], centres: &Array2<f32>) -> f64 {
    points.rows().into_iter().zip(clusters).map(|(point, &of)| squared_distance(point, centres.row(of))).sum()
}

/// Initial centres: each next one is a point drawn with a probability in proportion to its squared distance to the nearest
/// of those chosen.
fn plus_plus(points: &Array2<f32>, k: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut chosen = vec![rng.random_range(0..points.nrows())];
    let mut nearest = vec![f64::INFINITY; points.nrows()];
    while chosen.len() < k {
        let last = points.row(chosen[chosen.len() - 1]);
        for (point, nearest) in points.rows().into_iter().zip(&mut nearest) {
            *nearest = nearest.min(squared_distance(point, last));
        }
        let mut left = rng.random::<f64>() * nearest.iter().sum::<f64>();
        let drawn = nearest.iter().position(|&weight| {
            left -= weight;
            weight > 0.0 && left <= 0.0
        });
        // Without a draw, all other points are equal to chosen ones: take any of them.
        let any = || (0..points.nrows()).find(|index| !chosen.contains(index));
        let Some(next) = drawn.or_else(any) else { break };
        chosen.push(next);
    }
    chosen
}

/// The nearest centre of each point, the first of equals, and the distance.
fn assign(points: &Array2<f32>, centres: &Array2<f32>) -> (Vec<usize>, Vec<f64>) {
    let nearest = |point: ArrayView1<f32>| {
        let distances = centres.rows().into_iter().map(|centre| squared_distance(point, centre));
        distances.enumerate().fold((0, f64::INFINITY), |best, new| if new.1 < best.1 { new } else { best })
    };
    points.rows().into_iter().map(nearest).unzip()
}

/// Gives each empty cluster the point that is farthest from its centre.
fn fill_empty(clusters: &mut [usize], distances: &[f64], k: usize) {
    for empty in 0..k {
        let mut counts = vec![0usize; k];
        clusters.iter().for_each(|&cluster| counts[cluster] += 1);
        if counts[empty] == 0 {
            let spare = (0..clusters.len()).filter(|&point| counts[clusters[point]] > 1);
            if let Some(farthest) = spare.max_by(|&a, &b| distances[a].total_cmp(&distances[b])) {
                clusters[farthest] = empty;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ndarray::array;

    use super::*;
    use crate::seed;

    fn count(clusters: &[usize]) -> usize {
        clusters.iter().collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn three_far_groups_are_found_whatever_the_seed() {
        let points = array![[0.0, 0.0], [0.1, 0.0], [9.0, 0.0], [9.1, 0.1], [0.0, 9.0], [0.1, 9.1], [0.0, 0.1]];
        for seed in 0..20 {
            let found = kmeans(&points, 3, &mut seed::stream(seed, "k-means")).clusters;
            let same = |a: usize, b: usize| found[a] == found[b];
            assert!(same(0, 1) && same(0, 6) && same(2, 3) && same(4, 5), "{found:?}");
            assert_eq!(count(&found), 3, "{found:?}");
        }
    }

    #[test]
    fn every_cluster_has_a_point_even_when_points_are_equal() {
        let points = array![[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [5.0, 5.0]];
        for k in 1..=4 {
            let found = kmeans(&points, k, &mut seed::stream(4, "k-means")).clusters;
            assert_eq!(count(&found), k, "{found:?}");
        }
    }

    #[test]
    fn one_seed_gives_one_clustering_and_inertia_falls_with_more_clusters() {
        let mut draws = seed::stream(1, "points");
        let points = Array2::from_shape_simple_fn((50, 3), || draws.random::<f32>());
        let run = |k| kmeans(&points, k, &mut seed::stream(2, "k-means"));
        assert_eq!(run(6), run(6));
        assert!(run(6).converged && run(6).iterations < ITERATIONS);
        let mean = points.mean_axis(Axis(0)).unwrap();
        let spread: f64 = points.rows().into_iter().map(|point| squared_distance(point, mean.view())).sum();
        assert!((run(1).inertia - spread).abs() < 1e-6);
        assert!(run(6).inertia < run(2).inertia && run(2).inertia < run(1).inertia);
        assert_eq!(run(50).inertia, 0.0);
    }

    #[test]
    fn no_points_are_no_clusters() {
        let found = kmeans(&Array2::zeros((0, 3)), 4, &mut seed::stream(2, "k-means"));
        assert_eq!(found, Clustering { clusters: vec![], inertia: 0.0, iterations: 1, converged: true });
    }
}
