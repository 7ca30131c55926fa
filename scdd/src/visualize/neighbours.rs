//! Exact nearest neighbours by Euclidean distance, from blocks of the matrix product
//! `|a - b|^2 = |a|^2 + |b|^2 - 2 a b`.

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use rayon::prelude::*;

/// Cells per block: the block of distances is `[block, cells]`.
const BLOCK: usize = 512;

/// Of every row of `points` `[cells, latent]` its `k` nearest rows and their distances, nearest first; the row
/// itself stands first with distance 0, as UMAP expects. `k` must not exceed the number of rows.
pub(super) fn nearest(points: &Array2<f32>, k: usize) -> (Array2<u32>, Array2<f32>) {
    let (cells, latent) = points.dim();
    let device = Device::flex();
    let flat: Vec<f32> = points.iter().copied().collect();
    let norms: Vec<f32> = flat.chunks(latent.max(1)).map(|row| row.iter().map(|x| x * x).sum()).collect();
    let all = Tensor::<2>::from_data(TensorData::new(flat, [cells, latent]), &device).transpose();

    let mut indices = Vec::with_capacity(cells * k);
    let mut distances = Vec::with_capacity(cells * k);
    for start in (0..cells).step_by(BLOCK) {
        let end = (start + BLOCK).min(cells);
        let block = all.clone().narrow(1, start, end - start).transpose();
        let products = block.matmul(all.clone()).into_data().convert::<f32>();
        // A tensor that we made as f32 converts to f32 without fail; an empty slice would only lose neighbours.
        let products = products.as_slice::<f32>().unwrap_or_default();
        let found: Vec<Vec<(f32, u32)>> =
            products.par_chunks(cells).enumerate().map(|(i, row)| nearest_in_row(start + i, row, &norms, k)).collect();
        for (distance, index) in found.into_iter().flatten() {
            indices.push(index);
            distances.push(distance.sqrt());
        }
    }
    let shape = (cells, k);
    (
        Array2::from_shape_vec(shape, indices).unwrap_or_else(|_| Array2::zeros(shape)),
        Array2::from_shape_vec(shape, distances).unwrap_or_else(|_| Array2::zeros(shape)),
    )
}

fn nearest_in_row(cell: usize, products: &[f32], norms: &[f32], k: usize) -> Vec<(f32, u32)> {
    let mut all: Vec<(f32, u32)> = products
        .iter()
        .zip(norms)
        .enumerate()
        .map(|(other, (&product, &norm))| {
            // Rounding can bring equal rows below zero.
            let squared = (norms[cell] + norm - 2.0 * product).max(0.0);
            (if other == cell { -1.0 } else { squared }, other as u32)
        })
        .collect();
    // Ties by index, so that the neighbours do not depend on the order of the selection.
    let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if k < all.len() {
        all.select_nth_unstable_by(k, order);
        all.truncate(k);
    }
    all.sort_unstable_by(order);
    all[0].0 = 0.0;
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn neighbours_are_those_of_the_plain_double_loop() {
        let mut stream = crate::seed::stream(7, "test neighbours");
        let points = Array2::from_shape_fn((1_100, 9), |_| stream.random::<f32>());
        let (indices, distances) = nearest(&points, 6);
        for cell in (0..1_100).step_by(97) {
            let mut plain: Vec<(f32, u32)> = (0..1_100)
                .map(|other| {
                    let difference = &points.row(cell) - &points.row(other);
                    (difference.dot(&difference).sqrt(), other as u32)
                })
                .collect();
            plain.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (place, (distance, index)) in plain.into_iter().take(6).enumerate() {
                assert_eq!(indices[[cell, place]], index);
                assert!((distances[[cell, place]] - distance).abs() < 1e-3);
            }
        }
    }
}
