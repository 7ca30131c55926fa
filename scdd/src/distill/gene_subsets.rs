//! Random gene subsets, as large as the one that a random forest searches in a split (our choice), for surrogates in
//! validation.
//!
//! A set whose classes differ much in a few genes and a little in all of them serves a model that weighs all genes, and not one
//! that uses some at a time. Genes that are equal in all synthetic cells are passed over, as a forest does.

use burn::tensor::{Device, Int, Tensor};
use ndarray::Array2;
use rand::seq::SliceRandom;

use crate::{seed, tensors};

/// Subsets whose scores are averaged (our choice).
const DRAWS: usize = 8;

/// A random order of the genes for each subset, so that subsets change little from step to step.
pub(super) struct GeneSubsets {
    orders: Vec<Vec<usize>>,
}

impl GeneSubsets {
    pub(super) fn new(genes: usize, seed: u64) -> Self {
        let order = |draw| {
            let mut order: Vec<usize> = (0..genes).collect();
            order.shuffle(&mut seed::stream(seed, &format!("few genes {draw}")));
            order
        };
        Self { orders: (0..DRAWS).map(order).collect() }
    }

    /// The first genes of each order that vary in expression `[rows, genes]`: as many as the square root of all, or fewer.
    pub(super) fn of(&self, expression: &Array2<f32>, device: &Device) -> Vec<Tensor<1, Int>> {
        let varies: Vec<bool> =
            expression.columns().into_iter().map(|values| values.iter().any(|&value| value != values[0])).collect();
        let count = (varies.len() as f64).sqrt().ceil() as usize;
        let first = |order: &Vec<usize>| order.iter().copied().filter(|&gene| varies[gene]).take(count).collect();
        let draws = self.orders.iter().map(first).filter(|genes: &Vec<usize>| !genes.is_empty());
        draws.map(|genes| tensors::indices(genes, device)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_is_of_genes_that_vary_and_stays_the_same() {
        let subsets = GeneSubsets::new(30, 5);
        // Every third gene varies.
        let mut expression = Array2::from_elem((4, 30), 0.7f32);
        (0..30).step_by(3).for_each(|gene| expression[[2, gene]] = 1.5);
        let select = |subsets: &GeneSubsets| -> Vec<Vec<usize>> {
            subsets.of(&expression, &Device::flex()).into_iter().map(tensors::numbers).collect()
        };
        let found = select(&subsets);
        assert_eq!(found.len(), DRAWS);
        assert!(found.iter().all(|genes| genes.len() == 6 && genes.iter().all(|gene| gene % 3 == 0)), "{found:?}");
        assert_eq!(found, select(&GeneSubsets::new(30, 5)));
        assert_ne!(found[0], found[1]);
        assert!(subsets.of(&Array2::from_elem((4, 30), 0.7), &Device::flex()).is_empty());
    }
}
