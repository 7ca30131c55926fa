//! Recomputes pre-activations w_g . x_i + b_g near zero in f32: slopes jump at zero, and a sign must be the one that f32 has,
//! whatever kernel made the products.

use crate::mask::{near_zero, set_bits};
use crate::packed::PackedMatrix;

/// Rows `[rows, inputs]`, weights `[outputs, inputs]`, and how far from zero a pre-activation's sign is uncertain.
pub(crate) struct NearZero<'a> {
    rows: &'a [f32],
    weights: &'a PackedMatrix,
    /// The error bound of each row's products with weights of L2 norm one; then zeros for padding.
    bounds: Vec<f32>,
}

impl<'a> NearZero<'a> {
    /// For products that may be wrong by `error_bound` times the L2 norms of both factors; None where they are f32's.
    pub(crate) fn new(error_bound: f32, rows: &'a [f32], weights: &'a PackedMatrix) -> Option<Self> {
        (error_bound > 0.0).then(|| {
            let norm = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
            let each = rows.chunks_exact(weights.columns().max(1)).map(|row| error_bound * norm(row));
            let padding = [0.0; u64::BITS as usize];
            Self { rows, weights, bounds: each.chain(padding).collect() }
        })
    }

    /// One output's products, of the rows from `first` on.
    pub(crate) fn recompute_output(&self, output: usize, first: usize, bias: f32, products: &mut [f32]) {
        let bounds = &self.bounds[first..][..products.len()];
        for row in set_bits(near_zero(products, bias, bounds, self.weights.norms()[output])) {
            products[row] = self.recompute(first + row, output);
        }
    }

    /// All products `[rows, outputs]`.
    pub(crate) fn recompute_rows(&self, bias: &[f32], products: &mut [f32]) {
        for (row, (products, bound)) in products.chunks_exact_mut(bias.len().max(1)).zip(&self.bounds).enumerate() {
            let outputs = products.iter_mut().zip(bias.iter().zip(self.weights.norms())).enumerate();
            for (output, (product, (bias, norm))) in outputs {
                if (*product + bias).abs() <= bound * norm {
                    *product = self.recompute(row, output);
                }
            }
        }
    }

    fn recompute(&self, row: usize, output: usize) -> f32 {
        let inputs = self.weights.columns();
        self.weights.dot(&self.rows[row * inputs..][..inputs], output)
    }
}
