//! Rows times frozen weights (`gene_sums.rs`) on processors that multiply tiles of bfloat16 (`tiles.rs`).
//!
//! Weights are split once. A strip of 32 outputs stays in the second cache while all rows are taken over it, and a row's sums
//! are the same bits whatever rows are beside it and whatever the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::gene_sums::{AtGene, REGISTERS};
use super::tile_products::add_products;
use super::tiles::{DEPTH, Split, TILE, Tile, configure, release, split_pairs, split_row, transpose};

/// Rows that are multiplied together.
const ROWS: usize = REGISTERS * TILE;
/// Outputs that are made together: two tiles.
const OUTPUTS: usize = 2 * TILE;
/// Sums of a block of rows and a strip of outputs, [output tile][register] of [row][output].
type Sums = [Tile; 2 * REGISTERS];

/// Weights `[inputs, outputs]`, split, as [output tile][part of the inputs] of pairs of inputs, [pair][output].
#[derive(Debug)]
pub(super) struct TiledWeights {
    tiles: Vec<Split>,
    inputs: usize,
    outputs: usize,
}

impl TiledWeights {
    /// The weight of each input and output. Only where the processor has tiles.
    pub(super) fn new(inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f32 + Sync) -> Self {
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
                // SAFETY: the processor has what tiles need.
                unsafe { split_pairs(&rows, |row| row, split) };
            }
        });
        Self { tiles, inputs, outputs }
    }

    /// Rows `[rows, inputs]` to `[rows, outputs]`, on this thread.
    pub(super) fn times(&self, rows: &[f32]) -> Vec<f32> {
        self.rows_of(&self.split(rows), rows.len() / self.inputs.max(1), 0..self.outputs)
    }

    /// Some outputs of rows that are split, on this thread, each as what a block of rows has of it; the first is the first of a
    /// strip.
    pub(super) fn outputs(&self, split: &[Split], outputs: Range<usize>, at_output: &mut AtGene) {
        self.each(split, outputs.start / OUTPUTS..outputs.end.div_ceil(OUTPUTS), |strip, block, sums| {
            let mut values = [[[0.0; TILE]; REGISTERS]; OUTPUTS];
            for (place, sums) in sums.iter_mut().enumerate() {
                // SAFETY: weights are only there where tiles are.
                unsafe { transpose(sums) };
                let values = &mut values[place / REGISTERS * TILE..][..TILE];
                for (values, sums) in values.iter_mut().zip(sums.0.as_chunks::<TILE>().0) {
                    values[place % REGISTERS] = sums.map(f32::from_bits);
                }
            }
            let here = strip * OUTPUTS..((strip + 1) * OUTPUTS).min(outputs.end);
            here.zip(&mut values).for_each(|(output, value)| at_output(output, block * ROWS, value.as_flattened_mut()));
        });
    }

    /// Rows `[rows, inputs]` as [block][register][part of the inputs] of [row][input].
    pub(super) fn split(&self, rows: &[f32]) -> Vec<Split> {
        let (inputs, parts) = (self.inputs.max(1), self.inputs.div_ceil(DEPTH));
        let blocks = (rows.len() / inputs).div_ceil(ROWS);
        let mut split = vec![[Tile::ZERO; 2]; blocks * REGISTERS * parts];
        for (row, numbers) in rows.chunks_exact(inputs).enumerate() {
            for (part, numbers) in numbers.chunks(DEPTH).enumerate() {
                let mut padded = [0.0; DEPTH];
                padded[..numbers.len()].copy_from_slice(numbers);
                // SAFETY: as in `new`; weights are only there where tiles are.
                unsafe { split_row(&padded, row % TILE, &mut split[row / TILE * parts + part]) };
            }
        }
        split
    }

    /// The same as `[rows, outputs]`.
    pub(super) fn rows_of(&self, split: &[Split], count: usize, outputs: Range<usize>) -> Vec<f32> {
        let width = outputs.len();
        let mut made = vec![0.0; count * width];
        self.each(split, outputs.start / OUTPUTS..outputs.end.div_ceil(OUTPUTS), |strip, block, sums| {
            for (place, tile) in sums.iter().enumerate() {
                let column = strip * OUTPUTS + place / REGISTERS * TILE - outputs.start;
                let columns = column.min(width)..(column + TILE).min(width);
                let row = block * ROWS + place % REGISTERS * TILE;
                for (sums, made) in tile.0.chunks_exact(TILE).zip(made.chunks_exact_mut(width.max(1)).skip(row)) {
                    let made = made[columns.clone()].iter_mut();
                    made.zip(sums).for_each(|(made, bits)| *made = f32::from_bits(*bits));
                }
            }
        });
        made
    }

    /// Gives the sums of each of some strips and each block of rows.
    fn each(&self, split: &[Split], strips: Range<usize>, mut at: impl FnMut(usize, usize, &mut Sums)) {
        let parts = self.inputs.div_ceil(DEPTH);
        // The loop over parts has at least one.
        if parts == 0 {
            return;
        }
        configure();
        let blocks = split.len() / (REGISTERS * parts);
        let strip = |number: usize| &self.tiles[2 * parts * number..][..2 * parts];
        for number in strips.clone() {
            for (block, rows) in split.chunks_exact(REGISTERS * parts).enumerate() {
                let next = (number + 1).min(strips.end - 1);
                let ahead = (block + 1 == blocks).then(|| strip(next));
                let mut sums = [Tile::ZERO; 2 * REGISTERS];
                // SAFETY: there are three tiles of rows and two of outputs, of `parts` parts each.
                unsafe { add_products(rows, strip(number), parts, ahead, &mut sums) };
                at(number, block, &mut sums);
            }
        }
        release();
    }
}

/// Memory that asks Linux for pages of 2 MB in the place of 4 kB: weights are read from one end to the other.
fn in_large_pages(count: usize) -> Vec<Split> {
    let tiles = Vec::<Split>::with_capacity(count);
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let first = tiles.as_ptr().addr().next_multiple_of(PAGE);
        let end = (tiles.as_ptr().addr() + count * size_of::<Split>()) / PAGE * PAGE;
        if end > first {
            // SAFETY: these pages are the vector's own; the call changes no contents.
            unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::super::gene_sums::GeneSums;
    use super::super::packed::PackedWeights;
    use super::super::tiles::has_tiles;
    use super::*;
    use crate::seed;

    #[test]
    fn products_in_tiles_are_those_of_a_plain_loop_and_no_row_depends_on_the_others_or_on_threads() {
        let mut rng = seed::stream(3, "test");
        for (count, inputs, outputs) in [(1, 1, 1), (48, 32, 32), (50, 70, 33), (130, 256, 100), (44, 40, 300)] {
            let mut random = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (rows, weights) = (random(count * inputs), random(inputs * outputs));
            if !has_tiles() {
                println!("skipped: this processor multiplies no tiles");
                return;
            }
            let tiled = TiledWeights::new(inputs, outputs, |input, output| weights[input * outputs + output]);
            let made = tiled.times(&rows);
            let packed = PackedWeights::transposed(outputs, inputs, |part| {
                weights[part.start * outputs..part.end * outputs].to_vec()
            });
            assert_eq!(GeneSums::new(&packed, &rows).to_rows(count, outputs), made);
            for (row, made) in rows.chunks_exact(inputs).zip(made.chunks_exact(outputs)) {
                assert_eq!(tiled.times(row), made);
                for (output, made) in made.iter().enumerate() {
                    let terms = row.iter().zip(weights[output..].iter().step_by(outputs));
                    let (sum, size) = terms.fold((0.0, 1e-3), |(sum, size), (x, weight)| {
                        let term = f64::from(*x) * f64::from(*weight);
                        (sum + term, size + term.abs())
                    });
                    assert!((f64::from(*made) - sum).abs() < 1e-5 * size, "{made} and {sum}");
                }
            }
        }
    }
}
