//! Which of a kernel's forms a processor executes: one function, compiled for AVX-512, for AVX2, and for any processor.

/// Returns the fastest form from the function that it stands in: of these arguments, for AVX-512, for AVX2, for any processor. What it
/// returns may be called, since the processor has what it needs.
macro_rules! fastest {
    (($($argument:ident: $type:ty),*), $avx512:expr, $avx2:expr, $any:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f")]
            fn avx512($($argument: $type),*) {
                $avx512($($argument),*);
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) {
                $avx2($($argument),*);
            }
            if is_x86_feature_detected!("avx512f") {
                return avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return avx2;
            }
        }
        $any
    }};
}
pub(super) use fastest;
