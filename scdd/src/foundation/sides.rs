//! On which side of zero sums of a gene are (`bridge.rs`), a bit for each row of a block.

/// Adds a bias to the sums of a gene, and gives a bit for each that is above zero then.
#[inline]
pub(super) fn above_zero(sums: &mut [f32], bias: f32) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && sums.len().is_multiple_of(16) {
        // SAFETY: the processor has what is needed.
        return unsafe { above_zero_avx512(sums, bias) };
    }
    let mut bits = 0;
    for (place, sum) in sums.iter_mut().enumerate() {
        *sum += bias;
        bits |= u64::from(*sum > 0.0) << place;
    }
    bits
}

/// A bit for each sum of a gene that is, with its bias, as near to zero as its row's slack times the weights' length.
#[inline]
pub(super) fn near_zero(sums: &[f32], bias: f32, slack: &[f32], length: f32) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && sums.len().is_multiple_of(16) {
        // SAFETY: the processor has what is needed.
        return unsafe { near_zero_avx512(sums, bias, slack, length) };
    }
    let near = sums.iter().zip(slack).map(|(sum, slack)| (sum + bias).abs() < slack * length);
    near.enumerate().map(|(place, near)| u64::from(near) << place).sum()
}

/// The places of the bits that are set.
pub(super) fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            place
        })
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn above_zero_avx512(sums: &mut [f32], bias: f32) -> u64 {
    use std::arch::x86_64::*;
    let mut bits = 0;
    for (number, sums) in sums.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // SAFETY: there are 16 numbers.
        unsafe {
            let sum = _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), _mm512_set1_ps(bias));
            _mm512_storeu_ps(sums.as_mut_ptr(), sum);
            bits |= u64::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(sum, _mm512_setzero_ps())) << (16 * number);
        }
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn near_zero_avx512(sums: &[f32], bias: f32, slack: &[f32], length: f32) -> u64 {
    use std::arch::x86_64::*;
    let mut bits = 0;
    for (number, (sums, slack)) in sums.as_chunks::<16>().0.iter().zip(slack.as_chunks::<16>().0).enumerate() {
        // SAFETY: there are 16 numbers.
        let (sums, slack) = unsafe { (_mm512_loadu_ps(sums.as_ptr()), _mm512_loadu_ps(slack.as_ptr())) };
        let sum = _mm512_abs_ps(_mm512_add_ps(sums, _mm512_set1_ps(bias)));
        let near = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(sum, _mm512_mul_ps(slack, _mm512_set1_ps(length)));
        bits |= u64::from(near) << (16 * number);
    }
    bits
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    #[test]
    fn bits_are_those_of_plain_comparisons_at_any_length() {
        let mut rng = seed::stream(3, "test");
        for length in [1, 4, 12, 24, 48] {
            let mut draw = || (0..length).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (sums, slack) = (draw(), draw());
            let near = places(near_zero(&sums, 0.1, &slack, 0.7));
            let plain = (0..length).filter(|&place| (sums[place] + 0.1).abs() < slack[place] * 0.7);
            assert_eq!(near.collect::<Vec<_>>(), plain.collect::<Vec<_>>());
            let mut moved = sums.clone();
            let above = places(above_zero(&mut moved, 0.1));
            let plain = (0..length).filter(|&place| sums[place] + 0.1 > 0.0);
            assert_eq!(above.collect::<Vec<_>>(), plain.collect::<Vec<_>>());
            assert!(moved.iter().zip(&sums).all(|(moved, sum)| *moved == sum + 0.1));
        }
    }
}
