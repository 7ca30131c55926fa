//! Random numbers of tests from a seed, and sums to compare with.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::csr::{Csr, CsrView};

/// All cases, or the first few under Miri, which is some thousand times slower.
pub(crate) fn cases<Case>(all: impl IntoIterator<Item = Case>, few: usize) -> impl Iterator<Item = Case> {
    all.into_iter().take(if cfg!(miri) { few } else { usize::MAX })
}

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Values between -1 and 1.
pub(crate) fn draw(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Sparse rows, from empty ones to full ones.
pub(crate) fn random_rows(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Csr {
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for _ in 0..rows {
        let density = rng.random::<f64>().powi(3);
        let of_row: Vec<u32> = (0..columns as u32).filter(|_| rng.random::<f64>() < density).collect();
        values.extend(draw(of_row.len(), rng));
        indices.extend(of_row);
        indptr.push(indices.len() as u64);
    }
    Csr::new(columns, indptr, indices, values).unwrap()
}

/// The sum of a sparse row's values times weights by column in f64, and how far f32 may be from it.
pub(crate) fn plain_sum(rows: CsrView, row: usize, weight: impl Fn(usize) -> f32) -> (f64, f64) {
    let terms = rows
        .entries(row)
        .map(|entry| f64::from(rows.values()[entry]) * f64::from(weight(rows.indices()[entry] as usize)));
    terms.fold((0.0, 1e-6), |(sum, bound), term| (sum + term, bound + 1e-6 * term.abs()))
}
