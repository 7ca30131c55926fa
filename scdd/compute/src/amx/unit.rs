//! Intel's AMX as a [`TileUnit`]: a witness that the processor has it and the system lets this process use it.

use std::arch::asm;
use std::arch::x86_64::*;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::kernel;
use super::tile::{DEPTH, SplitTile, Sums, TILE, Tile, TileProducts, TileUnit};
use crate::cpu::amx_masked;

/// Says that the processor has AMX-BF16 and AVX-512 BF16, and that this process may use tiles. Made by [`Amx::detect`] only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amx(());

/// Tiles that are configured on this thread; released on drop, also when a panic unwinds.
pub(crate) struct ConfiguredTiles {
    /// Tiles belong to a thread.
    not_send: PhantomData<*const ()>,
}

impl Amx {
    /// Where there is AMX that may be used.
    pub(crate) fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        let found = *FOUND.get_or_init(|| {
            let vectors = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512bf16");
            // Bits of CPUID's leaf 7: AMX-BF16, AMX-TILE.
            let tiles = 1 << 22 | 1 << 24;
            vectors && __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & tiles == tiles && !amx_masked() && permitted()
        });
        found.then_some(Self(()))
    }
}

/// Asks Linux for the tile registers, which a process has only once it has asked.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XTILEDATA: libc::c_long = 18;
    // SAFETY: the call changes nothing but which registers this process may use; it refuses where there are none.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

impl TileUnit for Amx {
    type Ready = ConfiguredTiles;

    fn split_row(self, values: &[f32; DEPTH], row: usize, split: &mut SplitTile) {
        // SAFETY: an `Amx` exists only where the processor has AVX-512 F, BW and BF16.
        unsafe { split_row(values, row, split) }
    }

    fn split_pairs(self, rows: &[[f32; TILE]; DEPTH], split: &mut SplitTile) {
        // SAFETY: likewise.
        unsafe { split_pairs(rows, split) }
    }

    fn transpose(self, tile: &mut Tile) {
        // SAFETY: likewise.
        unsafe { transpose(tile) }
    }

    fn ready(self) -> ConfiguredTiles {
        /// Palette 1, eight tiles of 16 rows of 64 bytes.
        #[repr(C, align(64))]
        struct Configuration([u8; 64]);
        let mut configuration = Configuration([0; 64]);
        configuration.0[0] = 1;
        for tile in 0..8 {
            configuration.0[16 + 2 * tile] = 64;
            configuration.0[48 + tile] = TILE as u8;
        }
        // SAFETY: an `Amx` exists only where there are tiles that may be used; the configuration is a valid one of 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &configuration, options(nostack)) };
        ConfiguredTiles { not_send: PhantomData }
    }
}

impl TileProducts for ConfiguredTiles {
    fn add_products(&self, rows: &[SplitTile], weights: &[SplitTile], ahead: Option<&[SplitTile]>, sums: &mut Sums) {
        // SAFETY: configured tiles exist only where there is AMX, on the thread that configured them.
        unsafe { kernel::add_products(rows, weights, ahead, sums) }
    }
}

impl Drop for ConfiguredTiles {
    fn drop(&mut self) {
        // SAFETY: configured tiles exist only where there is AMX.
        unsafe { asm!("tilerelease", options(nostack)) };
    }
}

impl Tile {
    fn row(&mut self, number: usize) -> *mut __m512i {
        self.0[number * TILE..][..TILE].as_mut_ptr().cast()
    }
}

/// Splits 32 values into a row of both tiles.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn split_row(values: &[f32; DEPTH], row: usize, split: &mut SplitTile) {
    // SAFETY: there are 32 values to load, and a row of a tile has 64 bytes, aligned.
    unsafe {
        let [high, low] = high_low(_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(TILE)));
        _mm512_store_si512(split[0].row(row), high);
        _mm512_store_si512(split[1].row(row), low);
    }
}

/// Splits 16 columns of up to 32 rows into tiles of pairs: a tile's row interleaves two rows, as AMX takes its second factor.
/// Missing rows are zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn split_pairs(rows: &[[f32; TILE]; DEPTH], split: &mut SplitTile) {
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
        16, 0,
    );
    for (pair, [first, second]) in rows.as_chunks::<2>().0.iter().enumerate() {
        // SAFETY: there are 16 values in each row, and a row of a tile has 64 bytes, aligned.
        unsafe {
            let [high, low] = high_low(_mm512_loadu_ps(first.as_ptr()), _mm512_loadu_ps(second.as_ptr()));
            _mm512_store_si512(split[0].row(pair), _mm512_permutexvar_epi16(order, high));
            _mm512_store_si512(split[1].row(pair), _mm512_permutexvar_epi16(order, low));
        }
    }
}

/// The bf16 nearest to each of 16 and 16 values, and those nearest to the remainders.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn high_low(first: __m512, second: __m512) -> [__m512i; 2] {
    let nearest = |first, second| {
        // SAFETY: both types are 64 bytes in which every bit pattern is a value.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
    };
    let widened = |bf16: __m256i| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bf16)));
    let high = nearest(first, second);
    let first = _mm512_sub_ps(first, widened(_mm512_castsi512_si256(high)));
    let second = _mm512_sub_ps(second, widened(_mm512_extracti64x4_epi64::<1>(high)));
    [high, nearest(first, second)]
}

/// Transposes a tile of 16 x 16 values of 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(tile: &mut Tile) {
    let mut rows = [_mm512_setzero_si512(); TILE];
    for (number, row) in rows.iter_mut().enumerate() {
        // SAFETY: a row of a tile has 64 bytes, aligned.
        *row = unsafe { _mm512_load_si512(tile.row(number)) };
    }
    // Swaps pairs of rows, then fours, then halves and quarters of registers.
    let mut by = rows;
    for pair in 0..TILE / 2 {
        by[2 * pair] = _mm512_unpacklo_epi32(rows[2 * pair], rows[2 * pair + 1]);
        by[2 * pair + 1] = _mm512_unpackhi_epi32(rows[2 * pair], rows[2 * pair + 1]);
    }
    for four in (0..TILE).step_by(4) {
        for half in 0..2 {
            rows[four + 2 * half] = _mm512_unpacklo_epi64(by[four + half], by[four + 2 + half]);
            rows[four + 2 * half + 1] = _mm512_unpackhi_epi64(by[four + half], by[four + 2 + half]);
        }
    }
    // rows[4 f + c] now has columns c, 4 + c, 8 + c and 12 + c of rows 4 f to 4 f + 3.
    for column in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|four| rows[four + column]);
        let (ab_low, cd_low) =
            (_mm512_shuffle_i32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d));
        let (ab_high, cd_high) =
            (_mm512_shuffle_i32x4::<0b11_01_11_01>(a, b), _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d));
        by[column] = _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_low, cd_low);
        by[column + 8] = _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_low, cd_low);
        by[column + 4] = _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_high, cd_high);
        by[column + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_high, cd_high);
    }
    for (number, row) in by.into_iter().enumerate() {
        // SAFETY: a row of a tile has 64 bytes, aligned.
        unsafe { _mm512_store_si512(tile.row(number), row) };
    }
}
