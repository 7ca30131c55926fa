//! SpMM with plain weights: Y += X W, X sparse `[rows, k]`, W `[k, width]` row-major, for weights that change in each step.
//! Frozen weights are packed once and are faster ([`spmm`](crate::spmm)).
//!
//! Each stored value reads a whole row of weights (4 KB at a width of 1,024), so memory decides: weights of 28,231 genes
//! (115 MB) are in no cache. Blocks of weight rows that fit L2 serve many sparse rows before the next block comes. Four weight
//! rows are added at a time, so that the sums are loaded and stored once for four.
//!
//! A row's terms are added one after the other in the order of its columns: it gets the same bits alone and among others.
//! O(nnz * width).

use rayon::prelude::*;

use crate::cpu::{Isa, PORTABLE_FMA, multiply_add};
use crate::csr::CsrView;
use crate::dispatch;

/// Bytes of weights that stay in L2 (1.25 to 2 MB in today's servers) while sparse rows use them.
const BLOCK_BYTES: usize = 1 << 20;
/// Weight rows that are added together.
const GROUP: usize = 4;
/// Most rows of a task when the weights need several blocks: a task reads all weights once.
const LARGE_TASK: usize = 1024;
/// Rows of a task when they fit one.
const SMALL_TASK: usize = 32;

/// Sparse rows `[rows, k]` times row-major weights `[k, width]`: `[rows, width]`, in threads.
///
/// # Panics
/// When an index of the rows reaches past the weights.
///
/// ```
/// use scdd_compute::{Csr, spmm_plain};
/// let cells = Csr::from_dense(3, &[0.0, 2.0, 0.0, 1.0, 0.0, 3.0])?;
/// assert_eq!(spmm_plain(cells.view(), &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2), [4.0, 40.0, 10.0, 100.0]);
/// // The gradient of the weights, dL/dW = X^T dL/dY.
/// let gradient = spmm_plain(cells.view().transpose().view(), &[1.0, 0.5, 4.0, 0.25], 2);
/// assert_eq!(gradient, [4.0, 0.25, 2.0, 1.0, 12.0, 0.75]);
/// # Ok::<(), scdd_compute::CsrError>(())
/// ```
pub fn spmm_plain(rows: CsrView, weights: &[f32], width: usize) -> Vec<f32> {
    let count = rows.rows();
    let mut sums = vec![0.0; count * width];
    let task = if rows.columns() <= block_rows(width) {
        SMALL_TASK
    } else {
        count.div_ceil(rayon::current_num_threads()).clamp(1, LARGE_TASK)
    };
    sums.par_chunks_mut((task * width).max(1)).enumerate().for_each(|(number, sums)| {
        let part = rows.slice(number * task..((number + 1) * task).min(count));
        add_spmm(Isa::detect(), part, weights, width, sums);
    });
    sums
}

/// Weight rows of a width that fit a block.
fn block_rows(width: usize) -> usize {
    (BLOCK_BYTES / (width.max(1) * size_of::<f32>())).max(1)
}

/// Adds the product to `sums` `[rows, width]`, on this thread.
fn add_spmm(isa: Isa, rows: CsrView, weights: &[f32], width: usize, sums: &mut [f32]) {
    dispatch!(
        isa,
        (rows: CsrView = rows, weights: &[f32] = weights, width: usize = width, sums: &mut [f32] = sums),
        add_blocks::<true>,
        add_blocks::<true>,
        add_blocks::<PORTABLE_FMA>
    );
}

#[inline(always)]
fn add_blocks<const FUSED: bool>(rows: CsrView, weights: &[f32], width: usize, sums: &mut [f32]) {
    if width == 0 {
        return;
    }
    let block = block_rows(width);
    let mut starts: Vec<usize> = rows.indptr().iter().map(|&start| start as usize).collect();
    let ends = rows.indptr().get(1..).unwrap_or(&[]);
    let mut end_of_block = block;
    let mut left = true;
    while left {
        left = false;
        for ((start, &end), sum) in starts.iter_mut().zip(ends).zip(sums.chunks_exact_mut(width)) {
            let rest = *start..end as usize;
            let (indices, values) = (&rows.indices()[rest.clone()], &rows.values()[rest]);
            let count = indices.iter().take_while(|&&index| (index as usize) < end_of_block).count();
            add_rows::<FUSED>(&indices[..count], &values[..count], weights, width, sum);
            *start += count;
            left |= count < indices.len();
        }
        end_of_block += block;
    }
}

#[inline(always)]
fn add_rows<const FUSED: bool>(indices: &[u32], values: &[f32], weights: &[f32], width: usize, sum: &mut [f32]) {
    let row = |index: u32| &weights[index as usize * width..][..width];
    let (indices, last_indices) = indices.as_chunks::<GROUP>();
    let (values, last_values) = values.as_chunks::<GROUP>();
    for (&[a, b, c, d], &[x, y, z, u]) in indices.iter().zip(values) {
        // Flat and zipped, so that the compiler makes vectors of it; written over arrays of lanes it gathers.
        let rows = row(a).iter().zip(row(b)).zip(row(c)).zip(row(d));
        for (sum, (((a, b), c), d)) in sum.iter_mut().zip(rows) {
            let two = multiply_add::<FUSED>(y, *b, multiply_add::<FUSED>(x, *a, *sum));
            *sum = multiply_add::<FUSED>(u, *d, multiply_add::<FUSED>(z, *c, two));
        }
    }
    for (&index, &value) in last_indices.iter().zip(last_values) {
        for (sum, weight) in sum.iter_mut().zip(row(index)) {
            *sum = multiply_add::<FUSED>(value, *weight, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::csr::Csr;
    use crate::testing::{cases, draw, plain_sum, random_rows, rng};

    #[test]
    fn products_equal_a_plain_loop_at_any_shape_and_with_every_instruction_set() {
        let mut rng = rng(3);
        for trial in cases(1..121, 4) {
            let (rows, inner) = (rng.random_range(0..9), rng.random_range(1..90));
            // Now and then so wide that a block holds but a few rows.
            let width = if trial % 20 == 0 { rng.random_range(30_000..70_000) } else { rng.random_range(0..70) };
            let sparse = random_rows(rows, inner, &mut rng);
            let weights = draw(inner * width, &mut rng);
            for isa in Isa::available() {
                let mut sums = vec![0.0; rows * width];
                add_spmm(isa, sparse.view(), &weights, width, &mut sums);
                for (position, &sum) in sums.iter().enumerate() {
                    let (row, column) = (position / width, position % width);
                    let (expected, bound) = plain_sum(sparse.view(), row, |index| weights[index * width + column]);
                    let apart = (f64::from(sum) - expected).abs();
                    assert!(apart <= bound, "{rows} x {inner} x {width}, {isa:?}: {sum} and {expected}");
                }
            }
        }
    }

    #[test]
    fn products_are_added_to_the_sums() {
        let rows = CsrView::new(2, &[0, 0, 1], &[1], &[2.0]);
        let mut sums = [1.0, 2.0, 3.0, 4.0];
        add_spmm(Isa::detect(), rows, &[9.0, 9.0, 0.5, 0.25], 2, &mut sums);
        assert_eq!(sums, [1.0, 2.0, 4.0, 4.5]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes")]
    fn a_row_alone_gets_the_same_bits_as_among_others() {
        let (rows, inner, width) = (70, 400, 1100); // more weight rows than a block holds, more rows than a task
        let dense: Vec<f32> =
            (0..rows * inner).map(|i| if i * i % 7 == 1 { (i % 13) as f32 * 0.37 } else { 0.0 }).collect();
        let sparse = Csr::from_dense(inner, &dense).unwrap();
        let weights: Vec<f32> = (0..inner * width).map(|i| ((i * 31 % 101) as f32 - 50.0) * 0.013).collect();
        let whole = spmm_plain(sparse.view(), &weights, width);
        for row in [0, 1, 33, 69] {
            assert_eq!(spmm_plain(sparse.select_rows(&[row]).view(), &weights, width), whole[row * width..][..width]);
        }
    }
}
