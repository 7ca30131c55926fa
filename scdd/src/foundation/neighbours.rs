//! Exact nearest neighbours among latents, from blocks of the matrix product: by Euclidean distance
//! `|a - b|^2 = |a|^2 + |b|^2 - 2 a b`, or by cosine distance `1 - a b / (|a| |b|)`, SCimilarity's.

use burn::tensor::{Device, Tensor};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::tensors;

/// Products of a block `[queries, reference]`: 64 MB.
const BLOCK: usize = 1 << 24;

/// How far two latents are from each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Distance {
    /// The length of their difference.
    Euclidean,
    /// 1 - the cosine of the angle between them, from 0 to 2; a latent of length 0 is at 1 from every other.
    Cosine,
}

/// Of each row of `queries` `[m, d]` the `k` nearest rows of `reference` `[n, d]` and their distances, both `[m, k]`,
/// nearest first and of equals the first. `k` must not exceed the rows of the reference.
pub(crate) fn nearest(
    queries: &Array2<f32>,
    reference: &Array2<f32>,
    k: usize,
    distance: Distance,
) -> (Array2<u32>, Array2<f32>) {
    search(queries, reference, k, distance, false)
}

/// Of every row of `points` its `k` nearest rows by Euclidean distance; the row itself stands first with distance 0, as
/// UMAP expects, also when others are equal to it.
pub(crate) fn nearest_itself_first(points: &Array2<f32>, k: usize) -> (Array2<u32>, Array2<f32>) {
    search(points, points, k, Distance::Euclidean, true)
}

fn search(
    queries: &Array2<f32>,
    reference: &Array2<f32>,
    k: usize,
    distance: Distance,
    itself_first: bool,
) -> (Array2<u32>, Array2<f32>) {
    let device = Device::flex();
    let (of_queries, of_reference) = (squared_lengths(queries), squared_lengths(reference));
    let all: Tensor<2> = tensors::tensor(reference, &device).transpose();
    let n = reference.nrows();
    let k = k.min(n);
    let block = (BLOCK / n.max(1)).clamp(16, 512);

    let mut indices = Vec::with_capacity(queries.nrows() * k);
    let mut distances = Vec::with_capacity(queries.nrows() * k);
    for (number, rows) in queries.axis_chunks_iter(Axis(0), block).enumerate() {
        let products = tensors::to_vec(tensors::tensor(&rows.to_owned(), &device).matmul(all.clone()));
        let found: Vec<Vec<(f32, u32)>> = products
            .par_chunks(n.max(1))
            .enumerate()
            .map(|(row, products)| {
                let query = number * block + row;
                let lengths = of_reference.iter().map(|&other| (of_queries[query], other));
                let far = products.iter().zip(lengths).map(|(&product, (own, other))| match distance {
                    // Rounding can bring equal rows below zero.
                    Distance::Euclidean => (own + other - 2.0 * product).max(0.0).sqrt(),
                    Distance::Cosine if own == 0.0 || other == 0.0 => 1.0,
                    Distance::Cosine => (1.0 - product / (own.sqrt() * other.sqrt())).max(0.0),
                });
                let mut row: Vec<(f32, u32)> = far.zip(0..).collect();
                if itself_first {
                    row[query].0 = -1.0;
                }
                let mut row = first(row, k);
                if itself_first {
                    row[0].0 = 0.0;
                }
                row
            })
            .collect();
        for (distance, index) in found.into_iter().flatten() {
            indices.push(index);
            distances.push(distance);
        }
    }
    // Each query gave k of both.
    let shape = (queries.nrows(), k);
    (
        Array2::from_shape_vec(shape, indices).unwrap_or_default(),
        Array2::from_shape_vec(shape, distances).unwrap_or_default(),
    )
}

fn squared_lengths(points: &Array2<f32>) -> Vec<f32> {
    points.rows().into_iter().map(|row| row.dot(&row)).collect()
}

/// The `k` smallest, rising. Ties by index, so that they do not depend on the order of the selection.
fn first(mut all: Vec<(f32, u32)>, k: usize) -> Vec<(f32, u32)> {
    let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if k < all.len() {
        all.select_nth_unstable_by(k, order);
        all.truncate(k);
    }
    all.sort_unstable_by(order);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ArrayView1, array};
    use rand::RngExt;

    fn points(rows: usize, width: usize, purpose: &str) -> Array2<f32> {
        let mut stream = crate::seed::stream(7, purpose);
        Array2::from_shape_fn((rows, width), |_| stream.random::<f32>() - 0.3)
    }

    fn plain(query: ArrayView1<f32>, reference: &Array2<f32>, distance: Distance) -> Vec<(f32, u32)> {
        let far = reference.rows().into_iter().map(|row| match distance {
            Distance::Euclidean => (&query - &row).mapv(|x| x * x).sum().sqrt(),
            Distance::Cosine => 1.0 - query.dot(&row) / (query.dot(&query).sqrt() * row.dot(&row).sqrt()),
        });
        let mut all: Vec<(f32, u32)> = far.zip(0..).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    #[test]
    fn neighbours_in_another_set_are_those_of_the_plain_double_loop() {
        let (queries, reference) = (points(600, 9, "queries"), points(350, 9, "reference"));
        for distance in [Distance::Euclidean, Distance::Cosine] {
            let (indices, distances) = nearest(&queries, &reference, 6, distance);
            assert_eq!(indices.dim(), (600, 6));
            for query in (0..600).step_by(37) {
                let plain = plain(queries.row(query), &reference, distance);
                for (place, (far, index)) in plain.into_iter().take(6).enumerate() {
                    assert_eq!(indices[[query, place]], index);
                    assert!((distances[[query, place]] - far).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn neighbours_in_the_same_set_are_those_of_the_plain_double_loop_and_each_row_comes_first() {
        let mut points = points(1_100, 9, "test neighbours");
        let twin = points.row(97).to_owned();
        points.row_mut(0).assign(&twin);
        let (indices, distances) = nearest_itself_first(&points, 6);
        for cell in (0..1_100).step_by(97) {
            assert_eq!((indices[[cell, 0]], distances[[cell, 0]]), (cell as u32, 0.0));
            let plain = plain(points.row(cell), &points, Distance::Euclidean);
            let others = plain.into_iter().filter(|(_, index)| *index != cell as u32);
            for (place, (distance, index)) in others.take(5).enumerate() {
                assert_eq!(indices[[cell, place + 1]], index);
                assert!((distances[[cell, place + 1]] - distance).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn of_equal_distances_the_first_comes_first_and_a_latent_of_length_zero_is_at_one() {
        let reference = array![[0.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]];
        let (indices, distances) = nearest(&array![[5.0, 0.0], [0.0, 0.0]], &reference, 5, Distance::Cosine);
        assert_eq!(indices.row(0).to_vec(), [1, 2, 0, 3, 4]);
        assert_eq!(distances.row(0).to_vec(), [0.0, 0.0, 1.0, 1.0, 2.0]);
        assert_eq!(distances.row(1).to_vec(), [1.0; 5]);
    }
}
