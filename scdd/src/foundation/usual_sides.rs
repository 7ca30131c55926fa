//! On which side of zero a decoder's genes usually are, and what decoder and encoder do where all are there (`bridge.rs`).
//!
//! A ReLU whose side is known is linear: with U the genes that are usually above zero, s = h M + c, M = W_d[U] W_e[U],
//! c = b[U] W_e[U].

use rayon::prelude::*;

use super::dense::DenseLayer;
use super::packed::PackedWeights;
use scdd_compute::gemm::{Accumulate, gemm_tn};
use crate::tensors;

/// Genes whose weights are multiplied together: 4 MB of each matrix at a width of 1,024.
const GENES: usize = 1024;
/// Rows of M that a thread takes at once.
const ROWS: usize = 64;

/// Which genes are usually above zero, and M and c of them.
#[derive(Debug)]
pub(crate) struct UsualSides {
    pub(super) above: Vec<bool>,
    pub(super) layer: DenseLayer,
}

impl UsualSides {
    /// Of a decoder's last weights `[genes, hidden]` and bias, and an encoder's first ones `[genes, units]`.
    pub(super) fn new(decoder: &PackedWeights, bias: &[f32], encoder: &PackedWeights, above: Vec<bool>) -> Self {
        let (hidden, units) = (decoder.width(), encoder.width());
        let (mut product, mut constant) = (vec![0.0; hidden * units], vec![0.0; units]);
        let usual: Vec<usize> = (0..above.len()).filter(|&gene| above[gene]).collect();
        for genes in usual.chunks(GENES) {
            let (to, from) = (decoder.rows(genes.iter().copied()), encoder.rows(genes.iter().copied()));
            product.par_chunks_mut((ROWS * units).max(1)).enumerate().for_each(|(number, product)| {
                gemm_tn((&to, hidden, number * ROWS), &from, units, product, Accumulate::Add);
            });
            for (gene, weights) in genes.iter().zip(from.chunks_exact(units.max(1))) {
                constant.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += bias[*gene] * weight);
            }
        }
        let product = tensors::from_rows(product, units, &burn::tensor::Device::flex());
        Self { above, layer: DenseLayer::new(product, constant, None) }
    }
}
