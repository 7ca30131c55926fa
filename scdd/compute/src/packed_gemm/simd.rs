//! Packed GEMM in f32: z = x W^T, with vector registers.
//!
//! Rows are the lanes of registers, three registers in a block of rows. A weight is read once, broadcast to a register, and
//! serves three multiplications; the sums of several outputs are in registers meanwhile. Weights are read in the order in which
//! they lie, and the next ones are prefetched.

use std::ops::Range;

use crate::aligned::prefetch;
use crate::cpu::{Isa, Level, PORTABLE_FMA, multiply_add};
use crate::gemm_block::{BLOCK_OUTPUTS, OnOutput, REGISTERS};
use crate::packed::PackedMatrix;
use crate::packed::panel::{LANES, PANEL, PanelRow};

/// The values of a block's rows for one input or output.
type Lanes<const WIDTH: usize> = [[f32; WIDTH]; REGISTERS];

/// Rows `[rows, inputs]` in blocks of lanes, of the width that an instruction set has; padded with zeros.
pub(super) enum BlockedRows {
    #[cfg(target_arch = "x86_64")]
    Avx512(Vec<Lanes<16>>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Vec<Lanes<8>>),
    Portable(Vec<Lanes<4>>),
}

impl BlockedRows {
    pub(super) fn new(isa: Isa, rows: &[f32], weights: &PackedMatrix) -> Self {
        match isa.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Self::Avx512(blocked(rows, weights)),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Self::Avx2(blocked(rows, weights)),
            _ => Self::Portable(blocked(rows, weights)),
        }
    }

    /// Some outputs of all rows, on this thread; the first is the first of a block.
    pub(super) fn outputs(&self, weights: &PackedMatrix, outputs: Range<usize>, on_output: &mut OnOutput) {
        match self {
            // SAFETY: `new` blocks rows so only with an `Isa` of AVX-512, which is there only where the processor has it.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(rows) => unsafe { outputs_avx512(weights, outputs, rows, on_output) },
            // SAFETY: likewise, with AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(rows) => unsafe { outputs_avx2(weights, outputs, rows, on_output) },
            Self::Portable(rows) => compute_outputs::<4, 4, PORTABLE_FMA>(weights, outputs, rows, on_output),
        }
    }
}

fn blocked<const WIDTH: usize>(rows: &[f32], weights: &PackedMatrix) -> Vec<Lanes<WIDTH>> {
    let (columns, block) = (weights.columns().max(1), REGISTERS * WIDTH);
    let inputs = weights.panels() * PANEL;
    let mut lanes = vec![[[0.0; WIDTH]; REGISTERS]; (rows.len() / columns).div_ceil(block) * inputs];
    for (row, values) in rows.chunks_exact(columns).enumerate() {
        for (lanes, value) in lanes[row / block * inputs..][..inputs].iter_mut().zip(values) {
            lanes.as_flattened_mut()[row % block] = *value;
        }
    }
    lanes
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn outputs_avx512(weights: &PackedMatrix, outputs: Range<usize>, rows: &[Lanes<16>], on_output: &mut OnOutput) {
    compute_outputs::<16, 8, true>(weights, outputs, rows, on_output);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn outputs_avx2(weights: &PackedMatrix, outputs: Range<usize>, rows: &[Lanes<8>], on_output: &mut OnOutput) {
    compute_outputs::<8, 4, true>(weights, outputs, rows, on_output);
}

/// `TOGETHER` outputs are summed at once.
#[inline(always)]
fn compute_outputs<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    weights: &PackedMatrix,
    outputs: Range<usize>,
    rows: &[Lanes<WIDTH>],
    on_output: &mut OnOutput,
) {
    let panels = weights.panels();
    let mut sums = [[[0.0; WIDTH]; REGISTERS]; BLOCK_OUTPUTS];
    let mut start = outputs.start;
    while start < outputs.end {
        let end = (start + BLOCK_OUTPUTS).min(outputs.end);
        let sums = &mut sums[..end - start];
        for (block, inputs) in rows.chunks_exact((panels * PANEL).max(1)).enumerate() {
            sums.fill([[0.0; WIDTH]; REGISTERS]);
            for (number, inputs) in inputs.as_chunks::<PANEL>().0.iter().enumerate() {
                let next = match number + 1 < panels {
                    true => &weights.panel(number + 1)[start..end],
                    false => &weights.panel(0)[end..(end + BLOCK_OUTPUTS).min(outputs.end)],
                };
                add_panel::<WIDTH, TOGETHER, FUSED>(&weights.panel(number)[start..end], inputs, sums, next);
            }
            for (number, sum) in sums.iter_mut().enumerate() {
                on_output(start + number, block * REGISTERS * WIDTH, sum.as_flattened_mut());
            }
        }
        start = end;
    }
}

/// Adds the products over a panel's inputs to the sums of its outputs; `next` are weights to prefetch.
#[inline(always)]
fn add_panel<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    weights: &[PanelRow],
    inputs: &[Lanes<WIDTH>; PANEL],
    sums: &mut [Lanes<WIDTH>],
    next: &[PanelRow],
) {
    let (groups, singles) = weights.as_chunks::<TOGETHER>();
    let (group_sums, single_sums) = sums.as_chunks_mut::<TOGETHER>();
    for (group, (weights, sums)) in groups.iter().zip(group_sums).enumerate() {
        next.iter().skip(group * TOGETHER).take(TOGETHER).for_each(prefetch_row);
        add_outputs::<WIDTH, TOGETHER, FUSED>(weights, inputs, sums);
    }
    for (weights, sum) in singles.iter().zip(single_sums) {
        add_outputs::<WIDTH, 1, FUSED>(std::array::from_ref(weights), inputs, std::array::from_mut(sum));
    }
}

#[inline(always)]
fn add_outputs<const WIDTH: usize, const TOGETHER: usize, const FUSED: bool>(
    weights: &[PanelRow; TOGETHER],
    inputs: &[Lanes<WIDTH>; PANEL],
    sums: &mut [Lanes<WIDTH>; TOGETHER],
) {
    let mut added = *sums;
    for (column, input) in inputs.iter().enumerate() {
        for output in 0..TOGETHER {
            add::<WIDTH, FUSED>(&mut added[output], weights[output][column], input);
        }
    }
    *sums = added;
}

#[inline(always)]
fn add<const WIDTH: usize, const FUSED: bool>(sum: &mut Lanes<WIDTH>, weight: f32, input: &Lanes<WIDTH>) {
    for register in 0..REGISTERS {
        for lane in 0..WIDTH {
            sum[register][lane] = multiply_add::<FUSED>(weight, input[register][lane], sum[register][lane]);
        }
    }
}

#[inline(always)]
fn prefetch_row(row: &PanelRow) {
    row.iter().step_by(LANES).for_each(prefetch);
}
