//! From a frozen decoder's last hidden layer over the genes to a frozen encoder's first sums, and back:
//!
//! x = relu(h W_d + b),  s = x W_e;   dL/dh = ((dL/ds W_e^T) * (x > 0)) W_d^T.
//!
//! At 28,231 genes nearly all of a step's time is here, four products of matrices. But whatever cell a decoder makes, most genes
//! are on the side of zero on which they usually are (docs/architecture.md has shares). Were all there, both ways would go through
//! one small matrix ([`UsualSides`]). Only for the sums `h W_d` every gene is needed, to see which are not there; those are taken
//! into account one by one, with z = h W_d + b:
//!
//! s = h M + c + sum_unusual |z_g| w_eg;   dL/dh = dL/ds M^T + sum_unusual ± (dL/ds . w_eg) w_dg,
//!
//! plus where a gene is above zero that usually is not, minus where one is not. The result is the same up to rounding, and a row's is
//! the same bits whatever rows are beside it and whatever the number of threads.

use rayon::prelude::*;

use super::dense::Below;
use super::doubt::Doubt;
use super::gene_sums::{GENES, GeneSums};
use super::packed::PackedWeights;
use super::packed_sampled::{Places, products_at};
use super::sides::{above_zero, places};
use super::sparse_kernel::Rows;
use super::usual_sides::UsualSides;

/// Parts of the genes that threads take, about.
const PARTS: usize = 16;

/// A decoder's last weights `[genes, hidden]`, what it adds at each gene, and an encoder's first weights `[genes, units]`.
pub(crate) struct Bridge<'a> {
    pub(crate) decoder: &'a PackedWeights,
    pub(crate) bias: &'a [f32],
    pub(crate) encoder: &'a PackedWeights,
}

/// Genes that are not on their usual side, row by row: what the way back needs.
#[derive(Clone, Debug)]
pub(crate) struct Unusual {
    pointers: Vec<u64>,
    genes: Vec<u32>,
}

impl Bridge<'_> {
    /// Hidden units `[rows, hidden]` to the encoder's first sums, without bias.
    pub(crate) fn forward(&self, usual: &UsualSides, hidden: &[f32]) -> (Vec<f32>, Unusual) {
        let sums = GeneSums::new(self.decoder, hidden);
        let (unusual, distances) = self.unusual(&sums, sums.slack(), &usual.above, hidden);
        let (sums, _) = usual.layer.forward(hidden);
        (added(sums, &self.encoder.times(unusual.rows(&distances))), unusual)
    }

    /// Gradients by the encoder's first sums `[rows, units]` to those by the decoder's hidden units.
    pub(crate) fn backward(&self, usual: &UsualSides, unusual: &Unusual, gradient: Vec<f32>) -> Vec<f32> {
        let places = Places { pointers: &unusual.pointers, genes: &unusual.genes };
        let mut at_genes = products_at(self.encoder, &gradient, places);
        for (value, gene) in at_genes.iter_mut().zip(&unusual.genes) {
            *value = if usual.above[*gene as usize] { -*value } else { *value };
        }
        let gradient = usual.layer.backward(&Below::new(), gradient);
        added(gradient, &self.decoder.times(unusual.rows(&at_genes)))
    }

    /// On which side of zero each gene is in most of some rows of hidden units, and what follows from it.
    pub(crate) fn usual_sides(&self, hidden: &[f32]) -> UsualSides {
        let rows = hidden.len() / self.decoder.width().max(1);
        let sums = GeneSums::new(self.decoder, hidden);
        let (found, _) = self.unusual(&sums, sums.slack(), &vec![false; self.bias.len()], hidden);
        let mut counts = vec![0; self.bias.len()];
        found.genes.iter().for_each(|gene| counts[*gene as usize] += 1);
        let above = counts.into_iter().map(|count| 2 * count > rows).collect();
        UsualSides::new(self.decoder, self.bias, self.encoder, above)
    }

    /// Genes that are not on the sides that are given, and how far from zero; of sums that are within `slack` times the lengths of
    /// both factors.
    fn unusual(&self, sums: &GeneSums, slack: f32, above: &[bool], hidden: &[f32]) -> (Unusual, Vec<f32>) {
        let rows = hidden.len() / self.decoder.width().max(1);
        let doubt = Doubt::new(slack, hidden, self.decoder);
        let part = above.len().div_ceil(PARTS).next_multiple_of(GENES).max(GENES);
        let parts: Vec<_> = (0..above.len().div_ceil(part))
            .into_par_iter()
            .map(|number| {
                let mut found = vec![(Vec::new(), Vec::new()); rows];
                sums.of(number * part..((number + 1) * part).min(above.len()), &mut |gene, first, sums| {
                    if let Some(doubt) = &doubt {
                        doubt.settle_gene(gene, first, self.bias[gene], sums);
                    }
                    let is_above = above_zero(sums, self.bias[gene]);
                    let of_rows = u64::MAX >> (64 - sums.len().min(rows - first));
                    let usual = if above[gene] { of_rows } else { 0 };
                    for place in places(is_above & of_rows ^ usual) {
                        let (genes, distances) = &mut found[first + place];
                        genes.push(gene as u32);
                        distances.push(sums[place].abs());
                    }
                });
                found
            })
            .collect();
        let count = parts.iter().flatten().map(|(genes, _)| genes.len()).sum();
        let (mut pointers, mut genes, mut distances) = (vec![0], Vec::with_capacity(count), Vec::with_capacity(count));
        for row in 0..rows {
            for part in &parts {
                genes.extend_from_slice(&part[row].0);
                distances.extend_from_slice(&part[row].1);
            }
            pointers.push(genes.len() as u64);
        }
        (Unusual { pointers, genes }, distances)
    }
}

impl Unusual {
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.genes.len()
    }

    /// With a value for each.
    fn rows<'a>(&'a self, values: &'a [f32]) -> Rows<'a> {
        Rows { pointers: &self.pointers, indices: &self.genes, values }
    }
}

/// Numbers, and others added to them.
fn added(mut sums: Vec<f32>, others: &[f32]) -> Vec<f32> {
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
    sums
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
