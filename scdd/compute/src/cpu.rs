//! Instruction sets of the processor, found once, and the macro that compiles a loop for each of them.
//!
//! An [`Isa`] is a witness: one that is at hand says that the processor executes its instructions, so code that is compiled
//! for them can be called. The environment variable `SCDD_ISA` (`portable`, `avx2` or `avx512`) masks what is above it, AMX
//! included: to test and to time what other processors would do.

use std::sync::OnceLock;

/// The widest instruction set that a loop may use. Made by [`Isa::detect`] and [`Isa::available`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Level);

/// Instruction sets, from the narrowest registers to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the target has: SSE2 on x86-64, NEON on aarch64.
    Portable,
    /// AVX2 and FMA: registers of 8 numbers.
    Avx2,
    /// AVX-512F: registers of 16 numbers.
    Avx512,
}

impl Isa {
    /// For every processor.
    pub const PORTABLE: Self = Self(Level::Portable);

    /// The widest one that this processor has.
    pub fn detect() -> Self {
        static FOUND: OnceLock<Isa> = OnceLock::new();
        *FOUND.get_or_init(|| Self(supported().min(mask())))
    }

    /// All that this processor has, the narrowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let levels = [Level::Portable, Level::Avx2, Level::Avx512];
        levels.into_iter().filter(|level| *level <= Self::detect().0).map(Self)
    }

    /// This one or a narrower one: for a loop that wider registers do not make faster.
    pub fn at_most(self, level: Level) -> Self {
        Self(self.0.min(level))
    }

    /// Which one it is.
    pub fn level(self) -> Level {
        self.0
    }
}

fn supported() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if avx2 && is_x86_feature_detected!("avx512f") {
            return Level::Avx512;
        }
        if avx2 {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// The highest level that `SCDD_ISA` allows.
fn mask() -> Level {
    match std::env::var("SCDD_ISA").as_deref() {
        Ok("portable") => Level::Portable,
        Ok("avx2") => Level::Avx2,
        _ => Level::Avx512,
    }
}

/// Whether AMX is masked by `SCDD_ISA`.
#[cfg(target_arch = "x86_64")]
pub(crate) fn amx_masked() -> bool {
    std::env::var_os("SCDD_ISA").is_some()
}

/// Whether `a * b + c` is one instruction at the level [`Portable`](Level::Portable).
pub const PORTABLE_FMA: bool = cfg!(target_arch = "aarch64");

/// `factor * value + sum`, rounded once where `FUSED`. Without the instruction a fused one is a call of a function.
#[inline(always)]
pub fn multiply_add<const FUSED: bool>(factor: f32, value: f32, sum: f32) -> f32 {
    if FUSED { factor.mul_add(value, sum) } else { factor * value + sum }
}

/// Runs one of three functions, compiled for the instruction set of an [`Isa`]: for AVX-512, for AVX2 with FMA, and for any
/// processor. The functions must be `#[inline(always)]`, since only then are they compiled with the wider registers.
///
/// ```
/// use scdd_compute::{Isa, dispatch};
///
/// #[inline(always)]
/// fn double(values: &mut [f32]) {
///     values.iter_mut().for_each(|value| *value *= 2.0);
/// }
///
/// let mut values = [1.0, 2.0];
/// dispatch!(Isa::detect(), (values: &mut [f32] = &mut values), double, double, double);
/// assert_eq!(values, [2.0, 4.0]);
/// ```
#[macro_export]
macro_rules! dispatch {
    ($isa:expr, ($($argument:ident: $type:ty = $value:expr),* $(,)?), $avx512:expr, $avx2:expr, $portable:expr) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        fn avx512($($argument: $type),*) {
            $avx512($($argument),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2($($argument: $type),*) {
            $avx2($($argument),*)
        }
        match $crate::Isa::level($isa) {
            // SAFETY: an `Isa` of this level exists only where the processor has AVX-512F.
            #[cfg(target_arch = "x86_64")]
            $crate::Level::Avx512 => unsafe { avx512($($value),*) },
            // SAFETY: an `Isa` of this level exists only where the processor has AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            $crate::Level::Avx2 => unsafe { avx2($($value),*) },
            _ => $portable($($value),*),
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_set_is_always_there_and_the_detected_one_is_the_widest() {
        let all: Vec<_> = Isa::available().collect();
        assert_eq!(all.first(), Some(&Isa::PORTABLE));
        assert_eq!(all.last(), Some(&Isa::detect()));
        assert!(all.is_sorted());
    }

    #[test]
    fn every_instruction_set_runs_the_same_loop() {
        #[inline(always)]
        fn add(sums: &mut [f32], values: &[f32]) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        for isa in Isa::available() {
            let mut sums = [1.0; 19];
            dispatch!(isa, (sums: &mut [f32] = &mut sums, values: &[f32] = &[2.0; 19]), add, add, add);
            assert_eq!(sums, [3.0; 19]);
        }
    }
}
