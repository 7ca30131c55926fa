//! Sums of scaled rows of packed weights, `s_i = sum_j x_ij w_j`: the product of sparse rows with a dense matrix.
//!
//! For 64 columns at a time ("a column tile") the sums of a cell are in registers while its values of a tile of genes are
//! added; the tile's weights are in the first cache and the sums of all cells in the second. Two runs of one length are
//! added at once, so that one addition need not wait for the one before it. While one tile is used the next is asked
//! of memory. Whatever cells are beside it, the terms of a cell are added one after the other in the order of its genes:
//! its sums are the same bits.

use super::fastest::fastest;
use super::packed_order::{Entry, Order, Tile, prefetch};
use super::sparse::Aligned;
use super::sparse_kernel::{Rows, fused};

/// Columns of a column tile: four registers of AVX-512, eight of AVX2.
pub(super) const COLUMNS: usize = 64;
/// Numbers that are added in one register at most.
const LANES: usize = 16;
/// Runs between the ones that are added and the ones whose sums are asked of memory.
const AHEAD: usize = 8;

/// Weights or sums of a column tile.
pub(super) type Row = [f32; COLUMNS];
/// A row in registers.
type Registers = [[f32; LANES]; COLUMNS / LANES];
/// Adds a tile's entries, times its weights, to the sums; the last are weights and sums that are needed next.
type Kernel = unsafe fn(Tile, &[Row], &mut [Row], [&[Row]; 2]);

/// Writes the products of rows with weights `[genes, width]`, packed as `[column tile][gene][COLUMNS]`, to `products`
/// `[rows, width]`.
pub(super) fn products(rows: Rows, packed: &[f32], genes: usize, width: usize, products: &mut [f32]) {
    multiply(kernel(), rows, packed, genes, width, products);
}

fn multiply(kernel: Kernel, rows: Rows, packed: &[f32], genes: usize, width: usize, products: &mut [f32]) {
    let count = rows.pointers.len() - 1;
    let column_tiles = width.div_ceil(COLUMNS);
    let mut sums = Aligned::zeros(column_tiles * count * COLUMNS);
    let (sums, packed) = (sums.numbers().as_chunks_mut().0, packed.as_chunks().0);
    let mut order = Order::new(rows, genes);
    while order.advance() {
        for column_tile in 0..column_tiles {
            let (sums, later) = sums[column_tile * count..].split_at_mut(count);
            let weights = &packed[column_tile * genes..][..genes];
            let following = packed.get((column_tile + 1) * genes..).unwrap_or_default();
            let part = count.div_ceil(order.len());
            for number in 0..order.len() {
                let tile = order.tile(number);
                let end = tile.gene + tile.genes;
                let rest = match number + 1 == order.len() && !following.is_empty() {
                    true => &following[order.tile(0).gene..],
                    false => &weights[end..],
                };
                let sums_part = (number * part).min(later.len())..((number + 1) * part).min(later.len());
                let next = [&rest[..tile.genes.min(rest.len())], &later[sums_part]];
                // SAFETY: the function `kernel` chose what the processor has; the others need nothing.
                unsafe { kernel(tile, &weights[tile.gene..end], sums, next) };
            }
        }
    }
    for (column_tile, sums) in sums.chunks_exact(count.max(1)).enumerate() {
        let columns = column_tile * COLUMNS..((column_tile + 1) * COLUMNS).min(width);
        for (product, sum) in products.chunks_exact_mut(width).zip(sums) {
            product[columns.clone()].copy_from_slice(&sum[..columns.len()]);
        }
    }
}

/// The fastest kernel that the processor can execute.
fn kernel() -> Kernel {
    fastest!(
        (tile: Tile, weights: &[Row], sums: &mut [Row], next: [&[Row]; 2]),
        add_tile_any::<2, true>,
        add_tile_any::<1, true>,
        add_tile_any::<1, { cfg!(target_arch = "aarch64") }>
    )
}

/// For any processor. So many runs of one length are added at once as fit its registers; `FUSED` rounds once per
/// multiplication and addition.
#[inline(always)]
fn add_tile_any<const TOGETHER: usize, const FUSED: bool>(
    tile: Tile,
    weights: &[Row],
    sums: &mut [Row],
    next: [&[Row]; 2],
) {
    let Tile { mut runs, mut entries, .. } = tile;
    let mut next = next.map(|rows| {
        let lines = rows.as_flattened().as_chunks::<LANES>().0;
        (lines, lines.len().div_ceil(runs.len().max(1)))
    });
    while let [run, rest @ ..] = runs {
        let together = if runs.get(TOGETHER - 1).is_some_and(|last| last.count == run.count) { TOGETHER } else { 1 };
        for run in runs.iter().skip(AHEAD).take(together) {
            sums[run.cell as usize].as_chunks::<LANES>().0.iter().for_each(prefetch);
        }
        for (lines, share) in &mut next {
            let (now, later) = lines.split_at((*share * together).min(lines.len()));
            now.iter().for_each(prefetch);
            *lines = later;
        }
        let count = run.count as usize;
        if together == 1 {
            add_runs::<1, FUSED>([run.cell], [&entries[..count]], weights, sums);
            runs = rest;
        } else {
            let cells = std::array::from_fn(|of| runs[of].cell);
            let each = std::array::from_fn(|of| &entries[of * count..][..count]);
            add_runs::<TOGETHER, FUSED>(cells, each, weights, sums);
            runs = &runs[TOGETHER..];
        }
        entries = &entries[count * together..];
    }
}

/// Adds runs of one length, each to its cell's sums. Loops over arrays of fixed size, so that the compiler keeps the sums in
/// registers.
#[inline(always)]
fn add_runs<const TOGETHER: usize, const FUSED: bool>(
    cells: [u32; TOGETHER],
    runs: [&[Entry]; TOGETHER],
    weights: &[Row],
    sums: &mut [Row],
) {
    let count = runs[0].len();
    let runs = runs.map(|run| &run[..count]);
    let mut added: [Registers; TOGETHER] = [[[0.0; LANES]; COLUMNS / LANES]; TOGETHER];
    for (sum, cell) in added.iter_mut().zip(cells) {
        sum.as_flattened_mut().copy_from_slice(&sums[cell as usize]);
    }
    for place in 0..count {
        for (sum, run) in added.iter_mut().zip(runs) {
            let Entry { row, value } = run[place];
            let row = &weights[row as usize];
            for part in 0..COLUMNS / LANES {
                for lane in 0..LANES {
                    sum[part][lane] = fused::<FUSED>(value, row[part * LANES + lane], sum[part][lane]);
                }
            }
        }
    }
    for (sum, cell) in added.iter().zip(cells) {
        sums[cell as usize].copy_from_slice(sum.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::foundation::packed::PackedWeights;
    use crate::seed;

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
        let kernels: [Kernel; 4] =
            [kernel(), add_tile_any::<1, true>, add_tile_any::<2, false>, add_tile_any::<3, true>];
        for trial in 0..60 {
            let (cells, width) = (rng.random_range(0..40), rng.random_range(1..200));
            let genes = if trial % 10 == 0 { rng.random_range(2000..5000) } else { rng.random_range(1..600) };
            let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
            for _ in 0..cells {
                let share = rng.random::<f64>().powi(3);
                let expressed: Vec<u32> = (0..genes as u32).filter(|_| rng.random::<f64>() < share).collect();
                values.extend(expressed.iter().map(|_| rng.random_range(-4.0..4.0f32)));
                indices.extend(expressed);
                pointers.push(indices.len() as u64);
            }
            let rows = Rows { pointers: &pointers, indices: &indices, values: &values };
            let weights: Vec<f32> = (0..genes * width).map(|_| rng.random_range(-2.0..2.0)).collect();
            let packed = PackedWeights::new(&weights, width);
            for kernel in kernels {
                let mut products = vec![9.0; cells * width];
                multiply(kernel, rows, packed.tiles(), genes, width, &mut products);
                for (place, &product) in products.iter().enumerate().step_by(7) {
                    let (expected, bound) = plain(rows, &weights, width, place / width, place % width);
                    let apart = (f64::from(product) - expected).abs();
                    assert!(apart <= bound, "{cells} x {genes} x {width}, {place}: {product} and {expected}");
                }
            }
        }
    }
}
