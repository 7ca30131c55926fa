//! From units to genes and from genes to other units, a block of genes at a time: of what goes over the bridge
//! (`bridge.rs`) only that block exists.
//!
//! Rows (synthetic cells) are the lanes of registers, three registers of them in a block of rows. A weight is read once,
//! spread over a register, and serves three multiplications; sums of several genes or units are in registers meanwhile.
//! Both matrices are read in the order in which they lie, and the next ones are asked of memory before they are needed.

use std::ops::Range;

use super::packed::PackedWeights;
use super::packed_kernel::{COLUMNS, Row};
use super::packed_order::prefetch;
use super::sparse_kernel::fused;

/// Registers of a block of rows.
pub(super) const REGISTERS: usize = 3;
/// Genes of a block: 128 rows of a column tile are 32 KB.
const GENES: usize = 128;

/// What the rows of a block have of one unit or gene.
pub(super) type Lanes<const WIDTH: usize> = [[f32; WIDTH]; REGISTERS];

/// Rows of a block.
pub(super) const fn block_rows(width: usize) -> usize {
    REGISTERS * width
}

/// A crossing: the matrices `[genes, units]` that lead to the genes and away from them, the genes that are crossed, what
/// the rows have of each unit, block by block of rows, and where sums of each unit on the other side are added. For each
/// gene and block of rows the function is given the sum of the gene, and may change it.
pub(super) type Kernel<const WIDTH: usize> = unsafe fn(
    &PackedWeights,
    &PackedWeights,
    Range<usize>,
    &[Lanes<WIDTH>],
    &mut [Lanes<WIDTH>],
    &mut dyn FnMut(usize, usize, &mut Lanes<WIDTH>),
);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
pub(super) fn cross_avx512(
    to: &PackedWeights,
    from: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<16>],
    sums: &mut [Lanes<16>],
    at_gene: &mut dyn FnMut(usize, usize, &mut Lanes<16>),
) {
    cross::<16, 8, true>(to, from, genes, units, sums, at_gene);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) fn cross_avx2(
    to: &PackedWeights,
    from: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<8>],
    sums: &mut [Lanes<8>],
    at_gene: &mut dyn FnMut(usize, usize, &mut Lanes<8>),
) {
    cross::<8, 4, true>(to, from, genes, units, sums, at_gene);
}

/// For any processor, with registers of four.
pub(super) fn cross_any(
    to: &PackedWeights,
    from: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<4>],
    sums: &mut [Lanes<4>],
    at_gene: &mut dyn FnMut(usize, usize, &mut Lanes<4>),
) {
    cross::<4, 4, { cfg!(target_arch = "aarch64") }>(to, from, genes, units, sums, at_gene);
}

/// `TOGETHER` genes or units, which divide a column tile, are summed at once.
#[inline(always)]
fn cross<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    to: &PackedWeights,
    from: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<WIDTH>],
    sums: &mut [Lanes<WIDTH>],
    at_gene: &mut dyn FnMut(usize, usize, &mut Lanes<WIDTH>),
) {
    let (ins, outs) = (to.column_tiles() * COLUMNS, from.column_tiles() * COLUMNS);
    let mut values = [[[0.0; WIDTH]; REGISTERS]; GENES];
    let mut start = genes.start;
    while start < genes.end {
        let end = (start + GENES).min(genes.end);
        let values = &mut values[..end - start];
        for (block, (units, sums)) in units.chunks_exact(ins.max(1)).zip(sums.chunks_exact_mut(outs.max(1))).enumerate()
        {
            values.fill([[0.0; WIDTH]; REGISTERS]);
            for (number, units) in units.as_chunks::<COLUMNS>().0.iter().enumerate() {
                let next = if number + 1 < to.column_tiles() { &to.tile(number + 1)[start..end] } else { &[] };
                add_genes::<WIDTH, TOGETHER, FUSED>(&to.tile(number)[start..end], units, values, next);
            }
            for (place, value) in values.iter_mut().enumerate() {
                at_gene(start + place, block, value);
            }
            for (tile, sums) in sums.chunks_exact_mut(COLUMNS).enumerate() {
                let weights = &from.tile(tile)[start..end];
                let next = if tile + 1 < from.column_tiles() { &from.tile(tile + 1)[start..end] } else { &[] };
                let share = next.len().div_ceil(COLUMNS / TOGETHER);
                for (part, sums) in sums.as_chunks_mut::<TOGETHER>().0.iter_mut().enumerate() {
                    next.iter().skip(part * share).take(share).for_each(ask);
                    add_units::<WIDTH, TOGETHER, FUSED>(weights, values, part * TOGETHER, sums);
                }
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

/// Adds what genes give some units, `sum_g w_gu x_g`.
#[inline(always)]
fn add_units<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    weights: &[Row],
    values: &[Lanes<WIDTH>],
    first: usize,
    sums: &mut [Lanes<WIDTH>; TOGETHER],
) {
    let mut added = *sums;
    for (row, value) in weights.iter().zip(values) {
        let Some(weights) = row[first..].first_chunk::<TOGETHER>() else { continue };
        for unit in 0..TOGETHER {
            add::<WIDTH, FUSED>(&mut added[unit], weights[unit], value);
        }
    }
    *sums = added;
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
