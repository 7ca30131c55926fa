//! Blocks of a packed GEMM: how many rows and outputs are computed together, and how they are handed over.

/// Registers of rows in a block of rows.
pub(crate) const REGISTERS: usize = 3;
/// Outputs of a block: 128 rows of a weight panel are 32 KB, all panels at 1,024 inputs half a megabyte.
pub(crate) const BLOCK_OUTPUTS: usize = 128;

/// Is called with an output, the first row of a block, and the block's values of that output. Values past the last row are
/// padding.
pub(crate) type OnOutput<'a> = dyn FnMut(usize, usize, &mut [f32]) + 'a;
