//! Weights that change no more as two bfloat16s each (`tiles.rs`), split once, in the order in which a crossing
//! (`bridge_tiles.rs`) reads them.
//!
//! One order serves both ways. Away from the genes a tile is multiplied as it lies; to the genes even and odd places of two
//! tiles are taken apart, far less work than to split numbers anew.

use std::arch::x86_64::*;

use rayon::prelude::*;

use super::bridge_kernel::GENES;
use super::packed::PackedWeights;
use super::packed_kernel::{COLUMNS, Row};
use super::tiles::{DEPTH, Split, TILE, Tile, split_pairs};

/// Multiplications over a block's genes.
pub(super) const DEPTHS: usize = GENES / DEPTH;

/// Weights `[genes, units]` as [block of genes][unit tile][part of the genes] of pairs of genes, [pair][unit]. Genes and units
/// that fill up are zero.
#[derive(Debug)]
pub(super) struct SplitWeights {
    tiles: Vec<Split>,
    unit_tiles: usize,
}

impl SplitWeights {
    /// Only where the processor has tiles.
    pub(super) fn new(weights: &PackedWeights) -> Self {
        let unit_tiles = weights.column_tiles() * COLUMNS / TILE;
        let mut tiles = vec![[Tile::ZERO; 2]; weights.genes().div_ceil(GENES) * unit_tiles * DEPTHS];
        tiles.par_chunks_mut((unit_tiles * DEPTHS).max(1)).enumerate().for_each(|(block, tiles)| {
            let genes = block * GENES..((block + 1) * GENES).min(weights.genes());
            for (unit_tile, tiles) in tiles.chunks_exact_mut(DEPTHS).enumerate() {
                let (column_tile, part) = (unit_tile * TILE / COLUMNS, unit_tile % (COLUMNS / TILE));
                for (rows, split) in weights.tile(column_tile)[genes.clone()].chunks(DEPTH).zip(tiles) {
                    // SAFETY: the processor has what tiles need.
                    unsafe { split_pairs(rows, |row: &Row| &row.as_chunks::<TILE>().0[part], split) };
                }
            }
        });
        Self { tiles, unit_tiles }
    }

    /// A block's, to multiply what there is at its genes.
    pub(super) fn block(&self, number: usize) -> &[Split] {
        &self.tiles[number * self.unit_tiles * DEPTHS..][..self.unit_tiles * DEPTHS]
    }

    /// The same to multiply what there is at units: [gene tile][part of the units] of [gene][unit].
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn to_genes(&self, block: usize, to: &mut [Split]) {
        let parts = self.unit_tiles * TILE / DEPTH;
        for (part, both) in self.block(block).chunks_exact(2 * DEPTHS).enumerate() {
            let (first, second) = both.split_at(DEPTHS);
            for depth in 0..DEPTHS {
                for half in 0..2 {
                    let (first, second) = (&first[depth][half].0, &second[depth][half].0);
                    let pairs = first.as_chunks::<TILE>().0.iter().zip(second.as_chunks::<TILE>().0);
                    for (pair, (first, second)) in pairs.enumerate() {
                        let gene = 2 * pair;
                        let tile = &mut to[(2 * depth + gene / TILE) * parts + part][half];
                        let rows = tile.0[gene % TILE * TILE..][..2 * TILE].as_mut_ptr();
                        take_apart(first, second, rows);
                    }
                }
            }
        }
    }
}

/// Of 16 units of two genes and 16 others those of the first gene, and behind them those of the second.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn take_apart(first: &[u32; TILE], second: &[u32; TILE], genes: *mut u32) {
    let even = _mm512_set_epi16(
        62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8,
        6, 4, 2, 0,
    );
    let odd = _mm512_or_si512(even, _mm512_set1_epi16(1));
    // SAFETY: 64 bytes each are read, and the caller has 128 for what is written.
    unsafe {
        let (first, second) = (_mm512_loadu_si512(first.as_ptr().cast()), _mm512_loadu_si512(second.as_ptr().cast()));
        _mm512_storeu_si512(genes.cast(), _mm512_permutex2var_epi16(first, even, second));
        _mm512_storeu_si512(genes.add(TILE).cast(), _mm512_permutex2var_epi16(first, odd, second));
    }
}
