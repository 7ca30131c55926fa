//! Sums of genes (`gene_sums.rs`) in f32.
//!
//! Rows (synthetic cells) are the lanes of registers, three registers of them in a block of rows. A weight is read once,
//! spread over a register, and serves three multiplications; sums of several genes are in registers meanwhile. Weights are
//! read in the order in which they lie, and the next ones are asked of memory before they are needed.

use std::ops::Range;

use super::gene_sums::{AtGene, GENES, REGISTERS};
use super::packed::PackedWeights;
use super::packed_kernel::{COLUMNS, Row};
use super::packed_order::prefetch;
use super::sparse_kernel::fused;

/// What the rows of a block have of one unit or gene.
pub(super) type Lanes<const WIDTH: usize> = [[f32; WIDTH]; REGISTERS];

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
pub(super) fn gene_sums_avx512(
    weights: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<16>],
    at_gene: &mut AtGene,
) {
    gene_sums::<16, 8, true>(weights, genes, units, at_gene);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) fn gene_sums_avx2(weights: &PackedWeights, genes: Range<usize>, units: &[Lanes<8>], at_gene: &mut AtGene) {
    gene_sums::<8, 4, true>(weights, genes, units, at_gene);
}

/// For any processor, with registers of four.
pub(super) fn gene_sums_any(weights: &PackedWeights, genes: Range<usize>, units: &[Lanes<4>], at_gene: &mut AtGene) {
    gene_sums::<4, 4, { cfg!(target_arch = "aarch64") }>(weights, genes, units, at_gene);
}

/// Rows `[rows, units]` as blocks of lanes; units and rows that fill up tiles and blocks are zero.
pub(super) fn lanes<const WIDTH: usize>(rows: &[f32], weights: &PackedWeights) -> Vec<Lanes<WIDTH>> {
    let (width, block) = (weights.width().max(1), REGISTERS * WIDTH);
    let units = weights.column_tiles() * COLUMNS;
    let mut lanes = vec![[[0.0; WIDTH]; REGISTERS]; (rows.len() / width).div_ceil(block) * units];
    for (row, values) in rows.chunks_exact(width).enumerate() {
        for (lanes, value) in lanes[row / block * units..][..units].iter_mut().zip(values) {
            lanes.as_flattened_mut()[row % block] = *value;
        }
    }
    lanes
}

/// `TOGETHER` genes are summed at once.
#[inline(always)]
fn gene_sums<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    weights: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<WIDTH>],
    at_gene: &mut AtGene,
) {
    let tiles = weights.column_tiles();
    let mut values = [[[0.0; WIDTH]; REGISTERS]; GENES];
    let mut start = genes.start;
    while start < genes.end {
        let end = (start + GENES).min(genes.end);
        let values = &mut values[..end - start];
        for (block, units) in units.chunks_exact((tiles * COLUMNS).max(1)).enumerate() {
            values.fill([[0.0; WIDTH]; REGISTERS]);
            for (number, units) in units.as_chunks::<COLUMNS>().0.iter().enumerate() {
                let next = match number + 1 < tiles {
                    true => &weights.tile(number + 1)[start..end],
                    false => &weights.tile(0)[end..(end + GENES).min(genes.end)],
                };
                add_genes::<WIDTH, TOGETHER, FUSED>(&weights.tile(number)[start..end], units, values, next);
            }
            for (place, value) in values.iter_mut().enumerate() {
                at_gene(start + place, block * REGISTERS * WIDTH, value.as_flattened_mut());
            }
        }
        start = end;
    }
}

/// Adds what the units of a column tile give genes, `sum_u w_gu x_u`; `next` is needed then.
#[inline(always)]
fn add_genes<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    weights: &[Row],
    units: &[Lanes<WIDTH>; COLUMNS],
    values: &mut [Lanes<WIDTH>],
    next: &[Row],
) {
    let (rows, single_rows) = weights.as_chunks::<TOGETHER>();
    let (groups, singles) = values.as_chunks_mut::<TOGETHER>();
    for (group, (rows, values)) in rows.iter().zip(groups).enumerate() {
        next.iter().skip(group * TOGETHER).take(TOGETHER).for_each(ask);
        add_columns::<WIDTH, TOGETHER, FUSED>(rows, units, values);
    }
    for (row, value) in single_rows.iter().zip(singles) {
        add_columns::<WIDTH, 1, FUSED>(std::array::from_ref(row), units, std::array::from_mut(value));
    }
}

#[inline(always)]
fn add_columns<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    rows: &[Row; TOGETHER],
    units: &[Lanes<WIDTH>; COLUMNS],
    values: &mut [Lanes<WIDTH>; TOGETHER],
) {
    let mut added = *values;
    for (column, unit) in units.iter().enumerate() {
        for gene in 0..TOGETHER {
            add::<WIDTH, FUSED>(&mut added[gene], rows[gene][column], unit);
        }
    }
    *values = added;
}

#[inline(always)]
fn add<const WIDTH: usize, const FUSED: bool>(sum: &mut Lanes<WIDTH>, weight: f32, value: &Lanes<WIDTH>) {
    for register in 0..REGISTERS {
        for lane in 0..WIDTH {
            sum[register][lane] = fused::<FUSED>(weight, value[register][lane], sum[register][lane]);
        }
    }
}

/// Asks memory for a row.
#[inline(always)]
fn ask(row: &Row) {
    row.iter().step_by(16).for_each(prefetch);
}
