//! A reference activation pattern: which of a decoder's genes are usually above zero, and the linear map from hidden units to the
//! encoder's pre-activations where all genes are as the pattern says.
//!
//! A ReLU of known sign is linear: with the active genes A of the pattern, s = h M + c, M = W_d[A]^T W_e[A], c = b[A] W_e[A].

use rayon::prelude::*;

use crate::gemm::{Accumulate, gemm_tn};
use crate::layer::DenseLayer;
use crate::packed::PackedMatrix;

/// Genes whose weights are multiplied together: 4 MB of each matrix at a width of 1,024.
const GENES: usize = 1024;
/// Rows of M that a thread computes at once.
const ROWS: usize = 64;

/// Which genes are active in the pattern, and M and c of them.
#[derive(Debug)]
pub struct ReferencePattern {
    pub(super) active: Vec<bool>,
    pub(super) linear: DenseLayer,
}

impl ReferencePattern {
    /// Of a decoder's last weights `[genes, hidden]` and bias, an encoder's first weights `[genes, units]`, and whether each gene is
    /// active. Costs one product `[hidden, active genes, units]`.
    pub(super) fn new(decoder: &PackedMatrix, bias: &[f32], encoder: &PackedMatrix, active: Vec<bool>) -> Self {
        let (hidden, units) = (decoder.columns(), encoder.columns());
        let (mut product, mut constant) = (vec![0.0; hidden * units], vec![0.0; units]);
        let genes: Vec<usize> = (0..active.len()).filter(|&gene| active[gene]).collect();
        for genes in genes.chunks(GENES) {
            let to_genes = decoder.dense_rows(genes.iter().copied());
            let from_genes = encoder.dense_rows(genes.iter().copied());
            product.par_chunks_mut((ROWS * units).max(1)).enumerate().for_each(|(number, product)| {
                gemm_tn((&to_genes, hidden, number * ROWS), &from_genes, units, product, Accumulate::Add);
            });
            for (gene, weights) in genes.iter().zip(from_genes.chunks_exact(units.max(1))) {
                constant.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += bias[*gene] * weight);
            }
        }
        let transposed =
            PackedMatrix::from_transposed(units, hidden, |rows| product[rows.start * units..rows.end * units].to_vec());
        Self { active, linear: DenseLayer::new(transposed, constant, None) }
    }
}
