//! Sums of genes, z = h W^T of rows of units `[rows, units]` and frozen weights `[genes, units]`, a block of genes at a time: of what
//! is at the genes only that block need be there. A layer's outputs are taken for genes likewise (`dense.rs`).
//!
//! The processor decides how: in tiles of bfloat16 (`dense_tiles.rs`) or in f32 (`gene_kernel.rs`). A row's sums are the same bits
//! whatever rows are beside it and whatever the number of threads.

use std::ops::Range;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::dense_tiles::TiledWeights;
use super::gene_kernel::{Lanes, gene_sums_any, lanes};
#[cfg(target_arch = "x86_64")]
use super::gene_kernel::{gene_sums_avx2, gene_sums_avx512};
use super::packed::{PackedWeights, put_beside};
#[cfg(target_arch = "x86_64")]
use super::tiles::{HALVES, Split, has_tiles};

/// Registers of a block of rows.
pub(super) const REGISTERS: usize = 3;
/// Genes of a block: 128 rows of a column tile are 32 KB, all of them at 1,024 units half a megabyte.
pub(super) const GENES: usize = 128;

/// Is given a gene, the first row of a block, and the sums of the gene that the block's rows have; what is behind the last row is
/// nobody's.
pub(super) type AtGene<'a> = dyn FnMut(usize, usize, &mut [f32]) + 'a;

/// Rows `[rows, units]` in the order in which a kernel reads them, block by block, and weights `[genes, units]`.
pub(super) enum GeneSums<'a> {
    #[cfg(target_arch = "x86_64")]
    Tiles(&'a TiledWeights, Vec<Split>),
    #[cfg(target_arch = "x86_64")]
    Avx512(&'a PackedWeights, Vec<Lanes<16>>),
    #[cfg(target_arch = "x86_64")]
    Avx2(&'a PackedWeights, Vec<Lanes<8>>),
    /// For any processor, with registers of four.
    Any(&'a PackedWeights, Vec<Lanes<4>>),
}

impl<'a> GeneSums<'a> {
    /// For the fastest kernel that the processor can execute.
    pub(super) fn new(weights: &'a PackedWeights, rows: &[f32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if has_tiles() {
            let tiled = weights.tiled();
            return Self::Tiles(tiled, tiled.split(rows));
        }
        Self::in_f32(weights, rows)
    }

    /// For the fastest one that is not made of tiles.
    pub(super) fn in_f32(weights: &'a PackedWeights, rows: &[f32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512(weights, lanes(rows, weights));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2(weights, lanes(rows, weights));
            }
        }
        Self::Any(weights, lanes(rows, weights))
    }

    /// How far sums may be from those of f32, times the lengths of both factors.
    pub(super) fn slack(&self) -> f32 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Tiles(..) => HALVES,
            _ => 0.0,
        }
    }

    /// Of some genes, on this thread; the first is the first of a block. Each row's genes rise.
    pub(super) fn of(&self, genes: Range<usize>, at_gene: &mut AtGene) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Tiles(tiled, rows) => tiled.outputs(rows, genes, at_gene),
            // SAFETY: only a processor that has what the kernel needs has its rows in this order.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(weights, units) => unsafe { gene_sums_avx512(weights, genes, units, at_gene) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(weights, units) => unsafe { gene_sums_avx2(weights, genes, units, at_gene) },
            Self::Any(weights, units) => gene_sums_any(weights, genes, units, at_gene),
        }
    }

    /// All of them `[rows, genes]`, in threads.
    pub(super) fn to_rows(&self, rows: usize, genes: usize) -> Vec<f32> {
        let blocks = (0..genes.div_ceil(GENES)).into_par_iter();
        let parts: Vec<_> =
            blocks.map(|number| self.block(rows, number * GENES..((number + 1) * GENES).min(genes))).collect();
        let mut whole = vec![0.0; rows * genes];
        put_beside(&parts, &mut whole, genes);
        whole
    }

    /// A block of them `[rows, genes]`.
    fn block(&self, rows: usize, genes: Range<usize>) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        if let Self::Tiles(tiled, split) = self {
            return tiled.rows_of(split, rows, genes);
        }
        let mut made = vec![0.0; rows * genes.len()];
        self.of(genes.clone(), &mut |gene, first, sums| {
            let rows = made.chunks_exact_mut(genes.len()).skip(first);
            rows.zip(sums).for_each(|(row, sum)| row[gene - genes.start] = *sum);
        });
        made
    }
}
