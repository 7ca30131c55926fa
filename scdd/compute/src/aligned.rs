//! Values that begin at a cache line: reading them in vector registers never touches a second line. And prefetching.

use std::ops::Deref;

/// Bytes of a cache line.
const LINE: usize = 64;
/// Values of 4 bytes in a cache line.
pub(crate) const LINE_VALUES: usize = LINE / size_of::<f32>();

/// Values of which the first lies at a cache line.
#[derive(Debug)]
pub(crate) struct Aligned {
    values: Vec<f32>,
    begin: usize,
}

impl Aligned {
    pub(crate) fn zeros(length: usize) -> Self {
        let values = vec![0.0; length + LINE_VALUES];
        let begin = values.as_ptr().align_offset(LINE).min(values.len() - length);
        let mut aligned = Self { values, begin };
        aligned.values.truncate(begin + length);
        aligned
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.begin..]
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.begin..]
    }
}

/// Prefetches the cache line of a value into L1. Does nothing where there is no such instruction.
#[inline(always)]
pub(crate) fn prefetch<Value>(value: &Value) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and it changes nothing that the program sees.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cases;

    #[test]
    fn aligned_values_begin_at_a_line() {
        for length in cases([0, 1, 15, 16, 100_003], 4) {
            let mut aligned = Aligned::zeros(length);
            aligned.values_mut().fill(1.0);
            assert_eq!((aligned.as_ptr().align_offset(LINE), aligned.to_vec()), (0, vec![1.0; length]));
        }
    }
}
