//! GEMM with weights in bf16 high/low tiles: rows `[rows, inputs]` times frozen weights `[inputs, outputs]`.
//!
//! Weights are split once. A strip of 32 outputs stays in L2 while all rows are multiplied with it. A row gets the same bits alone
//! and among others, on any number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::tile::{DEPTH, SplitTile, Sums, TILE, Tile, TileProducts, TileUnit};
use crate::gemm_block::{OnOutput, REGISTERS};

/// Rows that are multiplied together.
const ROWS: usize = REGISTERS * TILE;
/// Outputs that are computed together: two tiles.
const OUTPUTS: usize = 2 * TILE;

/// Weights `[inputs, outputs]`, split, as [output tile][part of the inputs] of pairs of inputs, [pair][output].
#[derive(Debug)]
pub(crate) struct TiledWeights<Unit> {
    unit: Unit,
    tiles: Vec<SplitTile>,
    inputs: usize,
    outputs: usize,
}

impl<Unit: TileUnit> TiledWeights<Unit> {
    /// The closure gives the weight of an input and an output.
    pub(crate) fn new(unit: Unit, inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f32 + Sync) -> Self {
        let parts = inputs.div_ceil(DEPTH);
        let count = outputs.div_ceil(OUTPUTS) * 2 * parts;
        let mut tiles = in_large_pages(count);
        tiles.resize(count, [Tile::ZERO; 2]);
        tiles.par_chunks_mut(parts.max(1)).enumerate().for_each(|(tile, tiles)| {
            for (part, split) in tiles.iter_mut().enumerate() {
                let mut rows = [[0.0; TILE]; DEPTH];
                for (row, input) in rows.iter_mut().zip(part * DEPTH..inputs) {
                    row.iter_mut().zip(tile * TILE..outputs).for_each(|(own, output)| *own = weight(input, output));
                }
                unit.split_pairs(&rows, split);
            }
        });
        Self { unit, tiles, inputs, outputs }
    }

    /// Rows `[rows, inputs]` to `[rows, outputs]`, on this thread.
    pub(crate) fn times(&self, rows: &[f32]) -> Vec<f32> {
        self.rows_of(&self.split(rows), rows.len() / self.inputs.max(1), 0..self.outputs)
    }

    /// Rows `[rows, inputs]` as [block][register][part of the inputs] of [row][input].
    pub(crate) fn split(&self, rows: &[f32]) -> Vec<SplitTile> {
        let (inputs, parts) = (self.inputs.max(1), self.inputs.div_ceil(DEPTH));
        let blocks = (rows.len() / inputs).div_ceil(ROWS);
        let mut split = vec![[Tile::ZERO; 2]; blocks * REGISTERS * parts];
        for (row, values) in rows.chunks_exact(inputs).enumerate() {
            for (part, values) in values.chunks(DEPTH).enumerate() {
                let mut padded = [0.0; DEPTH];
                padded[..values.len()].copy_from_slice(values);
                self.unit.split_row(&padded, row % TILE, &mut split[row / TILE * parts + part]);
            }
        }
        split
    }

    /// Some outputs of split rows, on this thread; the first is the first of a strip.
    pub(crate) fn outputs(&self, split: &[SplitTile], outputs: Range<usize>, on_output: &mut OnOutput) {
        self.each_block(split, outputs.start / OUTPUTS..outputs.end.div_ceil(OUTPUTS), |strip, block, sums| {
            let mut values = [[[0.0; TILE]; REGISTERS]; OUTPUTS];
            for (position, sums) in sums.iter_mut().enumerate() {
                self.unit.transpose(sums);
                let values = &mut values[position / REGISTERS * TILE..][..TILE];
                for (values, sums) in values.iter_mut().zip(sums.0.as_chunks::<TILE>().0) {
                    values[position % REGISTERS] = sums.map(f32::from_bits);
                }
            }
            let here = strip * OUTPUTS..((strip + 1) * OUTPUTS).min(outputs.end);
            here.zip(&mut values)
                .for_each(|(output, values)| on_output(output, block * ROWS, values.as_flattened_mut()));
        });
    }

    /// Some outputs of split rows as `[rows, outputs]`, on this thread.
    pub(crate) fn rows_of(&self, split: &[SplitTile], count: usize, outputs: Range<usize>) -> Vec<f32> {
        let width = outputs.len();
        let mut dense = vec![0.0; count * width];
        self.each_block(split, outputs.start / OUTPUTS..outputs.end.div_ceil(OUTPUTS), |strip, block, sums| {
            for (position, tile) in sums.iter().enumerate() {
                let column = strip * OUTPUTS + position / REGISTERS * TILE - outputs.start;
                let columns = column.min(width)..(column + TILE).min(width);
                let row = block * ROWS + position % REGISTERS * TILE;
                for (sums, dense) in tile.0.chunks_exact(TILE).zip(dense.chunks_exact_mut(width.max(1)).skip(row)) {
                    let dense = dense[columns.clone()].iter_mut();
                    dense.zip(sums).for_each(|(value, bits)| *value = f32::from_bits(*bits));
                }
            }
        });
        dense
    }

    /// Hands over the sums of each of some strips and each block of rows.
    fn each_block(&self, split: &[SplitTile], strips: Range<usize>, mut on_block: impl FnMut(usize, usize, &mut Sums)) {
        let parts = self.inputs.div_ceil(DEPTH);
        // The unit's loop over parts has at least one.
        if parts == 0 {
            return;
        }
        let ready = self.unit.ready();
        let blocks = split.len() / (REGISTERS * parts);
        let strip = |number: usize| &self.tiles[2 * parts * number..][..2 * parts];
        for number in strips.clone() {
            for (block, rows) in split.chunks_exact(REGISTERS * parts).enumerate() {
                let next = (number + 1).min(strips.end - 1);
                let ahead = (block + 1 == blocks).then(|| strip(next));
                let mut sums = [Tile::ZERO; 2 * REGISTERS];
                ready.add_products(rows, strip(number), ahead, &mut sums);
                on_block(number, block, &mut sums);
            }
        }
    }
}

/// Memory that asks Linux for pages of 2 MB in the place of 4 kB: weights are read from one end to the other.
fn in_large_pages(count: usize) -> Vec<SplitTile> {
    let tiles = Vec::<SplitTile>::with_capacity(count);
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let first = tiles.as_ptr().addr().next_multiple_of(PAGE);
        let end = (tiles.as_ptr().addr() + count * size_of::<SplitTile>()) / PAGE * PAGE;
        if end > first {
            // SAFETY: these pages are the vector's own; the call changes no contents.
            unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    tiles
}
