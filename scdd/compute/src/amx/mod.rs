//! GEMM in bf16 x 3 products on Intel's AMX, at f32's accuracy.
//!
//! [`TiledWeights`] are generic over the unit that multiplies tiles: [`Amx`], or in tests a portable stand-in, so that all but the
//! unit itself is tested on every x86-64 processor.

#[cfg(test)]
mod emulated;
mod gemm;
mod kernel;
mod tile;
mod unit;

#[cfg(test)]
pub(crate) use emulated::Emulated;
pub(crate) use gemm::TiledWeights;
pub(crate) use tile::{ERROR_BOUND, SplitTile, TileUnit};
pub(crate) use unit::Amx;
