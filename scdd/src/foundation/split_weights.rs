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
        let count = weights.genes().div_ceil(GENES) * unit_tiles * DEPTHS;
        let mut tiles = in_large_pages(count);
        tiles.resize(count, [Tile::ZERO; 2]);
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

    /// A block's: as they lie to multiply what there is at its genes, and to be taken apart to multiply what there is at units.
    pub(super) fn block(&self, number: usize) -> &[Split] {
        &self.tiles[number * self.unit_tiles * DEPTHS..][..self.unit_tiles * DEPTHS]
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

/// The places, among 16 units of two genes and 16 others, of those of the first gene and of those of the second: how weights are
/// taken apart.
#[target_feature(enable = "avx512f")]
pub(super) fn even_and_odd() -> (__m512i, __m512i) {
    let even = _mm512_set_epi16(
        62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8,
        6, 4, 2, 0,
    );
    (even, _mm512_or_si512(even, _mm512_set1_epi16(1)))
}
