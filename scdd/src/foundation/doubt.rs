//! Sums `w_g . x_i + b_g` whose side of zero is in doubt, settled in f32: slopes jump at zero, and must be ones that sums of f32 have,
//! whatever kernel made the sums (`gene_sums.rs`).

use super::packed::PackedWeights;
use super::sides::{near_zero, places};

/// Rows `[rows, units]`, weights `[genes, units]`, and how near to zero a sum of theirs is in doubt.
pub(super) struct Doubt<'a> {
    rows: &'a [f32],
    weights: &'a PackedWeights,
    /// How much each row's sums may be wrong, for weights of length one; and zeros for what is behind the last row.
    slack: Vec<f32>,
}

impl<'a> Doubt<'a> {
    /// For sums that may be wrong by `slack` times the lengths of both factors; None where there is no doubt.
    pub(super) fn new(slack: f32, rows: &'a [f32], weights: &'a PackedWeights) -> Option<Self> {
        (slack > 0.0).then(|| {
            let length = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
            let each = rows.chunks_exact(weights.width().max(1)).map(|row| slack * length(row));
            let behind = [0.0; u64::BITS as usize];
            Self { rows, weights, slack: each.chain(behind).collect() }
        })
    }

    /// Of a gene, what rows from `first` on have of it.
    pub(super) fn settle_gene(&self, gene: usize, first: usize, bias: f32, sums: &mut [f32]) {
        let slack = &self.slack[first..][..sums.len()];
        for place in places(near_zero(sums, bias, slack, self.weights.lengths()[gene])) {
            sums[place] = self.again(first + place, gene);
        }
    }

    /// Of all genes and rows, `[rows, genes]`.
    pub(super) fn settle_rows(&self, bias: &[f32], sums: &mut [f32]) {
        for (row, (sums, slack)) in sums.chunks_exact_mut(bias.len().max(1)).zip(&self.slack).enumerate() {
            for (gene, (sum, (bias, length))) in
                sums.iter_mut().zip(bias.iter().zip(self.weights.lengths())).enumerate()
            {
                if (*sum + bias).abs() <= slack * length {
                    *sum = self.again(row, gene);
                }
            }
        }
    }

    fn again(&self, row: usize, gene: usize) -> f32 {
        let width = self.weights.width();
        self.weights.times_gene(&self.rows[row * width..][..width], gene)
    }
}
