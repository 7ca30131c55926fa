//! A crossing (`bridge_kernel.rs`) on processors that multiply tiles of bfloat16 (`tiles.rs`).
//!
//! Of 128 genes all weights are split at once and stay in the second cache while every block of rows is taken over them.

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use super::bridge_kernel::{Lanes, REGISTERS};
use super::packed::PackedWeights;
use super::packed_kernel::{COLUMNS, Row};
use super::tiles::*;

/// Multiplications over a column tile's units.
const DEPTHS: usize = COLUMNS / DEPTH;

/// Genes whose weights are split at once: half a megabyte at 1,024 units.
const GENES: usize = 128;

/// What a thread uses in each crossing: memory that the system would have to clear anew is dear.
#[derive(Default)]
struct Scratch {
    /// [block][register][part of the units] of pairs of units, [pair][row].
    units: Vec<Split>,
    /// To the genes: [gene tile][part of the units] of [gene][unit]. Away from them: [unit tile][part of the genes] of pairs of
    /// genes, [pair][unit].
    weights: Vec<Split>,
    /// What genes have of one block of rows.
    values: Vec<Lanes<TILE>>,
    /// [block][register][part of the genes] of [row][gene].
    values_split: Vec<Split>,
    /// [block][unit tile][register] of [row][unit].
    sums: Vec<Tile>,
}

/// The crossing, for processors that have tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn cross_tiles(
    to: &PackedWeights,
    from: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<TILE>],
    sums: &mut [Lanes<TILE>],
    at_gene: &mut dyn FnMut(usize, usize, &mut Lanes<TILE>),
) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(|scratch| cross(scratch, to, from, genes, units, sums, at_gene));
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn cross(
    scratch: &mut Scratch,
    to: &PackedWeights,
    from: &PackedWeights,
    genes: Range<usize>,
    units: &[Lanes<TILE>],
    sums: &mut [Lanes<TILE>],
    at_gene: &mut dyn FnMut(usize, usize, &mut Lanes<TILE>),
) {
    let (ins, outs) = (to.column_tiles(), from.column_tiles());
    let blocks = units.len() / (ins * COLUMNS).max(1);
    if blocks == 0 || outs == 0 {
        return;
    }
    let (inner, unit_tiles) = (ins * DEPTHS, outs * COLUMNS / TILE);
    let empty = [Tile::ZERO; 2];
    scratch.units.resize(blocks * REGISTERS * inner, empty);
    scratch.weights.resize(GENES / TILE * inner.max(outs * DEPTHS), empty);
    scratch.values.resize(GENES, [[0.0; TILE]; REGISTERS]);
    scratch.values_split.resize(blocks * REGISTERS * GENES / DEPTH, empty);
    scratch.sums.clear();
    scratch.sums.resize(blocks * unit_tiles * REGISTERS, Tile::ZERO);
    for (block, units) in units.chunks_exact(ins * COLUMNS).enumerate() {
        for (part, units) in units.chunks_exact(DEPTH).enumerate() {
            for register in 0..REGISTERS {
                let split = &mut scratch.units[(block * REGISTERS + register) * inner + part];
                split_pairs(units, |unit| &unit[register], split);
            }
        }
    }
    configure();
    let mut start = genes.start;
    while start < genes.end {
        let end = (start + GENES).min(genes.end);
        let depths = (end - start).div_ceil(DEPTH);
        for number in 0..ins {
            let next = if number + 1 < ins { to.tile(number + 1) } else { from.tile(0) };
            for (gene, row) in to.tile(number)[start..end].iter().enumerate() {
                ask(&next[start + gene]);
                for (part, units) in row.as_chunks::<DEPTH>().0.iter().enumerate() {
                    let place = gene / TILE * inner + number * DEPTHS + part;
                    split_row(units, gene % TILE, &mut scratch.weights[place]);
                }
            }
        }
        for block in 0..blocks {
            let units = &scratch.units[block * REGISTERS * inner..][..REGISTERS * inner];
            for (pair, values) in scratch.values[..depths * DEPTH].as_chunks_mut::<DEPTH>().0.iter_mut().enumerate() {
                let weights = &scratch.weights[pair * 2 * inner..][..2 * inner];
                // SAFETY: there are two tiles of genes and three of rows, of `inner` parts each.
                unsafe { genes_of_units(weights, units, inner, values) };
            }
            let (values, beyond) = scratch.values[..depths * DEPTH].split_at_mut(end - start);
            for (place, value) in values.iter_mut().enumerate() {
                at_gene(start + place, block, value);
            }
            beyond.fill([[0.0; TILE]; REGISTERS]);
            for (depth, values) in scratch.values[..depths * DEPTH].chunks_exact(DEPTH).enumerate() {
                for register in 0..REGISTERS {
                    let split = &mut scratch.values_split[(block * REGISTERS + register) * depths + depth];
                    split_pairs(values, |gene| &gene[register], split);
                    split.iter_mut().for_each(|tile| transpose(tile));
                }
            }
        }
        for number in 0..outs {
            let (next, later) = if number + 1 < outs { (from.tile(number + 1), start) } else { (to.tile(0), end) };
            for (depth, rows) in from.tile(number)[start..end].chunks(DEPTH).enumerate() {
                next.iter().skip(later + depth * DEPTH).take(DEPTH).for_each(ask);
                for part in 0..COLUMNS / TILE {
                    let place = (number * COLUMNS / TILE + part) * depths + depth;
                    split_pairs(rows, |row: &Row| &row.as_chunks::<TILE>().0[part], &mut scratch.weights[place]);
                }
            }
        }
        let values = scratch.values_split.chunks_exact(REGISTERS * depths);
        for (values, sums) in values.zip(scratch.sums.chunks_exact_mut(unit_tiles * REGISTERS)) {
            for (pair, sums) in sums.chunks_exact_mut(2 * REGISTERS).enumerate() {
                let weights = &scratch.weights[pair * 2 * depths..][..2 * depths];
                // SAFETY: there are two tiles of units and three of rows, of `depths` parts each.
                unsafe { units_of_genes(values, weights, depths, sums) };
            }
        }
        start = end;
    }
    release();
    for (place, tile) in scratch.sums.iter_mut().enumerate() {
        let (unit, register) = (place / REGISTERS * TILE, place % REGISTERS);
        transpose(tile);
        for (row, lanes) in tile.0.chunks_exact(TILE).zip(&mut sums[unit..unit + TILE]) {
            lanes[register].iter_mut().zip(row).for_each(|(sum, bits)| *sum += f32::from_bits(*bits));
        }
    }
}

/// Asks memory for a row, as far as the second cache.
#[inline(always)]
fn ask(row: &Row) {
    for line in row.as_chunks::<TILE>().0 {
        // SAFETY: it reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
}
