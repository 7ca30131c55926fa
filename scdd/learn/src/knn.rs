//! Exact k nearest neighbours (kNN) among dense rows, from blocks of the matrix product: by Euclidean distance
//! `|a - b|^2 = |a|^2 + |b|^2 - 2 a b`, or by cosine distance `1 - a b / (|a| |b|)`.
//!
//! Products cost O(queries reference d), the selection O(queries reference); a block of products takes 64 MB at most.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2};
use rayon::prelude::*;
use scdd_compute::gemm::{Accumulate, gemm_nt};

/// Products of a block of queries with all reference rows: 64 MB.
const BLOCK: usize = 1 << 24;
/// Fewest queries that a thread multiplies at a time.
const PART: usize = 32;
/// Up to so many rows and columns GEMM takes other paths, which round sums differently: such blocks aren't divided.
const SMALL: usize = 64;

/// How far two rows are from each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// The L2 norm of their difference.
    Euclidean,
    /// 1 - the cosine of the angle between them, from 0 to 2; a row of norm 0 is at 1 from every other.
    Cosine,
}

/// The `k` nearest rows of `reference` `[n, d]` for each row of `queries` `[m, d]`, and their distances, both
/// `[m, min(k, n)]`, nearest first and of equals the first.
///
/// # Panics
/// When queries and reference differ in width.
///
/// ```
/// use scdd_learn::{knn::{Distance, nearest}, ndarray::array};
/// let reference = array![[0.0, 0.0], [5.0, 0.0], [0.0, 2.0]];
/// let (indices, distances) = nearest(&array![[0.0, 1.5]], &reference, 2, Distance::Euclidean);
/// assert_eq!(indices, array![[2, 0]]);
/// assert_eq!(distances, array![[0.5, 1.5]]);
/// ```
pub fn nearest(
    queries: &Array2<f32>,
    reference: &Array2<f32>,
    k: usize,
    distance: Distance,
) -> (Array2<u32>, Array2<f32>) {
    search(queries, reference, k, distance, false)
}

/// The `k` nearest rows by Euclidean distance for each row of `points`; the row itself stands first with distance 0, as UMAP
/// expects, also when others are equal to it.
pub fn nearest_itself_first(points: &Array2<f32>, k: usize) -> (Array2<u32>, Array2<f32>) {
    search(points, points, k, Distance::Euclidean, true)
}

fn search(
    queries: &Array2<f32>,
    reference: &Array2<f32>,
    k: usize,
    distance: Distance,
    itself_first: bool,
) -> (Array2<u32>, Array2<f32>) {
    let (n, width) = reference.dim();
    assert_eq!(queries.ncols(), width, "queries and reference differ in width");
    let (query_norms, reference_norms) = (squared_norms(queries), squared_norms(reference));
    let reference = reference.as_standard_layout();
    let k = k.min(n);
    let block = (BLOCK / n.max(1)).clamp(16, 512);

    let mut indices = Vec::with_capacity(queries.nrows() * k);
    let mut distances = Vec::with_capacity(queries.nrows() * k);
    for (number, rows) in queries.axis_chunks_iter(Axis(0), block).enumerate() {
        let select = |(row, products): (usize, &[f32])| {
            let query = number * block + row;
            let norms = reference_norms.iter().map(|&other| (query_norms[query], other));
            let far = products.iter().zip(norms).map(|(&product, (own, other))| match distance {
                // Rounding can bring equal rows below zero.
                Distance::Euclidean => (own + other - 2.0 * product).max(0.0).sqrt(),
                Distance::Cosine if own == 0.0 || other == 0.0 => 1.0,
                Distance::Cosine => (1.0 - product / (own.sqrt() * other.sqrt())).max(0.0),
            });
            let mut row: Vec<(f32, u32)> = far.zip(0..).collect();
            if itself_first {
                row[query].0 = -1.0;
            }
            let mut row = smallest(row, k);
            if let Some(first) = row.first_mut().filter(|_| itself_first) {
                first.0 = 0.0;
            }
            row
        };
        let products = products(rows, &reference);
        let found: Vec<Vec<(f32, u32)>> = products.par_chunks(n.max(1)).enumerate().map(select).collect();
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

/// `rows reference^T`, by parts on several threads.
fn products(rows: ArrayView2<f32>, reference: &CowArray<f32, Ix2>) -> Vec<f32> {
    let (rows, n) = (rows.as_standard_layout(), reference.nrows());
    let mut products = vec![0.0; rows.nrows() * n];
    let (Some(a), Some(b)) = (rows.as_slice(), reference.as_slice()) else { return products };
    let width = reference.ncols();
    if width == 0 {
        return products;
    }
    let mut left = products.as_mut_slice();
    let mut parts = Vec::new();
    for range in parts_of(rows.nrows(), n, rayon::current_num_threads()) {
        let (part, after) = left.split_at_mut(range.len() * n);
        parts.push((range, part));
        left = after;
    }
    parts.into_par_iter().for_each(|(range, part)| {
        gemm_nt(&a[range.start * width..range.end * width], b, width, part, Accumulate::Overwrite);
    });
    products
}

/// Parts of so many queries, one for each thread, whose products with n rows have the bits of all queries' at once.
fn parts_of(rows: usize, n: usize, threads: usize) -> Vec<Range<usize>> {
    let part = if n <= SMALL { rows.max(1) } else { rows.div_ceil(threads).max(PART) };
    let mut starts: Vec<usize> = (0..rows).step_by(part).collect();
    // GEMM multiplies one row alone in another way.
    if rows % part == 1 && rows > 1 {
        starts.pop();
    }
    let ends = starts.iter().skip(1).copied().chain([rows]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

fn squared_norms(points: &Array2<f32>) -> Vec<f32> {
    points.rows().into_iter().map(|row| row.dot(&row)).collect()
}

/// The `k` smallest, sorted ascending. Ties by index, so that they do not depend on the order of the selection.
fn smallest(mut all: Vec<(f32, u32)>, k: usize) -> Vec<(f32, u32)> {
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
    use ndarray::{ArrayView1, array};
    use rand::RngExt;

    use super::*;

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
                for (position, (far, index)) in plain.into_iter().take(6).enumerate() {
                    assert_eq!(indices[[query, position]], index);
                    assert!((distances[[query, position]] - far).abs() < 1e-4);
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
            for (position, (distance, index)) in others.take(5).enumerate() {
                assert_eq!(indices[[cell, position + 1]], index);
                assert!((distances[[cell, position + 1]] - distance).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn of_equal_distances_the_first_comes_first_and_a_row_of_norm_zero_is_at_one() {
        let reference = array![[0.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]];
        let (indices, distances) = nearest(&array![[5.0, 0.0], [0.0, 0.0]], &reference, 5, Distance::Cosine);
        assert_eq!(indices.row(0).to_vec(), [1, 2, 0, 3, 4]);
        assert_eq!(distances.row(0).to_vec(), [0.0, 0.0, 1.0, 1.0, 2.0]);
        assert_eq!(distances.row(1).to_vec(), [1.0; 5]);
    }
    #[test]
    fn products_by_parts_have_the_bits_of_one_product() {
        for (rows, n, width) in [(512, 300, 50), (65, 90, 128), (33, 65, 600), (1, 80, 9), (97, 1_000, 3), (40, 20, 30)]
        {
            let (queries, reference) = (points(rows, width, "queries"), points(n, width, "reference"));
            let (a, b) = (queries.as_slice().unwrap(), reference.as_slice().unwrap());
            let product = |rows: Range<usize>| {
                let mut product = vec![0.0; rows.len() * n];
                gemm_nt(&a[rows.start * width..rows.end * width], b, width, &mut product, Accumulate::Overwrite);
                product
            };
            let whole = product(0..rows);
            for threads in [1, 2, 64] {
                let parts: Vec<f32> = parts_of(rows, n, threads).into_iter().flat_map(product).collect();
                assert_eq!(parts, whole, "{rows} x {n} x {width} by {threads}");
            }
            assert_eq!(products(queries.view(), &reference.as_standard_layout()), whole);
        }
    }

    #[test]
    fn more_neighbours_than_rows_and_no_rows_at_all_are_answered() {
        let (indices, _) = nearest(&array![[1.0, 2.0]], &array![[0.0, 0.0]], 5, Distance::Euclidean);
        assert_eq!(indices.dim(), (1, 1));
        let (indices, distances) = nearest(&Array2::zeros((3, 2)), &Array2::zeros((0, 2)), 5, Distance::Cosine);
        assert_eq!((indices.dim(), distances.dim()), ((3, 0), (3, 0)));
        assert_eq!(nearest(&Array2::zeros((0, 2)), &array![[0.0, 0.0]], 1, Distance::Cosine).0.dim(), (0, 1));
    }
}
