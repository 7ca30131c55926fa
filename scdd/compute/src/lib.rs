//! Sparse and dense products of slices, for models that are applied to many sparse rows.

#![warn(missing_docs)]

mod cpu;
mod csr;
pub mod gemm;
#[cfg(test)]
mod testing;

pub use cpu::{Isa, Level, PORTABLE_FMA, multiply_add};
pub use csr::{Csr, CsrError, CsrView};
