//! Rows times the weights of a dense layer on processors that multiply tiles of bfloat16 (`tiles.rs`).
//!
//! Weights are split once. A strip of 32 outputs stays in the second cache while all rows are taken over it, and a row's sums
//! are the same bits whatever rows are beside it and whatever the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::bridge_kernel::REGISTERS;
use super::tile_products::units_of_genes;
use super::tiles::{DEPTH, Split, TILE, Tile, configure, has_tiles, release, split_pairs, split_row};

/// Rows that are multiplied together.
const ROWS: usize = REGISTERS * TILE;
/// Outputs that are made together: two tiles.
const OUTPUTS: usize = 2 * TILE;
/// Strips that a thread takes at once.
const STRIPS: usize = 4;

/// Weights `[inputs, outputs]`, split, as [output tile][part of the inputs] of pairs of inputs, [pair][output].
#[derive(Debug)]
pub(super) struct TiledWeights {
    tiles: Vec<Split>,
    inputs: usize,
    outputs: usize,
}

impl TiledWeights {
    /// Weights `[inputs, outputs]`, row by row; None where the processor has no tiles.
    pub(super) fn new(weights: &[f32], outputs: usize) -> Option<Self> {
        // Without inputs there are no parts, and the loop over them has at least one.
        if !has_tiles() || outputs == 0 || weights.is_empty() {
            return None;
        }
        let inputs = weights.len() / outputs;
        let parts = inputs.div_ceil(DEPTH);
        let mut tiles = Vec::with_capacity(outputs.div_ceil(OUTPUTS) * 2 * parts);
        for tile in 0..outputs.div_ceil(OUTPUTS) * 2 {
            let columns = (tile * TILE).min(outputs)..((tile + 1) * TILE).min(outputs);
            for part in 0..parts {
                let mut rows = [[0.0; TILE]; DEPTH];
                for (row, input) in rows.iter_mut().zip(part * DEPTH..inputs) {
                    row[..columns.len()].copy_from_slice(&weights[input * outputs..][columns.clone()]);
                }
                let mut split = [Tile::ZERO; 2];
                // SAFETY: the processor has what tiles need.
                unsafe { split_pairs(&rows, |row| row, &mut split) };
                tiles.push(split);
            }
        }
        Some(Self { tiles, inputs, outputs })
    }

    /// Rows `[rows, inputs]` to `[rows, outputs]`, on this thread.
    pub(super) fn times(&self, rows: &[f32]) -> Vec<f32> {
        self.strips(&self.split(rows), rows.len() / self.inputs, 0..self.tiles.len() / (2 * self.parts()))
    }

    /// The same in threads, for few rows.
    pub(super) fn times_in_threads(&self, rows: &[f32]) -> Vec<f32> {
        let (split, count) = (self.split(rows), rows.len() / self.inputs);
        let strips = self.tiles.len() / (2 * self.parts());
        let parts: Vec<_> = (0..strips.div_ceil(STRIPS))
            .into_par_iter()
            .map(|part| self.strips(&split, count, part * STRIPS..((part + 1) * STRIPS).min(strips)))
            .collect();
        let mut made = Vec::with_capacity(count * self.outputs);
        for row in 0..count {
            for part in &parts {
                let width = part.len() / count;
                made.extend_from_slice(&part[row * width..][..width]);
            }
        }
        made
    }

    fn parts(&self) -> usize {
        self.inputs.div_ceil(DEPTH)
    }

    /// Rows `[rows, inputs]` as [block][register][part of the inputs] of [row][input].
    fn split(&self, rows: &[f32]) -> Vec<Split> {
        let parts = self.parts();
        let blocks = (rows.len() / self.inputs).div_ceil(ROWS);
        let mut split = vec![[Tile::ZERO; 2]; blocks * REGISTERS * parts];
        for (row, numbers) in rows.chunks_exact(self.inputs).enumerate() {
            for (part, numbers) in numbers.chunks(DEPTH).enumerate() {
                let mut padded = [0.0; DEPTH];
                padded[..numbers.len()].copy_from_slice(numbers);
                // SAFETY: as in `new`; weights are only there where tiles are.
                unsafe { split_row(&padded, row % TILE, &mut split[row / TILE * parts + part]) };
            }
        }
        split
    }

    /// Outputs of some strips of rows that are split: `[rows, outputs of these strips]`.
    fn strips(&self, split: &[Split], count: usize, strips: Range<usize>) -> Vec<f32> {
        let parts = self.parts();
        let first = strips.start * OUTPUTS;
        let width = (strips.end * OUTPUTS).min(self.outputs) - first;
        let mut made = vec![0.0; count * width];
        configure();
        let weights = self.tiles.chunks_exact(2 * parts).skip(strips.start).take(strips.len());
        for (strip, weights) in weights.enumerate() {
            for (block, rows) in split.chunks_exact(REGISTERS * parts).enumerate() {
                let mut sums = [Tile::ZERO; 2 * REGISTERS];
                // SAFETY: there are three tiles of rows and two of outputs, of `parts` parts each.
                unsafe { units_of_genes(rows, weights, parts, None, &mut sums) };
                for (place, tile) in sums.iter().enumerate() {
                    let column = strip * OUTPUTS + place / REGISTERS * TILE;
                    let columns = column.min(width)..(column + TILE).min(width);
                    let row = block * ROWS + place % REGISTERS * TILE;
                    for (sums, made) in tile.0.chunks_exact(TILE).zip(made.chunks_exact_mut(width).skip(row)) {
                        let made = made[columns.clone()].iter_mut();
                        made.zip(sums).for_each(|(made, bits)| *made = f32::from_bits(*bits));
                    }
                }
            }
        }
        release();
        made
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    #[test]
    fn products_in_tiles_are_those_of_a_plain_loop_and_no_row_depends_on_the_others_or_on_threads() {
        let mut rng = seed::stream(3, "test");
        for (count, inputs, outputs) in [(1, 1, 1), (48, 32, 32), (50, 70, 33), (130, 256, 100), (44, 40, 300)] {
            let mut random = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (rows, weights) = (random(count * inputs), random(inputs * outputs));
            let Some(tiled) = TiledWeights::new(&weights, outputs) else {
                println!("skipped: this processor multiplies no tiles");
                return;
            };
            let made = tiled.times(&rows);
            assert_eq!(tiled.times_in_threads(&rows), made);
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
