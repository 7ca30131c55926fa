//! k-means: Lloyd's iterations from k-means++'s start (Arthur and Vassilvitskii 2007).

use ndarray::{Array2, ArrayView1, Axis};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::means::group_means;

/// Lloyd's iterations at most; classes of a few thousand cells settle in a few dozen.
const ITERATIONS: usize = 100;

/// The cluster of each point `[points, width]`, 0 to `k - 1`, each with a point at least; `k` at most the points.
pub(crate) fn kmeans(points: &Array2<f32>, k: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let k = k.min(points.nrows());
    if k <= 1 {
        return vec![0; points.nrows()];
    }
    let mut centres = points.select(Axis(0), &plus_plus(points, k, rng));
    let mut clusters = vec![usize::MAX; points.nrows()];
    for _ in 0..ITERATIONS {
        let (mut moved, distances) = assign(points, &centres);
        fill_empty(&mut moved, &distances, k);
        if moved == clusters {
            break;
        }
        clusters = moved;
        centres = group_means(points.rows(), clusters.iter().copied(), k).mapv(|mean| mean as f32);
    }
    clusters
}

/// Squared Euclidean distance.
pub(crate) fn distance(a: ArrayView1<f32>, b: ArrayView1<f32>) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Starting points: each next one with a probability that grows with its squared distance from those chosen.
fn plus_plus(points: &Array2<f32>, k: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut chosen = vec![rng.random_range(0..points.nrows())];
    let mut nearest = vec![f64::INFINITY; points.nrows()];
    while chosen.len() < k {
        let last = points.row(chosen[chosen.len() - 1]);
        for (point, nearest) in points.rows().into_iter().zip(&mut nearest) {
            *nearest = nearest.min(distance(point, last));
        }
        let mut left = rng.random::<f64>() * nearest.iter().sum::<f64>();
        let drawn = nearest.iter().position(|&weight| {
            left -= weight;
            weight > 0.0 && left <= 0.0
        });
        // Without a draw, all that are left lie on chosen points: any of them.
        let any = || (0..points.nrows()).find(|index| !chosen.contains(index));
        let Some(next) = drawn.or_else(any) else { break };
        chosen.push(next);
    }
    chosen
}

/// The nearest centre of each point, the first of equals, and the distance.
fn assign(points: &Array2<f32>, centres: &Array2<f32>) -> (Vec<usize>, Vec<f64>) {
    let nearest = |point: ArrayView1<f32>| {
        let distances = centres.rows().into_iter().map(|centre| distance(point, centre));
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
    use super::*;
    use crate::seed;
    use itertools::Itertools;
    use ndarray::array;

    #[test]
    fn three_far_groups_are_found_whatever_the_seed() {
        let points = array![[0.0, 0.0], [0.1, 0.0], [9.0, 0.0], [9.1, 0.1], [0.0, 9.0], [0.1, 9.1], [0.0, 0.1]];
        for seed in 0..20 {
            let found = kmeans(&points, 3, &mut seed::stream(seed, "k-means"));
            let same = |a: usize, b: usize| found[a] == found[b];
            assert!(same(0, 1) && same(0, 6) && same(2, 3) && same(4, 5), "{found:?}");
            assert_eq!(found.iter().unique().count(), 3, "{found:?}");
        }
    }

    #[test]
    fn every_cluster_has_a_point_even_when_points_are_equal() {
        let points = array![[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [5.0, 5.0]];
        for k in 1..=4 {
            let found = kmeans(&points, k, &mut seed::stream(4, "k-means"));
            assert_eq!(found.iter().unique().count(), k, "{found:?}");
        }
    }

    #[test]
    fn one_seed_gives_one_clustering() {
        let points = crate::tensors::array(crate::tensors::normal(
            50,
            3,
            &mut seed::stream(1, "points"),
            &burn::tensor::Device::flex(),
        ));
        let run = || kmeans(&points, 6, &mut seed::stream(2, "k-means"));
        assert_eq!(run(), run());
    }
}
