//! Dense layers of a frozen stack on processors that multiply tiles of bfloat16 (`tiles.rs`): many rows, a layer after the
//! other, `prelu(x W + b)`.
//!
//! Weights are split once, when a stack embeds for the first time. A strip of 32 outputs stays in the second cache while all
//! rows are taken over it, and a row's sums are the same bits whatever rows are beside it.

use super::bridge_kernel::REGISTERS;
use super::tiles::{DEPTH, Split, TILE, Tile, configure, has_tiles, release, split_pairs, split_row, units_of_genes};

/// Rows that are multiplied together.
const ROWS: usize = REGISTERS * TILE;
/// Outputs that are made together: two tiles.
const OUTPUTS: usize = 2 * TILE;

/// A layer: weights `[inputs, outputs]`, split, as [output tile][part of the inputs] of pairs of inputs, [pair][output].
#[derive(Debug)]
pub(super) struct TiledLayer {
    weights: Vec<Split>,
    inputs: usize,
    bias: Vec<f32>,
    slope: Option<f32>,
}

impl TiledLayer {
    /// A layer of weights `[inputs, outputs]`, row by row; None where the processor has no tiles.
    pub(super) fn new(weights: &[f32], bias: Vec<f32>, slope: Option<f32>) -> Option<Self> {
        // Without inputs there are no parts, and the loop over them has at least one.
        if !has_tiles() || bias.is_empty() || weights.is_empty() {
            return None;
        }
        let outputs = bias.len();
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
        Some(Self { weights: tiles, inputs, bias, slope })
    }

    /// Rows `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, rows: &[f32]) -> Vec<f32> {
        let (parts, outputs) = (self.inputs.div_ceil(DEPTH), self.bias.len());
        let count = rows.len() / self.inputs;
        let blocks = count.div_ceil(ROWS);
        let mut split = vec![[Tile::ZERO; 2]; blocks * REGISTERS * parts];
        for (row, numbers) in rows.chunks_exact(self.inputs).enumerate() {
            for (part, numbers) in numbers.chunks(DEPTH).enumerate() {
                let mut padded = [0.0; DEPTH];
                padded[..numbers.len()].copy_from_slice(numbers);
                // SAFETY: as in `new`; a layer is only there where tiles are.
                unsafe { split_row(&padded, row % TILE, &mut split[row / TILE * parts + part]) };
            }
        }
        let mut made = vec![0.0; count * outputs];
        configure();
        for (strip, weights) in self.weights.chunks_exact(2 * parts).enumerate() {
            for (block, rows) in split.chunks_exact(REGISTERS * parts).enumerate() {
                let mut sums = [Tile::ZERO; 2 * REGISTERS];
                // SAFETY: there are three tiles of rows and two of outputs, of `parts` parts each.
                unsafe { units_of_genes(rows, weights, parts, &mut sums) };
                for (place, tile) in sums.iter().enumerate() {
                    let first = strip * OUTPUTS + place / REGISTERS * TILE;
                    let columns = first.min(outputs)..(first + TILE).min(outputs);
                    let row = block * ROWS + place % REGISTERS * TILE;
                    for (sums, made) in tile.0.chunks_exact(TILE).zip(made.chunks_exact_mut(outputs).skip(row)) {
                        let bias = &self.bias[columns.clone()];
                        for ((made, bits), bias) in made[columns.clone()].iter_mut().zip(sums).zip(bias) {
                            *made = activated(f32::from_bits(*bits) + bias, self.slope);
                        }
                    }
                }
            }
        }
        release();
        made
    }
}

/// prelu of a sum; the sum itself in a layer without a slope.
pub(super) fn activated(sum: f32, slope: Option<f32>) -> f32 {
    match slope {
        Some(slope) if sum < 0.0 => sum * slope,
        _ => sum,
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    #[test]
    fn a_layer_in_tiles_is_that_of_a_plain_loop_and_no_row_depends_on_the_others() {
        let mut rng = seed::stream(3, "test");
        for (count, inputs, outputs) in [(1, 1, 1), (48, 32, 32), (50, 70, 33), (130, 256, 100)] {
            let mut random = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (rows, weights, bias) = (random(count * inputs), random(inputs * outputs), random(outputs));
            let Some(layer) = TiledLayer::new(&weights, bias.clone(), Some(0.25)) else {
                println!("skipped: this processor multiplies no tiles");
                return;
            };
            let made = layer.forward(&rows);
            for (row, made) in rows.chunks_exact(inputs).zip(made.chunks_exact(outputs)) {
                assert_eq!(layer.forward(row), made);
                for (output, made) in made.iter().enumerate() {
                    let terms = row.iter().zip(weights[output..].iter().step_by(outputs));
                    let (sum, size) = terms.fold((f64::from(bias[output]), 1e-3), |(sum, size), (x, weight)| {
                        let term = f64::from(*x) * f64::from(*weight);
                        (sum + term, size + term.abs())
                    });
                    let expected = if sum < 0.0 { 0.25 * sum } else { sum };
                    assert!((f64::from(*made) - expected).abs() < 1e-5 * size, "{made} and {expected}");
                }
            }
        }
    }
}
