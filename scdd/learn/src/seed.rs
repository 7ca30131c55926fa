//! Random streams: one seed decides everything, and each use of randomness draws from a ChaCha8 stream of its own, named
//! after its purpose.

use rand::SeedableRng;
pub use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The default seed of everything that draws random numbers.
pub const DEFAULT_SEED: u64 = 7;

/// A random stream for one purpose. Streams of different purposes or seeds are independent, and adding a
/// use of randomness in one place does not change what another place draws.
///
/// ```
/// use rand::RngExt;
/// let mut a = scdd_learn::seed::stream(7, "split");
/// let mut b = scdd_learn::seed::stream(7, "split");
/// assert_eq!(a.random::<u64>(), b.random::<u64>());
/// ```
pub fn stream(seed: u64, purpose: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, purpose))
}

/// A seed for one purpose, for libraries that take a number.
pub fn number(seed: u64, purpose: &str) -> u64 {
    let digest = digest(seed, purpose);
    u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
}

fn digest(seed: u64, purpose: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(purpose.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn purposes_and_seeds_give_different_streams() {
        assert_ne!(super::number(7, "split"), super::number(7, "codes"));
        assert_ne!(super::number(7, "split"), super::number(8, "split"));
    }
}
