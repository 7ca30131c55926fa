//! Products of rows with weights in tiles of bfloat16 (`tiles.rs`), in three multiplications of halves each.
//!
//! A multiplication takes one tile more than the one before has loaded, and while tiles are multiplied the next weights are asked
//! of memory: where others use the processor's unit for tiles too, each load costs as much as a multiplication.

use std::arch::asm;

use super::tiles::{Split, Tile};

/// Asks memory for a sixteenth of the weights that are needed next, as far as the second cache. It would wait otherwise for the
/// processor, and then the processor for memory.
macro_rules! ask {
    ($number:literal) => {
        concat!(
            concat!("prefetcht1 [{ahead} + 256 * ", $number, "]\n"),
            concat!("prefetcht1 [{ahead} + 256 * ", $number, " + 64]\n"),
            concat!("prefetcht1 [{ahead} + 256 * ", $number, " + 128]\n"),
            concat!("prefetcht1 [{ahead} + 256 * ", $number, " + 192]\n"),
        )
    };
}

/// Asks for nothing.
macro_rules! nothing {
    ($number:literal) => {
        ""
    };
}

/// Adds products of two tiles of weights with three of rows to six tiles, for one part. The sums of each tile are added in one
/// order: nearest with nearest, with what is left of rows, and what is left of weights.
macro_rules! part {
    ($each:ident) => {
        concat!(
            "tileloadd tmm7, [{a} + {stride}]\n",
            part!("b", "", "tmm0"),
            $each!("0"),
            part!("c", "", "tmm1"),
            $each!("1"),
            part!("d", "", "tmm2"),
            $each!("2"),
            "tileloadd tmm7, [{e} + {stride}]\n",
            "tdpbf16ps tmm5, tmm6, tmm7\n",
            $each!("3"),
            part!("c", "", "tmm4"),
            $each!("4"),
            part!("b", "", "tmm3"),
            $each!("5"),
            part!("d", " + 1024", "tmm5"),
            $each!("6"),
            part!("c", " + 1024", "tmm4"),
            $each!("7"),
            part!("b", " + 1024", "tmm3"),
            $each!("8"),
            "tileloadd tmm7, [{a} + {stride}]\n",
            "tdpbf16ps tmm0, tmm6, tmm7\n",
            $each!("9"),
            part!("c", " + 1024", "tmm1"),
            $each!("10"),
            part!("d", " + 1024", "tmm2"),
            $each!("11"),
            "tileloadd tmm7, [{a} + {stride} + 1024]\n",
            part!("b", "", "tmm0"),
            $each!("12"),
            part!("c", "", "tmm1"),
            $each!("13"),
            part!("d", "", "tmm2"),
            $each!("14"),
            "tileloadd tmm7, [{e} + {stride} + 1024]\n",
            "tdpbf16ps tmm5, tmm6, tmm7\n",
            $each!("15"),
            part!("c", "", "tmm4"),
            part!("b", "", "tmm3"),
        )
    };
    // A tile of rows, and its product with the weights that were loaded.
    ($from:literal, $half:literal, $sum:literal) => {
        concat!("tileloadd tmm6, [{", $from, "} + {stride}", $half, "]\ntdpbf16ps ", $sum, ", tmm6, tmm7\n")
    };
}

/// Adds to sums [output tile][register] of [row][output], of 32 outputs and three tiles of rows, what all inputs give: `rows` are
/// [register][part] of [row][input], `weights` [output tile][part] of pairs [input pair][output].
pub(super) unsafe fn add_products(
    rows: &[Split],
    weights: &[Split],
    parts: usize,
    ahead: Option<&[Split]>,
    sums: &mut [Tile],
) {
    macro_rules! added {
        ($each:ident, $ahead:expr) => {
            asm!(
                "tileloadd tmm0, [{out} + {stride}]",
                "tileloadd tmm1, [{out} + {stride} + 1024]",
                "tileloadd tmm2, [{out} + {stride} + 2048]",
                "tileloadd tmm3, [{out} + {stride} + 3072]",
                "tileloadd tmm4, [{out} + {stride} + 4096]",
                "tileloadd tmm5, [{out} + {stride} + 5120]",
                "2:",
                part!($each),
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
    // SAFETY: the caller's; memory may be asked for anything.
    unsafe {
        match ahead {
            Some(ahead) => added!(ask, ahead),
            None => added!(nothing, weights),
        }
    }
}
