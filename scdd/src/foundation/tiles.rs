//! Products of tiles of bfloat16, Intel's AMX, for sums of f32.
//!
//! A number is its nearest bfloat16 and, as another one, what is left: x = h + l within 2^-17 of it. Of
//! x y = h h' + h l' + l h' + l l' the last product is left out, as small as what two bfloat16s don't hold. Sums are in f32. So
//! results are those of f32 within about two millionths, in three products that each take a sixteenth of the time.

use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::OnceLock;

/// Rows, and columns of numbers or of pairs, of a tile.
pub(super) const TILE: usize = 16;
/// Terms of a sum that one multiplication of tiles adds.
pub(super) const DEPTH: usize = 32;

/// How far sums of halves may be from those of f32, times the lengths of both factors: of either number of a product 2^-17 is left
/// out, and 2^-16 with the halves that are not multiplied.
pub(super) const HALVES: f32 = 1.0 / 32_768.0;

/// A tile: 16 rows of 32 bfloat16s, or of 16 f32s.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile(pub(super) [u32; TILE * TILE]);

impl Tile {
    pub(super) const ZERO: Self = Self([0; TILE * TILE]);

    fn row(&mut self, number: usize) -> *mut __m512i {
        self.0[number * TILE..][..TILE].as_mut_ptr().cast()
    }
}

/// The nearest bfloat16s, and those of what is left.
pub(super) type Split = [Tile; 2];

/// Whether the processor has the tiles and the system lets this process use them.
pub(super) fn has_tiles() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        // Bits of CPUID's leaf 7: AMX-BF16, AMX-TILE.
        let tiles = 1 << 22 | 1 << 24;
        vectors && __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & tiles == tiles && permitted()
    })
}

/// Asks Linux for the registers of tiles, which a process has only once it has asked.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    /// arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)
    const NUMBERS: [i64; 3] = [158, 0x1023, 18];
    let answer: i64;
    // SAFETY: the call changes nothing but which registers this process may use; it refuses where there are none.
    unsafe {
        asm!("syscall", inlateout("rax") NUMBERS[0] => answer, in("rdi") NUMBERS[1], in("rsi") NUMBERS[2], out("rcx") _, out("r11") _);
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// Splits 32 numbers into a row of a tile.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn split_row(numbers: &[f32; DEPTH], row: usize, split: &mut Split) {
    // SAFETY: there are 32 numbers, and rows of 64 bytes.
    unsafe {
        let [high, low] = halves(_mm512_loadu_ps(numbers.as_ptr()), _mm512_loadu_ps(numbers.as_ptr().add(TILE)));
        _mm512_store_si512(split[0].row(row), high);
        _mm512_store_si512(split[1].row(row), low);
    }
}

/// Splits 16 numbers of each of up to 32 rows into a tile of their pairs: a row of two rows, number by number. Rows that are not
/// there are zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn split_pairs<T>(rows: &[T], numbers: impl Fn(&T) -> &[f32; TILE], split: &mut Split) {
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
        16, 0,
    );
    let mut put = |pair: usize, first: &[f32; TILE], second: &[f32; TILE]| {
        // SAFETY: there are 16 numbers, and rows of 64 bytes.
        unsafe {
            let [high, low] = halves(_mm512_loadu_ps(first.as_ptr()), _mm512_loadu_ps(second.as_ptr()));
            _mm512_store_si512(split[0].row(pair), _mm512_permutexvar_epi16(order, high));
            _mm512_store_si512(split[1].row(pair), _mm512_permutexvar_epi16(order, low));
        }
    };
    if let Some(rows) = rows.first_chunk::<DEPTH>() {
        for (pair, [first, second]) in rows.as_chunks::<2>().0.iter().enumerate() {
            put(pair, numbers(first), numbers(second));
        }
        return;
    }
    let none = [0.0; TILE];
    for pair in 0..TILE {
        let row = |place: usize| rows.get(place).map_or(&none, &numbers);
        put(pair, row(2 * pair), row(2 * pair + 1));
    }
}

/// The nearest bfloat16s of 16 and 16 numbers one behind the other, and those of what is left.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn halves(first: __m512, second: __m512) -> [__m512i; 2] {
    let near = |first, second| {
        // SAFETY: both are 64 bytes of numbers.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
    };
    let wide = |half: __m256i| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
    let high = near(first, second);
    let first = _mm512_sub_ps(first, wide(_mm512_castsi512_si256(high)));
    let second = _mm512_sub_ps(second, wide(_mm512_extracti64x4_epi64::<1>(high)));
    [high, near(first, second)]
}

/// Rows of a tile to columns, by 32 bits.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(tile: &mut Tile) {
    let mut rows = [_mm512_setzero_si512(); TILE];
    for (number, row) in rows.iter_mut().enumerate() {
        // SAFETY: rows of 64 bytes.
        *row = unsafe { _mm512_load_si512(tile.row(number)) };
    }
    // Pairs of rows, then fours, then halves and quarters of registers change places.
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
        // SAFETY: rows of 64 bytes.
        unsafe { _mm512_store_si512(tile.row(number), row) };
    }
}

/// Eight tiles of 16 rows of 64 bytes.
pub(super) fn configure() {
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);
    let mut configuration = Configuration([0; 64]);
    configuration.0[0] = 1;
    for tile in 0..8 {
        configuration.0[16 + 2 * tile] = 64;
        configuration.0[48 + tile] = TILE as u8;
    }
    // SAFETY: only where there are tiles.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &configuration, options(nostack)) };
}

pub(super) fn release() {
    // SAFETY: only where there are tiles.
    unsafe { asm!("tilerelease", options(nostack)) };
}
