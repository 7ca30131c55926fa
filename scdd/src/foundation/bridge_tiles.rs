//! A crossing (`bridge_kernel.rs`) on processors that multiply tiles of bfloat16 (`tiles.rs`).
//!
//! All weights of 128 genes stay in the second cache while every block of rows is taken over them.

use std::cell::RefCell;
use std::ops::Range;

use super::bridge_kernel::{GENES, Lanes, REGISTERS};
use super::packed::PackedWeights;
use super::packed_kernel::COLUMNS;
use super::split_weights::DEPTHS;
use super::tile_products::{Apart, GeneWeights, genes_of_units, take_apart, units_of_genes};
use super::tiles::*;

/// What a thread uses in each crossing: memory that the system would have to clear anew is dear.
#[derive(Default)]
struct Scratch {
    /// [block][register][part of the units] of pairs of units, [pair][row].
    units: Vec<Split>,
    /// Of a block of genes taken apart, where several blocks of rows are taken over them: [pair of gene tiles][part of the units].
    apart: Vec<Apart>,
    /// What genes have of one block of rows.
    values: Vec<Lanes<TILE>>,
    /// [block][register][part of the genes] of [row][gene].
    values_split: Vec<Split>,
    /// [block][unit tile][register] of [row][unit].
    sums: Vec<Tile>,
}

/// The crossing, for processors that have tiles; the first gene is the first of a block.
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
    let (inner, unit_tiles) = (ins * COLUMNS / DEPTH, outs * COLUMNS / TILE);
    let empty = [Tile::ZERO; 2];
    scratch.units.resize(blocks * REGISTERS * inner, empty);
    let kept = if blocks > 1 { DEPTHS * inner } else { 0 };
    scratch.apart.resize(kept, [empty; 2]);
    scratch.values.resize(GENES, [[0.0; TILE]; REGISTERS]);
    scratch.values_split.resize(blocks * REGISTERS * DEPTHS, empty);
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
    let (to, from) = (to.split(), from.split());
    let last = genes.end.div_ceil(GENES).saturating_sub(1);
    for block_of_genes in genes.start / GENES..genes.end.div_ceil(GENES) {
        let start = block_of_genes * GENES;
        let end = (start + GENES).min(genes.end);
        let weights = to.block(block_of_genes);
        for (place, apart) in scratch.apart.iter_mut().enumerate() {
            let (pair, part) = (place / inner, place % inner);
            take_apart(&weights[2 * part * DEPTHS + pair..], apart);
        }
        for block in 0..blocks {
            let units = &scratch.units[block * REGISTERS * inner..][..REGISTERS * inner];
            for (pair, values) in scratch.values.as_chunks_mut::<DEPTH>().0.iter_mut().enumerate() {
                let ahead = (block + 1 == blocks).then(|| share(from.block(block_of_genes), pair, DEPTHS));
                let weights = match blocks {
                    1 => GeneWeights::Lying(&weights[pair..]),
                    _ => GeneWeights::Apart(&scratch.apart[pair * inner..][..inner]),
                };
                // SAFETY: there are `inner` parts of two tiles of genes, and of three of rows.
                unsafe { genes_of_units(weights, units, inner, ahead, values) };
            }
            for (place, value) in scratch.values[..end - start].iter_mut().enumerate() {
                at_gene(start + place, block, value);
            }
            for (depth, values) in scratch.values.chunks_exact(DEPTH).enumerate() {
                for register in 0..REGISTERS {
                    let split = &mut scratch.values_split[(block * REGISTERS + register) * DEPTHS + depth];
                    split_pairs(values, |gene| &gene[register], split);
                    split.iter_mut().for_each(|tile| transpose(tile));
                }
            }
        }
        let weights = from.block(block_of_genes);
        let values = scratch.values_split.chunks_exact(REGISTERS * DEPTHS);
        for (block, (values, sums)) in values.zip(scratch.sums.chunks_exact_mut(unit_tiles * REGISTERS)).enumerate() {
            let both = weights.chunks_exact(2 * DEPTHS).zip(sums.chunks_exact_mut(2 * REGISTERS));
            for (pair, (weights, sums)) in both.enumerate() {
                let next = to.block((block_of_genes + 1).min(last));
                let ahead = (block + 1 == blocks).then(|| share(next, pair, unit_tiles / 2));
                // SAFETY: there are two tiles of units and three of rows, of `DEPTHS` parts each.
                unsafe { units_of_genes(values, weights, DEPTHS, ahead, sums) };
            }
        }
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

/// One of equal shares of weights that are needed next, and what comes behind it.
fn share(weights: &[Split], number: usize, of: usize) -> &[Split] {
    &weights[number * (weights.len() / of)..]
}
