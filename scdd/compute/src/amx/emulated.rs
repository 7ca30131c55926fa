//! A portable stand-in for the AMX unit: plain loops over the same tiles.

use super::tile::{DEPTH, SplitTile, Sums, TILE, Tile, TileProducts, TileUnit};
use crate::gemm_block::REGISTERS;

/// Multiplies tiles on any processor, slowly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emulated;

/// The nearest bf16, of two equally near ones the even one.
fn nearest(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (rounded >> 16) as u16
}

fn widened(bf16: u32) -> f32 {
    f32::from_bits(bf16 << 16)
}

/// The nearest bf16 of a value and of its remainder.
fn high_low(value: f32) -> [u16; 2] {
    let high = nearest(value);
    [high, nearest(value - widened(u32::from(high)))]
}

/// Writes one bf16 of a row of 32.
fn put(tile: &mut Tile, row: usize, column: usize, bf16: u16) {
    let pair = &mut tile.0[row * TILE + column / 2];
    let shift = 16 * (column % 2);
    *pair = *pair & !(0xffff << shift) | u32::from(bf16) << shift;
}

impl TileUnit for Emulated {
    type Ready = Self;

    fn split_row(self, values: &[f32; DEPTH], row: usize, split: &mut SplitTile) {
        for (column, value) in values.iter().enumerate() {
            for (tile, bf16) in split.iter_mut().zip(high_low(*value)) {
                put(tile, row, column, bf16);
            }
        }
    }

    fn split_pairs(self, rows: &[[f32; TILE]; DEPTH], split: &mut SplitTile) {
        for (row, values) in rows.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                for (tile, bf16) in split.iter_mut().zip(high_low(*value)) {
                    put(tile, row / 2, 2 * column + row % 2, bf16);
                }
            }
        }
    }

    fn transpose(self, tile: &mut Tile) {
        let old = tile.0;
        for (position, value) in tile.0.iter_mut().enumerate() {
            *value = old[position % TILE * TILE + position / TILE];
        }
    }

    fn ready(self) -> Self {
        self
    }
}

impl TileProducts for Emulated {
    fn add_products(&self, rows: &[SplitTile], weights: &[SplitTile], _: Option<&[SplitTile]>, sums: &mut Sums) {
        let parts = weights.len() / 2;
        assert_eq!((weights.len(), rows.len()), (2 * parts, REGISTERS * parts));
        for (position, sums) in sums.iter_mut().enumerate() {
            let (output_tile, register) = (position / REGISTERS, position % REGISTERS);
            for part in 0..parts {
                let [row_high, row_low] = &rows[register * parts + part];
                let [weight_high, weight_low] = &weights[output_tile * parts + part];
                for (row, weight) in [(row_high, weight_high), (row_low, weight_high), (row_high, weight_low)] {
                    multiply(row, weight, sums);
                }
            }
        }
    }
}

/// As the instruction TDPBF16PS: adds a tile of [row][32 inputs] times a tile of pairs [16 input pairs][output].
fn multiply(rows: &Tile, weights: &Tile, sums: &mut Tile) {
    for row in 0..TILE {
        for pair in 0..TILE {
            let of_row = rows.0[row * TILE + pair];
            for output in 0..TILE {
                let of_output = weights.0[pair * TILE + output];
                let sum = &mut sums.0[row * TILE + output];
                let mut added = f32::from_bits(*sum);
                added += widened(of_row & 0xffff) * widened(of_output & 0xffff);
                added += widened(of_row >> 16) * widened(of_output >> 16);
                *sum = added.to_bits();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Amx;
    use super::*;
    use crate::testing::{draw, rng};

    /// What the unit itself does is compared where there is one; all around it is tested with the stand-in everywhere.
    #[test]
    fn the_stand_in_splits_transposes_and_multiplies_as_the_unit_does() {
        let Some(amx) = Amx::detect() else {
            println!("skipped: this processor has no AMX");
            return;
        };
        let mut rng = rng(3);
        let values: [f32; DEPTH] = draw(DEPTH, &mut rng).try_into().unwrap();
        let pairs: [[f32; TILE]; DEPTH] = std::array::from_fn(|_| draw(TILE, &mut rng).try_into().unwrap());
        let (mut found, mut expected) = ([Tile::ZERO; 2], [Tile::ZERO; 2]);
        for row in 0..TILE {
            amx.split_row(&values, row, &mut found);
            Emulated.split_row(&values, row, &mut expected);
        }
        let rows = vec![found; REGISTERS];
        assert_eq!(found.map(|tile| tile.0), expected.map(|tile| tile.0));
        amx.split_pairs(&pairs, &mut found);
        Emulated.split_pairs(&pairs, &mut expected);
        assert_eq!(found.map(|tile| tile.0), expected.map(|tile| tile.0));
        let (mut sums, mut expected_sums) = ([Tile::ZERO; 2 * REGISTERS], [Tile::ZERO; 2 * REGISTERS]);
        amx.ready().add_products(&rows, &[found; 2], None, &mut sums);
        Emulated.ready().add_products(&rows, &[expected; 2], None, &mut expected_sums);
        for (found, expected) in sums.iter().zip(&expected_sums) {
            for (found, expected) in found.0.iter().zip(expected.0) {
                let (found, expected) = (f32::from_bits(*found), f32::from_bits(expected));
                assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
            }
        }
        let (mut found, mut expected) = (sums[0], sums[0]);
        amx.transpose(&mut found);
        Emulated.transpose(&mut expected);
        assert_eq!(found.0, expected.0);
    }
}
