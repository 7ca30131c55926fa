//! SpMM with packed weights: Y = X W, X sparse `[rows, k]`, W `[k, columns]` in panels ([`PackedMatrix`]).
//!
//! For one panel at a time the sums of a sparse row are in registers while its entries in a bucket of columns are added. The
//! bucket's weights are in L1, the sums of all rows in L2, and the next bucket's weights are prefetched. Two runs of one length
//! are added at once, so that an addition need not wait for the one before it.
//!
//! A row's terms are added one after the other in the order of its columns: it gets the same bits alone and among others, on
//! any number of threads. O(nnz * columns).

use std::ops::Range;

use rayon::prelude::*;

use super::PackedMatrix;
use super::buckets::{Bucket, Buckets, Entry};
use super::panel::{LANES, PANEL, PanelRow, Registers, concatenate_columns};
use crate::aligned::{Aligned, prefetch};
use crate::cpu::{Isa, PORTABLE_FMA, multiply_add};
use crate::csr::CsrView;
use crate::dispatch;

/// Most rows of a task: a task reads all weights once, and its sums of a panel (256 KB) stay in L2.
const TASK: usize = 1024;
/// Up to so many rows are one task, and threads share its columns: reading all weights takes longer than using them.
const FEW: usize = 256;
/// Runs between the ones that are added and the ones whose sums are prefetched.
const AHEAD: usize = 8;

/// Sparse rows `[rows, k]` times packed weights `[k, columns]`: `[rows, columns]`, in threads.
///
/// # Panics
/// When an index of the rows reaches past the weights' rows.
///
/// ```
/// use scdd_compute::{Csr, PackedMatrix, spmm};
/// let cells = Csr::from_dense(3, &[0.0, 2.0, 0.0, 1.0, 0.0, 3.0])?;
/// let weights = PackedMatrix::new(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2);
/// assert_eq!(spmm(cells.view(), &weights), [4.0, 40.0, 10.0, 100.0]);
/// # Ok::<(), scdd_compute::CsrError>(())
/// ```
pub fn spmm(rows: CsrView, weights: &PackedMatrix) -> Vec<f32> {
    let (count, columns) = (rows.rows(), weights.columns());
    let threads = rayon::current_num_threads();
    let tasks = count.div_ceil(TASK).max(threads.min(count.div_ceil(FEW)));
    let task = count.div_ceil(tasks.max(1)).max(1);
    let strip = weights.panels().div_ceil(threads.div_ceil(count.div_ceil(task).max(1))).max(1);
    let mut sums = vec![0.0; count * columns];
    sums.par_chunks_mut((task * columns).max(1)).enumerate().for_each(|(number, sums)| {
        let rows = rows.slice(number * task..((number + 1) * task).min(count));
        let panels = (0..weights.panels()).into_par_iter().step_by(strip);
        let panels = panels.map(|panel| panel..(panel + strip).min(weights.panels()));
        let parts: Vec<_> = panels.map(|panels| spmm_panels(Isa::detect(), rows, weights, panels)).collect();
        concatenate_columns(&parts, sums, columns);
    });
    sums
}

/// The columns of some panels of the product, on this thread.
fn spmm_panels(isa: Isa, rows: CsrView, weights: &PackedMatrix, panels: Range<usize>) -> Vec<f32> {
    let count = rows.rows();
    let mut sums = Aligned::zeros(panels.len() * count * PANEL);
    let sums = sums.values_mut().as_chunks_mut().0;
    let mut buckets = Buckets::new(rows);
    while buckets.advance() {
        for panel in panels.clone() {
            let (sums, later) = sums[(panel - panels.start) * count..].split_at_mut(count);
            let values = weights.panel(panel);
            let following = if panel + 1 < panels.end { weights.panel(panel + 1) } else { &[] };
            let part = count.div_ceil(buckets.len());
            for number in 0..buckets.len() {
                let bucket = buckets.bucket(number);
                let end = bucket.first_column + bucket.columns;
                let rest = match number + 1 == buckets.len() && !following.is_empty() {
                    true => &following[buckets.bucket(0).first_column..],
                    false => &values[end..],
                };
                let sums_part = (number * part).min(later.len())..((number + 1) * part).min(later.len());
                let next = [&rest[..bucket.columns.min(rest.len())], &later[sums_part]];
                add_bucket(isa, bucket, &values[bucket.first_column..end], sums, next);
            }
        }
    }
    let columns = panels.start * PANEL..(panels.end * PANEL).min(weights.columns());
    unpanelled(sums, count, columns.len())
}

/// Sums `[panel][row][PANEL]` as `[rows, columns]`.
fn unpanelled(sums: &[PanelRow], rows: usize, columns: usize) -> Vec<f32> {
    let mut dense = vec![0.0; rows * columns];
    for (panel, sums) in sums.chunks_exact(rows.max(1)).enumerate() {
        let part = panel * PANEL..((panel + 1) * PANEL).min(columns);
        for (row, sum) in dense.chunks_exact_mut(columns.max(1)).zip(sums) {
            row[part.clone()].copy_from_slice(&sum[..part.len()]);
        }
    }
    dense
}

/// Adds a bucket's entries, times its weights, to the sums; `next` are weights and sums to prefetch.
fn add_bucket(isa: Isa, bucket: Bucket, weights: &[PanelRow], sums: &mut [PanelRow], next: [&[PanelRow]; 2]) {
    dispatch!(
        isa,
        (bucket: Bucket = bucket, weights: &[PanelRow] = weights, sums: &mut [PanelRow] = sums, next: [&[PanelRow]; 2] = next),
        add_runs_of::<2, true>,
        add_runs_of::<1, true>,
        add_runs_of::<1, PORTABLE_FMA>
    );
}

/// `TOGETHER` runs of one length are added at once, as many as fit the registers.
#[inline(always)]
fn add_runs_of<const TOGETHER: usize, const FUSED: bool>(
    bucket: Bucket,
    weights: &[PanelRow],
    sums: &mut [PanelRow],
    next: [&[PanelRow]; 2],
) {
    let Bucket { mut runs, mut entries, .. } = bucket;
    let mut next = next.map(|rows| {
        let lines = rows.as_flattened().as_chunks::<LANES>().0;
        (lines, lines.len().div_ceil(runs.len().max(1)))
    });
    while let [run, rest @ ..] = runs {
        let together = if runs.get(TOGETHER - 1).is_some_and(|last| last.count == run.count) { TOGETHER } else { 1 };
        for run in runs.iter().skip(AHEAD).take(together) {
            sums[run.row as usize].as_chunks::<LANES>().0.iter().for_each(prefetch);
        }
        for (lines, each) in &mut next {
            let (now, later) = lines.split_at((*each * together).min(lines.len()));
            now.iter().for_each(prefetch);
            *lines = later;
        }
        let count = run.count as usize;
        if together == 1 {
            add_runs::<1, FUSED>([run.row], [&entries[..count]], weights, sums);
            runs = rest;
        } else {
            let rows = std::array::from_fn(|run| runs[run].row);
            let each = std::array::from_fn(|run| &entries[run * count..][..count]);
            add_runs::<TOGETHER, FUSED>(rows, each, weights, sums);
            runs = &runs[TOGETHER..];
        }
        entries = &entries[count * together..];
    }
}

/// Adds runs of one length, each to its row's sums. Loops over arrays of fixed size, so that the compiler keeps the sums in
/// registers.
#[inline(always)]
fn add_runs<const TOGETHER: usize, const FUSED: bool>(
    rows: [u32; TOGETHER],
    runs: [&[Entry]; TOGETHER],
    weights: &[PanelRow],
    sums: &mut [PanelRow],
) {
    let count = runs[0].len();
    let runs = runs.map(|run| &run[..count]);
    let mut added: [Registers; TOGETHER] = [[[0.0; LANES]; PANEL / LANES]; TOGETHER];
    for (sum, row) in added.iter_mut().zip(rows) {
        sum.as_flattened_mut().copy_from_slice(&sums[row as usize]);
    }
    for number in 0..count {
        for (sum, run) in added.iter_mut().zip(runs) {
            let Entry { weights: row, value } = run[number];
            let row = &weights[row as usize];
            for part in 0..PANEL / LANES {
                for lane in 0..LANES {
                    sum[part][lane] = multiply_add::<FUSED>(value, row[part * LANES + lane], sum[part][lane]);
                }
            }
        }
    }
    for (sum, row) in added.iter().zip(rows) {
        sums[row as usize].copy_from_slice(sum.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::testing::{cases, draw, plain_sum, random_rows, rng};

    #[test]
    fn products_equal_a_plain_loop_at_any_shape_and_with_every_instruction_set() {
        let mut rng = rng(3);
        for trial in cases(1..61, 2) {
            let (rows, columns) = (rng.random_range(0..40), rng.random_range(1..200));
            let inner = if trial % 10 == 0 { rng.random_range(2000..5000) } else { rng.random_range(1..600) };
            let sparse = random_rows(rows, inner, &mut rng);
            let weights = draw(inner * columns, &mut rng);
            let packed = PackedMatrix::new(&weights, columns);
            for isa in Isa::available() {
                let products = spmm_panels(isa, sparse.view(), &packed, 0..packed.panels());
                assert_eq!(products.len(), rows * columns);
                for (position, &product) in products.iter().enumerate().step_by(7) {
                    let (row, column) = (position / columns, position % columns);
                    let (expected, bound) = plain_sum(sparse.view(), row, |index| weights[index * columns + column]);
                    let apart = (f64::from(product) - expected).abs();
                    assert!(apart <= bound, "{rows} x {inner} x {columns}, {isa:?}: {product} and {expected}");
                }
            }
        }
    }
}
