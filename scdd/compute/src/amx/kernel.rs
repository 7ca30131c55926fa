//! Inner loop of AMX GEMM: six tiles of sums, in bf16 x 3 products.
//!
//! A multiplication takes one tile that the one before did not load. While tiles are multiplied the next weights are prefetched:
//! where others use the processor's tile unit too, each load costs as much as a multiplication.

use std::arch::asm;

use super::tile::{SplitTile, Tile};
use crate::gemm_block::REGISTERS;

/// Prefetches a sixteenth of the next weights into L2. Otherwise memory would wait for the processor, and then the processor
/// for memory.
macro_rules! prefetch_next {
    ($number:literal) => {
        concat!(
            concat!("prefetcht1 [{ahead} + 256 * ", $number, "]\n"),
            concat!("prefetcht1 [{ahead} + 256 * ", $number, " + 64]\n"),
            concat!("prefetcht1 [{ahead} + 256 * ", $number, " + 128]\n"),
            concat!("prefetcht1 [{ahead} + 256 * ", $number, " + 192]\n"),
        )
    };
}

/// Prefetches nothing.
macro_rules! prefetch_nothing {
    ($number:literal) => {
        ""
    };
}

/// Assembly that adds the products of two tiles of weights and three tiles of rows to six tiles of sums, for one part of the
/// inputs. Each tile's products come in one order: high x high, low rows x high weights, high rows x low weights.
macro_rules! part {
    ($prefetch:ident) => {
        concat!(
            "tileloadd tmm7, [{a} + {stride}]\n",
            part!("b", "", "tmm0"),
            $prefetch!("0"),
            part!("c", "", "tmm1"),
            $prefetch!("1"),
            part!("d", "", "tmm2"),
            $prefetch!("2"),
            "tileloadd tmm7, [{e} + {stride}]\n",
            "tdpbf16ps tmm5, tmm6, tmm7\n",
            $prefetch!("3"),
            part!("c", "", "tmm4"),
            $prefetch!("4"),
            part!("b", "", "tmm3"),
            $prefetch!("5"),
            part!("d", " + 1024", "tmm5"),
            $prefetch!("6"),
            part!("c", " + 1024", "tmm4"),
            $prefetch!("7"),
            part!("b", " + 1024", "tmm3"),
            $prefetch!("8"),
            "tileloadd tmm7, [{a} + {stride}]\n",
            "tdpbf16ps tmm0, tmm6, tmm7\n",
            $prefetch!("9"),
            part!("c", " + 1024", "tmm1"),
            $prefetch!("10"),
            part!("d", " + 1024", "tmm2"),
            $prefetch!("11"),
            "tileloadd tmm7, [{a} + {stride} + 1024]\n",
            part!("b", "", "tmm0"),
            $prefetch!("12"),
            part!("c", "", "tmm1"),
            $prefetch!("13"),
            part!("d", "", "tmm2"),
            $prefetch!("14"),
            "tileloadd tmm7, [{e} + {stride} + 1024]\n",
            "tdpbf16ps tmm5, tmm6, tmm7\n",
            $prefetch!("15"),
            part!("c", "", "tmm4"),
            part!("b", "", "tmm3"),
        )
    };
    // Loads a tile of rows and multiplies it with the weights that were loaded.
    ($from:literal, $half:literal, $sum:literal) => {
        concat!("tileloadd tmm6, [{", $from, "} + {stride}", $half, "]\ntdpbf16ps ", $sum, ", tmm6, tmm7\n")
    };
}

/// Adds to sums [output tile][register] of [row][output], of 32 outputs and three tiles of rows, the products over all inputs.
/// `rows` are [register][part] of [row][input], `weights` [output tile][part] of pairs [input pair][output]; `ahead` are weights to
/// prefetch, as many as `weights`.
///
/// # Panics
/// When the slices don't have these lengths, or there is no part.
///
/// # Safety
/// The processor has AMX-BF16, the system lets this process use its tiles, and this thread has configured eight of 16 rows of
/// 64 bytes.
pub(super) unsafe fn add_products(
    rows: &[SplitTile],
    weights: &[SplitTile],
    ahead: Option<&[SplitTile]>,
    sums: &mut [Tile; 2 * REGISTERS],
) {
    let parts = weights.len() / 2;
    assert!(parts > 0 && weights.len() == 2 * parts && rows.len() == REGISTERS * parts, "tiles that don't go together");
    macro_rules! added {
        ($prefetch:ident, $ahead:expr) => {
            asm!(
                "tileloadd tmm0, [{out} + {stride}]",
                "tileloadd tmm1, [{out} + {stride} + 1024]",
                "tileloadd tmm2, [{out} + {stride} + 2048]",
                "tileloadd tmm3, [{out} + {stride} + 3072]",
                "tileloadd tmm4, [{out} + {stride} + 4096]",
                "tileloadd tmm5, [{out} + {stride} + 5120]",
                "2:",
                part!($prefetch),
                "add {a}, 2048", "add {e}, 2048", "add {b}, 2048", "add {c}, 2048", "add {d}, 2048",
                "add {ahead}, 4096",
                "dec {parts}",
                "jnz 2b",
                "tilestored [{out} + {stride}], tmm0",
                "tilestored [{out} + {stride} + 1024], tmm1",
                "tilestored [{out} + {stride} + 2048], tmm2",
                "tilestored [{out} + {stride} + 3072], tmm3",
                "tilestored [{out} + {stride} + 4096], tmm4",
                "tilestored [{out} + {stride} + 5120], tmm5",
                a = inout(reg) weights.as_ptr() => _,
                e = inout(reg) weights.as_ptr().add(parts) => _,
                b = inout(reg) rows.as_ptr() => _,
                c = inout(reg) rows.as_ptr().add(parts) => _,
                d = inout(reg) rows.as_ptr().add(2 * parts) => _,
                ahead = inout(reg) $ahead.as_ptr() => _,
                parts = inout(reg) parts => _,
                stride = in(reg) 64_usize,
                out = in(reg) sums.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            )
        };
    }
    // SAFETY: the caller's; the slices have the lengths that the loop reads, as was just checked. A prefetch may name any address.
    unsafe {
        match ahead {
            Some(ahead) => added!(prefetch_next, ahead),
            None => added!(prefetch_nothing, weights),
        }
    }
}
