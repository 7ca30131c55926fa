//! A fused decoder-ReLU-encoder product: from a frozen decoder's last hidden layer to a frozen encoder's first pre-activations,
//! and the gradient back, without the genes between them.
//!
//! x = relu(h W_d^T + b),  s = x W_e;   dL/dh = ((dL/ds W_e^T) * (x > 0)) W_d.
//!
//! With 28,231 genes nearly all time of a distillation step is here, in four GEMMs. But most genes of any decoded cell have the
//! sign of a [`ReferencePattern`]. If all had it, forward and backward would be one small matrix M. Only the sign of
//! z = h W_d^T + b needs every gene; genes of the other sign (flipped ones) are corrected one by one:
//!
//! s = h M + c + sum_flipped |z_g| w_eg;   dL/dh = dL/ds M^T + sum_flipped ± (dL/ds . w_eg) w_dg,
//!
//! plus for a gene above zero that is inactive in the pattern, minus for an active one below. Any pattern gives the same result up to
//! rounding; a near one gives it faster. A row gets the same bits alone and among others, on any number of threads.

mod pattern;

use rayon::prelude::*;

use crate::csr::CsrView;
use crate::gemm_block::BLOCK_OUTPUTS;
use crate::layer::Below;
use crate::mask::{above_zero, set_bits};
use crate::near_zero::NearZero;
use crate::packed::{PackedMatrix, Pattern, sddmm, spmm};
use crate::packed_gemm::{GemmWeights, PackedGemm};
pub use pattern::ReferencePattern;

/// Parts of the genes that threads take, about.
const PARTS: usize = 16;

/// The weights on both sides of the genes.
pub struct ReluJunction<'a> {
    /// A decoder's last weights `[genes, hidden]`.
    pub decoder: &'a GemmWeights,
    /// The decoder's bias `[genes]`.
    pub bias: &'a [f32],
    /// An encoder's first weights `[genes, units]`.
    pub encoder: &'a PackedMatrix,
}

/// Genes whose sign isn't the pattern's, row by row (CSR without values): what the backward pass needs.
#[derive(Clone, Debug)]
pub struct Flipped {
    indptr: Vec<u64>,
    genes: Vec<u32>,
}

impl ReluJunction<'_> {
    /// Hidden units `[rows, hidden]` to the encoder's pre-activations `[rows, units]`, without its bias.
    pub fn forward(&self, pattern: &ReferencePattern, hidden: &[f32]) -> (Vec<f32>, Flipped) {
        let products = PackedGemm::new(self.decoder, hidden);
        let (flipped, distances) = self.flipped(&products, products.error_bound(), &pattern.active, hidden);
        let (linear, _) = pattern.linear.forward(hidden);
        (added(linear, &spmm(flipped.rows(self.genes(), &distances), self.encoder)), flipped)
    }

    /// Gradients by the encoder's pre-activations `[rows, units]` to gradients by hidden units `[rows, hidden]`.
    pub fn backward(&self, pattern: &ReferencePattern, flipped: &Flipped, gradient: Vec<f32>) -> Vec<f32> {
        let positions = Pattern { indptr: &flipped.indptr, indices: &flipped.genes };
        let mut by_genes = sddmm(self.encoder, &gradient, positions);
        for (value, gene) in by_genes.iter_mut().zip(&flipped.genes) {
            *value = if pattern.active[*gene as usize] { -*value } else { *value };
        }
        let linear = pattern.linear.backward(&Below::new(), gradient);
        added(linear, &spmm(flipped.rows(self.genes(), &by_genes), self.decoder.packed()))
    }

    /// The pattern that has each gene's sign in most of some rows of hidden units `[rows, hidden]`.
    pub fn reference_pattern(&self, hidden: &[f32]) -> ReferencePattern {
        let rows = hidden.len() / self.decoder.packed().columns().max(1);
        let products = PackedGemm::new(self.decoder, hidden);
        let (above, _) = self.flipped(&products, products.error_bound(), &vec![false; self.genes()], hidden);
        let mut counts = vec![0; self.genes()];
        above.genes.iter().for_each(|gene| counts[*gene as usize] += 1);
        self.pattern(counts.into_iter().map(|count| 2 * count > rows).collect())
    }

    fn pattern(&self, active: Vec<bool>) -> ReferencePattern {
        ReferencePattern::new(self.decoder.packed(), self.bias, self.encoder, active)
    }

    fn genes(&self) -> usize {
        self.bias.len()
    }

    /// Genes whose sign isn't that of `active`, and how far from zero they are; products may be wrong by `error_bound` times the L2
    /// norms of both factors.
    fn flipped(&self, products: &PackedGemm, error_bound: f32, active: &[bool], hidden: &[f32]) -> (Flipped, Vec<f32>) {
        let rows = hidden.len() / self.decoder.packed().columns().max(1);
        let near_zero = NearZero::new(error_bound, hidden, self.decoder.packed());
        let part = active.len().div_ceil(PARTS).next_multiple_of(BLOCK_OUTPUTS).max(BLOCK_OUTPUTS);
        let parts: Vec<_> = (0..active.len().div_ceil(part))
            .into_par_iter()
            .map(|number| {
                let mut found = vec![(Vec::new(), Vec::new()); rows];
                let genes = number * part..((number + 1) * part).min(active.len());
                products.outputs(genes, &mut |gene, first, values| {
                    if let Some(near_zero) = &near_zero {
                        near_zero.recompute_output(gene, first, self.bias[gene], values);
                    }
                    let above = above_zero(values, self.bias[gene]);
                    let valid = u64::MAX >> (64 - values.len().min(rows - first));
                    let expected = if active[gene] { valid } else { 0 };
                    for row in set_bits(above & valid ^ expected) {
                        let (genes, distances) = &mut found[first + row];
                        genes.push(gene as u32);
                        distances.push(values[row].abs());
                    }
                });
                found
            })
            .collect();
        let count = parts.iter().flatten().map(|(genes, _)| genes.len()).sum();
        let (mut indptr, mut genes, mut distances) = (vec![0], Vec::with_capacity(count), Vec::with_capacity(count));
        for row in 0..rows {
            for part in &parts {
                genes.extend_from_slice(&part[row].0);
                distances.extend_from_slice(&part[row].1);
            }
            indptr.push(genes.len() as u64);
        }
        (Flipped { indptr, genes }, distances)
    }
}

impl Flipped {
    /// How many there are, over all rows.
    pub fn count(&self) -> usize {
        self.genes.len()
    }

    /// Sparse rows `[rows, genes]` with a value for each.
    fn rows<'a>(&'a self, genes: usize, values: &'a [f32]) -> CsrView<'a> {
        CsrView::new(genes, &self.indptr, &self.genes, values)
    }
}

fn added(mut sums: Vec<f32>, others: &[f32]) -> Vec<f32> {
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
    sums
}

#[cfg(test)]
mod tests;
