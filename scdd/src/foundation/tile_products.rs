//! Both products of a crossing in tiles of bfloat16 (`tiles.rs`), in three multiplications of halves each.
//!
//! A multiplication takes one tile more than the one before has loaded, and while tiles are multiplied the next weights are
//! taken apart and those behind them are asked of memory: where others use the processor's unit for tiles too, each load costs
//! as much as a multiplication.

use std::arch::asm;
use std::arch::x86_64::__m512i;

use super::bridge_kernel::Lanes;
use super::split_weights::{DEPTHS, even_and_odd};
use super::tiles::{Split, TILE, Tile};

/// Weights of 32 genes and 32 units taken apart: two tiles of [gene][unit].
pub(super) type Apart = [Split; 2];

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

/// Takes a sixteenth of the next part's weights apart: of two pairs of genes, 16 units and the 16 behind them.
macro_rules! take_apart {
    ($number:literal) => {
        concat!(take_apart!($number, "", ""), take_apart!($number, " + 64", " + 128"))
    };
    ($number:literal, $pair:literal, $genes:literal) => {
        concat!(
            concat!("vmovdqa64 zmm0, [{from} + 128 * (", $number, " and 7) + 1024 * (", $number, " shr 3)", $pair, "]\n"),
            concat!("vmovdqa64 zmm1, [{from} + 128 * (", $number, " and 7) + 1024 * (", $number, " shr 3)", $pair, " + {tile}]\n"),
            "vmovdqa64 zmm2, zmm0\n",
            "vpermt2w zmm0, {even}, zmm1\n",
            "vpermt2w zmm2, {odd}, zmm1\n",
            concat!("vmovdqa64 [{to} + ", take_apart!(to $number), $genes, "], zmm0\n"),
            concat!("vmovdqa64 [{to} + ", take_apart!(to $number), $genes, " + 64], zmm2\n"),
        )
    };
    (to $number:literal) => {
        concat!("256 * (", $number, " and 3) + 2048 * (", $number, " shr 2 and 1) + 1024 * (", $number, " shr 3)")
    };
}

/// Both.
macro_rules! ask_and_take_apart {
    ($number:literal) => {
        concat!(ask!($number), take_apart!($number))
    };
}

/// Neither.
macro_rules! nothing {
    ($number:literal) => {
        ""
    };
}

/// Adds products of two tiles of weights with three of rows to six tiles, for one part. The sums of each tile are added in one
/// order: nearest with nearest, with what is left of rows, and what is left of weights.
macro_rules! part {
    ($each:ident, $weight:literal, $row:literal, $second:literal) => {
        concat!(
            concat!("tileloadd ", $weight, ", [{a} + {stride}]\n"),
            part!($row, "b", "", "tmm0"),
            $each!("0"),
            part!($row, "c", "", "tmm1"),
            $each!("1"),
            part!($row, "d", "", "tmm2"),
            $each!("2"),
            concat!("tileloadd ", $weight, ", [", $second, " + {stride}]\n"),
            "tdpbf16ps tmm5, tmm6, tmm7\n",
            $each!("3"),
            part!($row, "c", "", "tmm4"),
            $each!("4"),
            part!($row, "b", "", "tmm3"),
            $each!("5"),
            part!($row, "d", " + 1024", "tmm5"),
            $each!("6"),
            part!($row, "c", " + 1024", "tmm4"),
            $each!("7"),
            part!($row, "b", " + 1024", "tmm3"),
            $each!("8"),
            concat!("tileloadd ", $weight, ", [{a} + {stride}]\n"),
            "tdpbf16ps tmm0, tmm6, tmm7\n",
            $each!("9"),
            part!($row, "c", " + 1024", "tmm1"),
            $each!("10"),
            part!($row, "d", " + 1024", "tmm2"),
            $each!("11"),
            concat!("tileloadd ", $weight, ", [{a} + {stride} + 1024]\n"),
            part!($row, "b", "", "tmm0"),
            $each!("12"),
            part!($row, "c", "", "tmm1"),
            $each!("13"),
            part!($row, "d", "", "tmm2"),
            $each!("14"),
            concat!("tileloadd ", $weight, ", [", $second, " + {stride} + 1024]\n"),
            "tdpbf16ps tmm5, tmm6, tmm7\n",
            $each!("15"),
            part!($row, "c", "", "tmm4"),
            part!($row, "b", "", "tmm3"),
        )
    };
    // A tile of rows, and its product with the weights that were loaded.
    ($row:literal, $from:literal, $half:literal, $sum:literal) => {
        concat!("tileloadd ", $row, ", [{", $from, "} + {stride}", $half, "]\ntdpbf16ps ", $sum, ", tmm6, tmm7\n")
    };
}

/// Weights of 32 genes, from a block ([`SplitWeights::block`](super::split_weights::SplitWeights::block)).
#[derive(Clone, Copy)]
pub(super) enum GeneWeights<'a> {
    /// As they lie from the first of these genes on; each part is taken apart while the one before is multiplied.
    Lying(&'a [Split]),
    /// Each part as [`take_apart`] makes it, for those who take several blocks of rows over them.
    Apart(&'a [Apart]),
}

/// Takes a part's weights of 32 genes apart: `weights` begin with them.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn take_apart(weights: &[Split], apart: &mut Apart) {
    assert!(weights.len() > DEPTHS, "two tiles of units");
    let (even, odd): (__m512i, __m512i) = even_and_odd();
    // SAFETY: two tiles are read, one behind the other by a block's parts, and two are written.
    unsafe {
        asm!(
            take_apart!("0"), take_apart!("1"), take_apart!("2"), take_apart!("3"),
            take_apart!("4"), take_apart!("5"), take_apart!("6"), take_apart!("7"),
            take_apart!("8"), take_apart!("9"), take_apart!("10"), take_apart!("11"),
            take_apart!("12"), take_apart!("13"), take_apart!("14"), take_apart!("15"),
            from = in(reg) weights.as_ptr(),
            to = in(reg) apart,
            tile = const DEPTHS * size_of::<Split>(),
            even = in(zmm_reg) even,
            odd = in(zmm_reg) odd,
            out("zmm0") _, out("zmm1") _, out("zmm2") _,
            options(nostack),
        );
    }
}

/// Sums of 32 genes over all units, for three tiles of rows; `units` are [register][part] of pairs [unit pair][row].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn genes_of_units(
    weights: GeneWeights,
    units: &[Split],
    parts: usize,
    ahead: Option<&[Split]>,
    values: &mut [Lanes<TILE>],
) {
    macro_rules! made {
        ($each:ident, $weights:expr, $ahead:expr, [$($before:literal),*], [$($after:literal),*] $(, $operand:ident = $($kind:tt)*)?) => {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", "tilezero tmm4", "tilezero tmm5",
                "2:",
                $($before,)*
                part!($each, "tmm6", "tmm7", "{a} + 2048"),
                $($after,)*
                "add {b}, 2048", "add {c}, 2048", "add {d}, 2048",
                "add {ahead}, 4096",
                "dec {parts}",
                "jnz 2b",
                "tilestored [{out} + {wide}], tmm0",
                "tilestored [{out} + {wide} + 64], tmm1",
                "tilestored [{out} + {wide} + 128], tmm2",
                "tilestored [{out} + {wide} + 3072], tmm3",
                "tilestored [{out} + {wide} + 3136], tmm4",
                "tilestored [{out} + {wide} + 3200], tmm5",
                a = inout(reg) $weights => _,
                b = inout(reg) units.as_ptr() => _,
                c = inout(reg) units.as_ptr().add(parts) => _,
                d = inout(reg) units.as_ptr().add(2 * parts) => _,
                ahead = inout(reg) $ahead.as_ptr() => _,
                parts = inout(reg) parts => _,
                stride = in(reg) 64_usize,
                wide = in(reg) size_of::<Lanes<TILE>>(),
                out = in(reg) values.as_mut_ptr(),
                $($operand = $($kind)*)?
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            )
        };
    }
    // SAFETY: the caller's; memory may be asked for anything.
    unsafe {
        match (weights, ahead) {
            (GeneWeights::Lying(weights), ahead) => {
                let mut both = [[[Tile::ZERO; 2]; 2]; 2];
                take_apart(weights, &mut both[0]);
                let [this, next] = both.each_mut().map(std::ptr::from_mut::<Apart>);
                let (even, odd): (__m512i, __m512i) = even_and_odd();
                made!(
                    ask_and_take_apart,
                    this,
                    ahead.unwrap_or(weights),
                    // The last part takes itself apart again: behind it there may be nothing.
                    ["lea {behind}, [{from} + 2 * {tile}]", "cmp {parts}, 1", "cmovne {from}, {behind}"],
                    ["xchg {a}, {to}"],
                    from = inout(reg) weights.as_ptr() => _,
                    to = inout(reg) next => _,
                    behind = out(reg) _,
                    tile = const DEPTHS * size_of::<Split>(),
                    even = in(zmm_reg) even,
                    odd = in(zmm_reg) odd,
                    out("zmm0") _, out("zmm1") _, out("zmm2") _,
                )
            }
            (GeneWeights::Apart(apart), Some(ahead)) => made!(ask, apart.as_ptr(), ahead, [], ["add {a}, 4096"]),
            (GeneWeights::Apart(apart), None) => made!(nothing, apart.as_ptr(), apart, [], ["add {a}, 4096"]),
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
        ($each:ident, $ahead:expr) => {
            asm!(
                "tileloadd tmm0, [{out} + {stride}]",
                "tileloadd tmm1, [{out} + {stride} + 1024]",
                "tileloadd tmm2, [{out} + {stride} + 2048]",
                "tileloadd tmm3, [{out} + {stride} + 3072]",
                "tileloadd tmm4, [{out} + {stride} + 4096]",
                "tileloadd tmm5, [{out} + {stride} + 5120]",
                "2:",
                part!($each, "tmm7", "tmm6", "{e}"),
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
                b = inout(reg) values.as_ptr() => _,
                c = inout(reg) values.as_ptr().add(parts) => _,
                d = inout(reg) values.as_ptr().add(2 * parts) => _,
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
