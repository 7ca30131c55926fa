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
/// Genes of a block: 128 rows of a column tile are 32 KB, all of them at 1,024 units half a megabyte.
pub(super) const GENES: usize = 128;

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

/// Adds a bias to the sums of a gene, and lets none be below zero. Gives a bit for each row that is above.
#[inline]
pub(super) fn rectify<const WIDTH: usize>(value: &mut Lanes<WIDTH>, bias: f32) -> u64 {
    let value = value.as_flattened_mut();
    #[cfg(target_arch = "x86_64")]
    if WIDTH == 16 {
        // SAFETY: only processors with AVX-512 are given registers of 16.
        return unsafe { rectify_avx512(value, bias) };
    }
    let mut bits = 0;
    for (place, value) in value.iter_mut().enumerate() {
        let positive = *value + bias > 0.0;
        *value = if positive { *value + bias } else { 0.0 };
        bits |= u64::from(positive) << place;
    }
    bits
}

/// A bit for each row whose sum of a gene, with its bias, is as near to zero as the row's slack times the weights' length.
#[inline]
pub(super) fn near_zero<const WIDTH: usize>(value: &Lanes<WIDTH>, bias: f32, slack: &Lanes<WIDTH>, length: f32) -> u64 {
    let (value, slack) = (value.as_flattened(), slack.as_flattened());
    #[cfg(target_arch = "x86_64")]
    if WIDTH == 16 {
        // SAFETY: only processors with AVX-512 are given registers of 16.
        return unsafe { near_zero_avx512(value, bias, slack, length) };
    }
    let near = value.iter().zip(slack).map(|(value, slack)| (value + bias).abs() < slack * length);
    near.enumerate().map(|(place, near)| u64::from(near) << place).sum()
}

/// Keeps what rows have of a gene where their bits are set.
#[inline]
pub(super) fn keep<const WIDTH: usize>(value: &mut Lanes<WIDTH>, bits: u64) {
    let value = value.as_flattened_mut();
    #[cfg(target_arch = "x86_64")]
    if WIDTH == 16 {
        // SAFETY: only processors with AVX-512 are given registers of 16.
        return unsafe { keep_avx512(value, bits) };
    }
    for (place, value) in value.iter_mut().enumerate() {
        *value = if bits >> place & 1 == 1 { *value } else { 0.0 };
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn rectify_avx512(value: &mut [f32], bias: f32) -> u64 {
    use std::arch::x86_64::*;
    let mut bits = 0;
    for (number, value) in value.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // SAFETY: there are 16 numbers.
        unsafe {
            let sum = _mm512_add_ps(_mm512_loadu_ps(value.as_ptr()), _mm512_set1_ps(bias));
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(sum, _mm512_setzero_ps());
            _mm512_storeu_ps(value.as_mut_ptr(), _mm512_maskz_mov_ps(above, sum));
            bits |= u64::from(above) << (16 * number);
        }
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn near_zero_avx512(value: &[f32], bias: f32, slack: &[f32], length: f32) -> u64 {
    use std::arch::x86_64::*;
    let mut bits = 0;
    let (value, slack) = (value.as_chunks::<16>().0, slack.as_chunks::<16>().0);
    for (number, (value, slack)) in value.iter().zip(slack).enumerate() {
        // SAFETY: there are 16 numbers.
        let (value, slack) = unsafe { (_mm512_loadu_ps(value.as_ptr()), _mm512_loadu_ps(slack.as_ptr())) };
        let sum = _mm512_abs_ps(_mm512_add_ps(value, _mm512_set1_ps(bias)));
        let near = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(sum, _mm512_mul_ps(slack, _mm512_set1_ps(length)));
        bits |= u64::from(near) << (16 * number);
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn keep_avx512(value: &mut [f32], bits: u64) {
    use std::arch::x86_64::*;
    for (number, value) in value.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // SAFETY: there are 16 numbers.
        unsafe {
            let kept = _mm512_maskz_loadu_ps((bits >> (16 * number)) as u16, value.as_ptr());
            _mm512_storeu_ps(value.as_mut_ptr(), kept);
        }
    }
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
