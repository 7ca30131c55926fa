//! Bit masks of pre-activations: above zero, and near zero, a bit for each row of a block; and the positions of bits.

#[cfg(target_arch = "x86_64")]
use crate::cpu::{Isa, Level};

/// Adds a bias to the products of an output, in place; a bit for each pre-activation above zero.
#[inline]
pub(crate) fn above_zero(products: &mut [f32], bias: f32) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if Isa::detect().level() == Level::Avx512 && products.len().is_multiple_of(16) {
        // SAFETY: an `Isa` of this level exists only where the processor has AVX-512F.
        return unsafe { above_zero_avx512(products, bias) };
    }
    let mut bits = 0;
    for (row, product) in products.iter_mut().enumerate() {
        *product += bias;
        bits |= u64::from(*product > 0.0) << row;
    }
    bits
}

/// A bit for each pre-activation |product + bias| < bound * norm.
#[inline]
pub(crate) fn near_zero(products: &[f32], bias: f32, bounds: &[f32], norm: f32) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if Isa::detect().level() == Level::Avx512 && products.len().is_multiple_of(16) {
        // SAFETY: likewise.
        return unsafe { near_zero_avx512(products, bias, bounds, norm) };
    }
    let near = products.iter().zip(bounds).map(|(product, bound)| (product + bias).abs() < bound * norm);
    near.enumerate().map(|(row, near)| u64::from(near) << row).sum()
}

/// The positions of the bits that are set, the lowest first.
pub(crate) fn set_bits(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let position = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            position
        })
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn above_zero_avx512(products: &mut [f32], bias: f32) -> u64 {
    use std::arch::x86_64::*;
    let mut bits = 0;
    for (number, products) in products.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // SAFETY: 16 values are loaded and stored, as many as the array has.
        unsafe {
            let pre_activations = _mm512_add_ps(_mm512_loadu_ps(products.as_ptr()), _mm512_set1_ps(bias));
            _mm512_storeu_ps(products.as_mut_ptr(), pre_activations);
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(pre_activations, _mm512_setzero_ps());
            bits |= u64::from(above) << (16 * number);
        }
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn near_zero_avx512(products: &[f32], bias: f32, bounds: &[f32], norm: f32) -> u64 {
    use std::arch::x86_64::*;
    let mut bits = 0;
    for (number, (products, bounds)) in products.as_chunks::<16>().0.iter().zip(bounds.as_chunks::<16>().0).enumerate()
    {
        // SAFETY: 16 values are loaded of each, as many as the arrays have.
        let (products, bounds) = unsafe { (_mm512_loadu_ps(products.as_ptr()), _mm512_loadu_ps(bounds.as_ptr())) };
        let distances = _mm512_abs_ps(_mm512_add_ps(products, _mm512_set1_ps(bias)));
        let near = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(distances, _mm512_mul_ps(bounds, _mm512_set1_ps(norm)));
        bits |= u64::from(near) << (16 * number);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{draw, rng};

    #[test]
    fn positions_of_set_bits_come_in_ascending_order() {
        assert_eq!(set_bits(1 | 1 << 5 | 1 << 63).collect::<Vec<_>>(), [0, 5, 63]);
        assert_eq!(set_bits(0).count(), 0);
    }

    #[test]
    fn bits_are_those_of_plain_comparisons_at_any_length() {
        let mut rng = rng(3);
        for length in [1, 4, 12, 24, 48] {
            let (products, bounds) = (draw(length, &mut rng), draw(length, &mut rng));
            let near = set_bits(near_zero(&products, 0.1, &bounds, 0.7));
            let plain = (0..length).filter(|&row| (products[row] + 0.1).abs() < bounds[row] * 0.7);
            assert_eq!(near.collect::<Vec<_>>(), plain.collect::<Vec<_>>());
            let mut biased = products.clone();
            let above = set_bits(above_zero(&mut biased, 0.1));
            let plain = (0..length).filter(|&row| products[row] + 0.1 > 0.0);
            assert_eq!(above.collect::<Vec<_>>(), plain.collect::<Vec<_>>());
            assert!(biased.iter().zip(&products).all(|(biased, product)| *biased == product + 0.1));
        }
    }
}
