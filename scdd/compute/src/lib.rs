#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod aligned;
#[cfg(target_arch = "x86_64")]
mod amx;
mod cpu;
mod csr;
mod csr_error;
pub mod gemm;
mod gemm_block;
pub mod layer;
mod mask;
mod near_zero;
mod norm_silu;
pub mod optim;
mod packed;
mod packed_gemm;
mod relu_junction;
mod spmm_plain;
#[cfg(test)]
mod testing;

pub use cpu::{Isa, Level, PORTABLE_FMA, multiply_add};
pub use csr::{Csr, CsrView};
pub use csr_error::CsrError;
pub use layer::DenseLayer;
pub use norm_silu::{NormSilu, silu};
pub use packed::{PackedMatrix, Pattern, sddmm, spmm};
pub use packed_gemm::GemmWeights;
pub use relu_junction::{Flipped, ReferencePattern, ReluJunction};
pub use spmm_plain::spmm_plain;

/// Whether products use bf16 x 3 tiles: the processor has Intel's AMX, the system lets this process use it, and `SCDD_ISA` doesn't
/// mask it.
pub fn has_amx() -> bool {
    #[cfg(target_arch = "x86_64")]
    return amx::Amx::detect().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}
