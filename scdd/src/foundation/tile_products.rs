//! Both products of a crossing in tiles of bfloat16 (`tiles.rs`), in three multiplications of halves each. While tiles are
//! multiplied, memory may be asked for what is needed next.

use std::arch::asm;

use super::bridge_kernel::Lanes;
use super::tiles::{Split, TILE, Tile};

/// Asks memory for a sixteenth of the weights that are needed next, as far as the second cache, while tiles are multiplied. It
/// would wait otherwise for the processor, and then the processor for memory.
macro_rules! ask {
    ($number:literal) => {
        concat!(
            "prefetcht1 [{ahead} + 256 * ",
            $number,
            "]\n",
            "prefetcht1 [{ahead} + 256 * ",
            $number,
            " + 64]\n",
            "prefetcht1 [{ahead} + 256 * ",
            $number,
            " + 128]\n",
            "prefetcht1 [{ahead} + 256 * ",
            $number,
            " + 192]",
        )
    };
}

/// Asks for nothing.
macro_rules! nothing {
    ($number:literal) => {
        ""
    };
}

/// What [`genes_of_units`] does for each part, with or without asking.
macro_rules! genes_of_units {
    ($ask:ident, $ahead:expr, $weights:expr, $units:expr, $values:expr, $parts:expr) => {
        asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", "tilezero tmm4", "tilezero tmm5",
            "2:",
            "tileloadd tmm6, [{a} + {stride}]",
            "tileloadd tmm7, [{b} + {stride}]", "tdpbf16ps tmm0, tmm6, tmm7", $ask!("0"),
            "tileloadd tmm7, [{c} + {stride}]", "tdpbf16ps tmm1, tmm6, tmm7", $ask!("1"),
            "tileloadd tmm7, [{d} + {stride}]", "tdpbf16ps tmm2, tmm6, tmm7", $ask!("2"),
            "tileloadd tmm7, [{b} + {stride} + 1024]", "tdpbf16ps tmm0, tmm6, tmm7", $ask!("3"),
            "tileloadd tmm7, [{c} + {stride} + 1024]", "tdpbf16ps tmm1, tmm6, tmm7", $ask!("4"),
            "tileloadd tmm7, [{d} + {stride} + 1024]", "tdpbf16ps tmm2, tmm6, tmm7", $ask!("5"),
            "tileloadd tmm6, [{e} + {stride}]",
            "tileloadd tmm7, [{b} + {stride}]", "tdpbf16ps tmm3, tmm6, tmm7", $ask!("6"),
            "tileloadd tmm7, [{c} + {stride}]", "tdpbf16ps tmm4, tmm6, tmm7", $ask!("7"),
            "tileloadd tmm7, [{d} + {stride}]", "tdpbf16ps tmm5, tmm6, tmm7", $ask!("8"),
            "tileloadd tmm7, [{b} + {stride} + 1024]", "tdpbf16ps tmm3, tmm6, tmm7", $ask!("9"),
            "tileloadd tmm7, [{c} + {stride} + 1024]", "tdpbf16ps tmm4, tmm6, tmm7", $ask!("10"),
            "tileloadd tmm7, [{d} + {stride} + 1024]", "tdpbf16ps tmm5, tmm6, tmm7", $ask!("11"),
            "tileloadd tmm6, [{a} + {stride} + 1024]",
            "tileloadd tmm7, [{b} + {stride}]", "tdpbf16ps tmm0, tmm6, tmm7", $ask!("12"),
            "tileloadd tmm7, [{c} + {stride}]", "tdpbf16ps tmm1, tmm6, tmm7", $ask!("13"),
            "tileloadd tmm7, [{d} + {stride}]", "tdpbf16ps tmm2, tmm6, tmm7", $ask!("14"),
            "tileloadd tmm6, [{e} + {stride} + 1024]",
            "tileloadd tmm7, [{b} + {stride}]", "tdpbf16ps tmm3, tmm6, tmm7", $ask!("15"),
            "tileloadd tmm7, [{c} + {stride}]", "tdpbf16ps tmm4, tmm6, tmm7",
            "tileloadd tmm7, [{d} + {stride}]", "tdpbf16ps tmm5, tmm6, tmm7",
            "add {a}, 2048", "add {b}, 2048", "add {c}, 2048", "add {d}, 2048", "add {e}, 2048",
            "add {ahead}, 4096",
            "dec {parts}",
            "jnz 2b",
            "tilestored [{out} + {wide}], tmm0",
            "tilestored [{out} + {wide} + 64], tmm1",
            "tilestored [{out} + {wide} + 128], tmm2",
            "tilestored [{out} + {wide} + 3072], tmm3",
            "tilestored [{out} + {wide} + 3136], tmm4",
            "tilestored [{out} + {wide} + 3200], tmm5",
            a = inout(reg) $weights.as_ptr() => _,
            e = inout(reg) $weights.as_ptr().byte_add($parts * size_of::<Split>()) => _,
            b = inout(reg) $units.as_ptr() => _,
            c = inout(reg) $units.as_ptr().byte_add($parts * size_of::<Split>()) => _,
            d = inout(reg) $units.as_ptr().byte_add(2 * $parts * size_of::<Split>()) => _,
            ahead = inout(reg) $ahead.as_ptr() => _,
            parts = inout(reg) $parts => _,
            stride = in(reg) 64_usize,
            out = in(reg) $values.as_mut_ptr(),
            wide = in(reg) size_of::<Lanes<TILE>>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// Sums of 32 genes over all units, for three tiles of rows: `weights` are [gene tile][part] of [gene][unit], `units` [register]
/// [part] of pairs [unit pair][row].
pub(super) unsafe fn genes_of_units(
    weights: &[Split],
    units: &[Split],
    parts: usize,
    ahead: Option<&[Split]>,
    values: &mut [Lanes<TILE>],
) {
    // SAFETY: the caller's; memory may be asked for anything.
    unsafe {
        match ahead {
            Some(ahead) => genes_of_units!(ask, ahead, weights, units, values, parts),
            None => genes_of_units!(nothing, weights, weights, units, values, parts),
        }
    }
}

/// What [`units_of_genes`] does for each part, with or without asking.
macro_rules! units_of_genes {
    ($ask:ident, $ahead:expr, $values:expr, $weights:expr, $sums:expr, $parts:expr) => {
        asm!(
            "tileloadd tmm0, [{out} + {stride}]",
            "tileloadd tmm1, [{out} + {stride} + 1024]",
            "tileloadd tmm2, [{out} + {stride} + 2048]",
            "tileloadd tmm3, [{out} + {stride} + 3072]",
            "tileloadd tmm4, [{out} + {stride} + 4096]",
            "tileloadd tmm5, [{out} + {stride} + 5120]",
            "2:",
            "tileloadd tmm7, [{a} + {stride}]",
            "tileloadd tmm6, [{b} + {stride}]", "tdpbf16ps tmm0, tmm6, tmm7", $ask!("0"),
            "tileloadd tmm6, [{c} + {stride}]", "tdpbf16ps tmm1, tmm6, tmm7", $ask!("1"),
            "tileloadd tmm6, [{d} + {stride}]", "tdpbf16ps tmm2, tmm6, tmm7", $ask!("2"),
            "tileloadd tmm6, [{b} + {stride} + 1024]", "tdpbf16ps tmm0, tmm6, tmm7", $ask!("3"),
            "tileloadd tmm6, [{c} + {stride} + 1024]", "tdpbf16ps tmm1, tmm6, tmm7", $ask!("4"),
            "tileloadd tmm6, [{d} + {stride} + 1024]", "tdpbf16ps tmm2, tmm6, tmm7", $ask!("5"),
            "tileloadd tmm7, [{e} + {stride}]",
            "tileloadd tmm6, [{b} + {stride}]", "tdpbf16ps tmm3, tmm6, tmm7", $ask!("6"),
            "tileloadd tmm6, [{c} + {stride}]", "tdpbf16ps tmm4, tmm6, tmm7", $ask!("7"),
            "tileloadd tmm6, [{d} + {stride}]", "tdpbf16ps tmm5, tmm6, tmm7", $ask!("8"),
            "tileloadd tmm6, [{b} + {stride} + 1024]", "tdpbf16ps tmm3, tmm6, tmm7", $ask!("9"),
            "tileloadd tmm6, [{c} + {stride} + 1024]", "tdpbf16ps tmm4, tmm6, tmm7", $ask!("10"),
            "tileloadd tmm6, [{d} + {stride} + 1024]", "tdpbf16ps tmm5, tmm6, tmm7", $ask!("11"),
            "tileloadd tmm7, [{a} + {stride} + 1024]",
            "tileloadd tmm6, [{b} + {stride}]", "tdpbf16ps tmm0, tmm6, tmm7", $ask!("12"),
            "tileloadd tmm6, [{c} + {stride}]", "tdpbf16ps tmm1, tmm6, tmm7", $ask!("13"),
            "tileloadd tmm6, [{d} + {stride}]", "tdpbf16ps tmm2, tmm6, tmm7", $ask!("14"),
            "tileloadd tmm7, [{e} + {stride} + 1024]",
            "tileloadd tmm6, [{b} + {stride}]", "tdpbf16ps tmm3, tmm6, tmm7", $ask!("15"),
            "tileloadd tmm6, [{c} + {stride}]", "tdpbf16ps tmm4, tmm6, tmm7",
            "tileloadd tmm6, [{d} + {stride}]", "tdpbf16ps tmm5, tmm6, tmm7",
            "add {a}, 2048", "add {b}, 2048", "add {c}, 2048", "add {d}, 2048", "add {e}, 2048",
            "add {ahead}, 4096",
            "dec {parts}",
            "jnz 2b",
            "tilestored [{out} + {stride}], tmm0",
            "tilestored [{out} + {stride} + 1024], tmm1",
            "tilestored [{out} + {stride} + 2048], tmm2",
            "tilestored [{out} + {stride} + 3072], tmm3",
            "tilestored [{out} + {stride} + 4096], tmm4",
            "tilestored [{out} + {stride} + 5120], tmm5",
            a = inout(reg) $weights.as_ptr() => _,
            e = inout(reg) $weights.as_ptr().byte_add($parts * size_of::<Split>()) => _,
            b = inout(reg) $values.as_ptr() => _,
            c = inout(reg) $values.as_ptr().byte_add($parts * size_of::<Split>()) => _,
            d = inout(reg) $values.as_ptr().byte_add(2 * $parts * size_of::<Split>()) => _,
            ahead = inout(reg) $ahead.as_ptr() => _,
            parts = inout(reg) $parts => _,
            stride = in(reg) 64_usize,
            out = in(reg) $sums.as_mut_ptr(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// Adds to sums [unit tile][register] of [row][unit], of 32 units and three tiles of rows, what all genes give: `values` are
/// [register][part] of [row][gene], `weights` [unit tile][part] of pairs [gene pair][unit].
pub(super) unsafe fn units_of_genes(
    values: &[Split],
    weights: &[Split],
    parts: usize,
    ahead: Option<&[Split]>,
    sums: &mut [Tile],
) {
    // SAFETY: the caller's; memory may be asked for anything.
    unsafe {
        match ahead {
            Some(ahead) => units_of_genes!(ask, ahead, values, weights, sums, parts),
            None => units_of_genes!(nothing, weights, values, weights, sums, parts),
        }
    }
}
