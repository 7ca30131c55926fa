//! Tiles of bf16, and the unit that splits and multiplies them.
//!
//! A value is its nearest bf16 and, as another one, the remainder: x = h + l within 2^-17. Of x y = h h' + h l' + l h' + l l' the
//! last product is left out: it is as small as what two bf16 can't hold. Sums are f32. So results are f32's within about two
//! millionths, in three products (bf16 x 3) that each take a sixteenth of the time.

use crate::gemm_block::REGISTERS;

/// Rows of a tile, and its columns of f32 or of pairs of bf16.
pub(crate) const TILE: usize = 16;
/// Terms of a sum that one tile multiplication adds.
pub(crate) const DEPTH: usize = 32;

/// How far bf16 x 3 products may be from f32's, times the L2 norms of both factors: 2^-17 of either factor's remainder is left
/// out, and 2^-16 with the product of both remainders.
pub(crate) const ERROR_BOUND: f32 = 1.0 / 32_768.0;

/// 16 rows of 32 bf16, or of 16 f32.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile(pub(crate) [u32; TILE * TILE]);

impl Tile {
    pub(crate) const ZERO: Self = Self([0; TILE * TILE]);
}

/// A tile of the nearest bf16, and one of the remainders.
pub(crate) type SplitTile = [Tile; 2];

/// The sums of a block of rows and a strip of outputs, [output tile][register] of [row][output].
pub(crate) type Sums = [Tile; 2 * REGISTERS];

/// What multiplies tiles: AMX, or a portable stand-in for it in tests.
pub(crate) trait TileUnit: Copy + Send + Sync {
    /// The unit, ready on this thread; dropping it releases the tiles.
    type Ready: TileProducts;

    /// Splits 32 values into a row of both tiles.
    fn split_row(self, values: &[f32; DEPTH], row: usize, split: &mut SplitTile);

    /// Splits 16 columns of 32 rows into tiles of pairs, [row pair][column][2].
    fn split_pairs(self, rows: &[[f32; TILE]; DEPTH], split: &mut SplitTile);

    /// Transposes 16 x 16 values.
    fn transpose(self, tile: &mut Tile);

    /// Prepares this thread.
    fn ready(self) -> Self::Ready;
}

/// A unit that is ready on this thread.
pub(crate) trait TileProducts {
    /// Adds the products of three tiles of rows, [register][part] of [row][input], with two of weights, [output tile][part] of
    /// pairs [input pair][output], over all parts of the inputs. `ahead` are weights to prefetch.
    fn add_products(&self, rows: &[SplitTile], weights: &[SplitTile], ahead: Option<&[SplitTile]>, sums: &mut Sums);
}
