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

/// Adds products of two tiles of weights with three of rows, part by part, to six tiles; both products do it, and differ in which
/// factor comes first, in where sums come from and in where they go. With or without asking.
macro_rules! products {
    (
        $ask:ident, $ahead:expr, $weights:expr, $rows:expr, $out:expr, $parts:expr,
        $weight:literal, $row:literal, [$($before:literal),*], [$($after:literal),*] $(, $operand:ident = $value:expr)*
    ) => {
        asm!(
            $($before,)*
            "2:",
            concat!("tileloadd ", $weight, ", [{a} + {stride}]"),
            products!($row, "b", "", "tmm0"), $ask!("0"),
            products!($row, "c", "", "tmm1"), $ask!("1"),
            products!($row, "d", "", "tmm2"), $ask!("2"),
            products!($row, "b", " + 1024", "tmm0"), $ask!("3"),
            products!($row, "c", " + 1024", "tmm1"), $ask!("4"),
            products!($row, "d", " + 1024", "tmm2"), $ask!("5"),
            concat!("tileloadd ", $weight, ", [{e} + {stride}]"),
            products!($row, "b", "", "tmm3"), $ask!("6"),
            products!($row, "c", "", "tmm4"), $ask!("7"),
            products!($row, "d", "", "tmm5"), $ask!("8"),
            products!($row, "b", " + 1024", "tmm3"), $ask!("9"),
            products!($row, "c", " + 1024", "tmm4"), $ask!("10"),
            products!($row, "d", " + 1024", "tmm5"), $ask!("11"),
            concat!("tileloadd ", $weight, ", [{a} + {stride} + 1024]"),
            products!($row, "b", "", "tmm0"), $ask!("12"),
            products!($row, "c", "", "tmm1"), $ask!("13"),
            products!($row, "d", "", "tmm2"), $ask!("14"),
            concat!("tileloadd ", $weight, ", [{e} + {stride} + 1024]"),
            products!($row, "b", "", "tmm3"), $ask!("15"),
            products!($row, "c", "", "tmm4"),
            products!($row, "d", "", "tmm5"),
            "add {a}, 2048", "add {b}, 2048", "add {c}, 2048", "add {d}, 2048", "add {e}, 2048",
            "add {ahead}, 4096",
            "dec {parts}",
            "jnz 2b",
            $($after,)*
            a = inout(reg) $weights.as_ptr() => _,
            e = inout(reg) $weights.as_ptr().byte_add($parts * size_of::<Split>()) => _,
            b = inout(reg) $rows.as_ptr() => _,
            c = inout(reg) $rows.as_ptr().byte_add($parts * size_of::<Split>()) => _,
            d = inout(reg) $rows.as_ptr().byte_add(2 * $parts * size_of::<Split>()) => _,
            ahead = inout(reg) $ahead.as_ptr() => _,
            parts = inout(reg) $parts => _,
            stride = in(reg) 64_usize,
            out = in(reg) $out.as_mut_ptr(),
            $($operand = in(reg) $value,)*
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
    // A tile of rows, and its product with the weights that were loaded.
    ($row:literal, $from:literal, $half:literal, $sum:literal) => {
        concat!("tileloadd ", $row, ", [{", $from, "} + {stride}", $half, "]\ntdpbf16ps ", $sum, ", tmm6, tmm7")
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
    macro_rules! made {
        ($ask:ident, $ahead:expr) => {
            products!(
                $ask,
                $ahead,
                weights,
                units,
                values,
                parts,
                "tmm6",
                "tmm7",
                ["tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", "tilezero tmm4", "tilezero tmm5"],
                [
                    "tilestored [{out} + {wide}], tmm0",
                    "tilestored [{out} + {wide} + 64], tmm1",
                    "tilestored [{out} + {wide} + 128], tmm2",
                    "tilestored [{out} + {wide} + 3072], tmm3",
                    "tilestored [{out} + {wide} + 3136], tmm4",
                    "tilestored [{out} + {wide} + 3200], tmm5"
                ],
                wide = size_of::<Lanes<TILE>>()
            )
        };
    }
    // SAFETY: the caller's; memory may be asked for anything.
    unsafe {
        match ahead {
            Some(ahead) => made!(ask, ahead),
            None => made!(nothing, weights),
        }
    }
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
    macro_rules! added {
        ($ask:ident, $ahead:expr) => {
            products!(
                $ask,
                $ahead,
                weights,
                values,
                sums,
                parts,
                "tmm7",
                "tmm6",
                [
                    "tileloadd tmm0, [{out} + {stride}]",
                    "tileloadd tmm1, [{out} + {stride} + 1024]",
                    "tileloadd tmm2, [{out} + {stride} + 2048]",
                    "tileloadd tmm3, [{out} + {stride} + 3072]",
                    "tileloadd tmm4, [{out} + {stride} + 4096]",
                    "tileloadd tmm5, [{out} + {stride} + 5120]"
                ],
                [
                    "tilestored [{out} + {stride}], tmm0",
                    "tilestored [{out} + {stride} + 1024], tmm1",
                    "tilestored [{out} + {stride} + 2048], tmm2",
                    "tilestored [{out} + {stride} + 3072], tmm3",
                    "tilestored [{out} + {stride} + 4096], tmm4",
                    "tilestored [{out} + {stride} + 5120], tmm5"
                ]
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
