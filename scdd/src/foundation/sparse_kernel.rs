//! Sums of scaled rows, `s_i = sum_j x_ij w_j` over the stored `x_ij` of a sparse row: the product of sparse rows with a
//! dense matrix whose weights change from step to step. Those that don't are packed (`packed_kernel.rs`).
//!
//! Each stored value reads a whole row of weights (4 KB at a width of 1,024), so memory decides: weights of 28,231 genes
//! (115 MB) are in no cache. Blocks of weight rows that fit the second cache serve many cells before the next block
//! comes, and four rows at a time are added, so that the sums are loaded and stored once for four. Whatever cells are
//! in a batch, the terms of a cell are added one after the other in the order of its genes: its sums are the same bits.

use super::fastest::fastest;

/// Bytes of weights that stay in the second cache (1.25 to 2 MB in today's servers) while cells use them.
const BLOCK_BYTES: usize = 1 << 20;
/// Weight rows that are added together.
const GROUP: usize = 4;

/// Compressed rows: row `i` holds entries `pointers[i]..pointers[i + 1]`; within a row the indices rise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) pointers: &'a [u64],
    pub(super) indices: &'a [u32],
    pub(super) values: &'a [f32],
}

/// Weight rows of a width that fit into a block.
pub(super) fn block_rows(width: usize) -> usize {
    (BLOCK_BYTES / (width.max(1) * size_of::<f32>())).max(1)
}

/// Adds the products of `rows` with `weights` `[_, width]` to `sums` `[rows, width]`.
pub(super) fn add_products(rows: Rows, weights: &[f32], width: usize, sums: &mut [f32]) {
    // SAFETY: the function `kernel` chose what the processor has; the others need nothing.
    unsafe { kernel()(rows, weights, width, sums) }
}

/// The fastest kernel that the processor can execute.
fn kernel() -> unsafe fn(Rows, &[f32], usize, &mut [f32]) {
    fastest!(
        (rows: Rows, weights: &[f32], width: usize, sums: &mut [f32]),
        add_products_any::<true>,
        add_products_any::<true>,
        add_products_any::<{ cfg!(target_arch = "aarch64") }>
    )
}

/// The same for any processor; `FUSED` rounds once per multiplication and addition.
#[inline(always)]
fn add_products_any<const FUSED: bool>(rows: Rows, weights: &[f32], width: usize, sums: &mut [f32]) {
    if width == 0 {
        return;
    }
    let block = block_rows(width);
    let mut starts: Vec<usize> = rows.pointers.iter().map(|&pointer| pointer as usize).collect();
    let ends = rows.pointers.get(1..).unwrap_or(&[]);
    let mut end_of_block = block;
    let mut left = true;
    while left {
        left = false;
        for ((start, &end), sum) in starts.iter_mut().zip(ends).zip(sums.chunks_exact_mut(width)) {
            let rest = *start..end as usize;
            let (indices, values) = (&rows.indices[rest.clone()], &rows.values[rest]);
            let count = indices.iter().take_while(|&&index| (index as usize) < end_of_block).count();
            add_rows::<FUSED>(&indices[..count], &values[..count], weights, width, sum);
            *start += count;
            left |= count < indices.len();
        }
        end_of_block += block;
    }
}

/// Adds weight rows, each times its value, to one sum `[width]`.
#[inline(always)]
fn add_rows<const FUSED: bool>(indices: &[u32], values: &[f32], weights: &[f32], width: usize, sum: &mut [f32]) {
    let row = |index: u32| &weights[index as usize * width..][..width];
    let (indices, last_indices) = indices.as_chunks::<GROUP>();
    let (values, last_values) = values.as_chunks::<GROUP>();
    for (&[a, b, c, d], &[x, y, z, u]) in indices.iter().zip(values) {
        // Flat and zipped, so that the compiler makes vectors of it; written over arrays of lanes it gathers.
        let rows = row(a).iter().zip(row(b)).zip(row(c)).zip(row(d));
        for (sum, (((a, b), c), d)) in sum.iter_mut().zip(rows) {
            let two = fused::<FUSED>(y, *b, fused::<FUSED>(x, *a, *sum));
            *sum = fused::<FUSED>(u, *d, fused::<FUSED>(z, *c, two));
        }
    }
    for (&index, &value) in last_indices.iter().zip(last_values) {
        for (sum, weight) in sum.iter_mut().zip(row(index)) {
            *sum = fused::<FUSED>(value, *weight, *sum);
        }
    }
}

#[inline(always)]
pub(super) fn fused<const FUSED: bool>(factor: f32, value: f32, sum: f32) -> f32 {
    if FUSED { factor.mul_add(value, sum) } else { factor * value + sum }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    /// Row pointers, indices and values of rows with about every third entry; some rows are empty.
    fn random_rows(rows: usize, columns: usize, rng: &mut impl RngExt) -> (Vec<u64>, Vec<u32>, Vec<f32>) {
        let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for _ in 0..rows {
            let density = if rng.random_range(0..4) == 0 { 0.0 } else { 0.3 };
            for column in 0..columns as u32 {
                if rng.random::<f64>() < density {
                    indices.push(column);
                    values.push(rng.random_range(-4.0..4.0));
                }
            }
            pointers.push(values.len() as u64);
        }
        (pointers, indices, values)
    }

    /// A plain loop in f64, and how much f32 may differ from it.
    fn plain(rows: Rows, weights: &[f32], width: usize, row: usize, column: usize) -> (f64, f64) {
        let entries = rows.pointers[row] as usize..rows.pointers[row + 1] as usize;
        let terms = entries.map(|entry| {
            f64::from(rows.values[entry]) * f64::from(weights[rows.indices[entry] as usize * width + column])
        });
        terms.fold((0.0, 1e-6), |(sum, bound), term| (sum + term, bound + 1e-6 * term.abs()))
    }

    #[test]
    fn products_equal_a_plain_loop_at_any_shape_and_on_any_processor() {
        let mut rng = seed::stream(3, "test");
        type Kernel = fn(Rows, &[f32], usize, &mut [f32]);
        let kernels: [Kernel; 3] = [add_products, add_products_any::<true>, add_products_any::<false>];
        for trial in 0..120 {
            let (cells, genes) = (rng.random_range(0..9), rng.random_range(1..90));
            // Now and then so wide that a block holds but a few rows.
            let width = if trial % 20 == 0 { rng.random_range(30_000..70_000) } else { rng.random_range(0..70) };
            let (pointers, indices, values) = random_rows(cells, genes, &mut rng);
            let rows = Rows { pointers: &pointers, indices: &indices, values: &values };
            let weights: Vec<f32> = (0..genes * width).map(|_| rng.random_range(-2.0..2.0)).collect();
            for kernel in kernels {
                let mut sums = vec![0.0; cells * width];
                kernel(rows, &weights, width, &mut sums);
                for (place, &sum) in sums.iter().enumerate() {
                    let (expected, bound) = plain(rows, &weights, width, place / width, place % width);
                    let apart = (f64::from(sum) - expected).abs();
                    assert!(apart <= bound, "{cells} x {genes} x {width}, sum {place}: {sum} and {expected}");
                }
            }
        }
    }

    #[test]
    fn products_are_added_to_what_is_there() {
        let rows = Rows { pointers: &[0, 0, 1], indices: &[1], values: &[2.0] };
        let mut sums = [1.0, 2.0, 3.0, 4.0];
        add_products(rows, &[9.0, 9.0, 0.5, 0.25], 2, &mut sums);
        assert_eq!(sums, [1.0, 2.0, 4.0, 4.5]);
    }
}
