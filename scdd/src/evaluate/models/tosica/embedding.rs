//! Masked linear layer: genes to tokens, each from the genes of its set alone, stored sparse.
//!
//! Dense, 2,000 genes times 300 tokens of 48 numbers are 29 million weights, of which the mask leaves a sixtieth. So only
//! those are kept, a row of them for each pair of gene and token, and a cell reads those of the genes that it expresses.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::gene_sets::Mask;
use crate::cells::Expression;

/// Weights of the pairs of a mask, and a bias for each number of a token.
#[derive(Clone)]
pub(super) struct Embedding {
    pub(super) mask: Mask,
    pub(super) width: usize,
    /// `[pairs, width]`, then `[tokens, width]` of biases.
    pub(super) weights: Vec<f32>,
}

impl Embedding {
    /// Uniform within 1 / sqrt(genes), as TOSICA draws them.
    pub(super) fn new(mask: Mask, width: usize, random: &mut ChaCha8Rng) -> Self {
        let bound = 1.0 / (mask.genes() as f32).sqrt();
        let count = (mask.tokens.len() + mask.names.len()) * width;
        Self { weights: (0..count).map(|_| random.random_range(-bound..bound)).collect(), mask, width }
    }

    fn pairs(&self, gene: u32) -> impl Iterator<Item = (usize, usize)> {
        let (from, to) = (self.mask.pointers[gene as usize] as usize, self.mask.pointers[gene as usize + 1] as usize);
        (from..to).zip(self.mask.tokens[from..to].iter().map(|&token| token as usize))
    }

    /// Tokens `[cells, tokens * width]`.
    pub(super) fn forward(&self, expression: &Expression, cells: &[usize]) -> Vec<f32> {
        let (pairs, biases) = self.weights.split_at(self.mask.tokens.len() * self.width);
        let mut tokens = biases.repeat(cells.len());
        let rows = tokens.par_chunks_exact_mut(biases.len()).zip(cells);
        rows.for_each(|(tokens, &cell)| {
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                for (pair, token) in self.pairs(gene) {
                    let sums = &mut tokens[token * self.width..][..self.width];
                    let weights = &pairs[pair * self.width..][..self.width];
                    sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
                }
            }
        });
        tokens
    }

    /// The gradient of all weights from that of the tokens `[cells, tokens * width]`.
    pub(super) fn backward(&self, expression: &Expression, cells: &[usize], of_tokens: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; self.weights.len()];
        let (of_pairs, of_biases) = gradient.split_at_mut(self.mask.tokens.len() * self.width);
        for (of_tokens, &cell) in of_tokens.chunks_exact(of_biases.len()).zip(cells) {
            of_biases.iter_mut().zip(of_tokens).for_each(|(sum, of_token)| *sum += of_token);
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                for (pair, token) in self.pairs(gene) {
                    let sums = &mut of_pairs[pair * self.width..][..self.width];
                    let of_token = &of_tokens[token * self.width..][..self.width];
                    sums.iter_mut().zip(of_token).for_each(|(sum, of_token)| *sum += value * of_token);
                }
            }
        }
        gradient
    }
}

#[cfg(test)]
mod tests {
    use super::super::gene_sets::GeneSets;
    use super::*;
    use crate::seed;

    #[test]
    fn tokens_and_gradients_are_those_of_the_dense_masked_layer() {
        let (genes, cells, width) = (12, 3, 4);
        let mut random = seed::stream(2, "masked layer");
        let mask = Mask::new(&GeneSets::Random { sets: 5, density: 0.4 }, genes, None, 3).unwrap();
        let layer = Embedding::new(mask, width, &mut random);
        let dense: Vec<f32> =
            (0..cells * genes).map(|_| if random.random::<f32>() < 0.5 { random.random() } else { 0.0 }).collect();
        let expression = Expression::from_dense(genes, &dense).unwrap();
        let (order, tokens) = ([2, 0], 5 * width);
        let mut full = vec![0.0; genes * tokens];
        for gene in 0..genes {
            for (pair, token) in layer.pairs(gene as u32) {
                let row = &layer.weights[pair * width..][..width];
                full[gene * tokens + token * width..][..width].copy_from_slice(row);
            }
        }
        let biases = &layer.weights[layer.mask.tokens.len() * width..];
        let found = layer.forward(&expression, &order);
        for (row, cell) in order.into_iter().enumerate() {
            for position in 0..tokens {
                let sum: f32 = (0..genes).map(|gene| dense[cell * genes + gene] * full[gene * tokens + position]).sum();
                assert!((found[row * tokens + position] - sum - biases[position]).abs() < 1e-5);
            }
        }
        // The loss is the product with fixed numbers, so its gradient by a weight is a difference of losses.
        let fixed: Vec<f32> = (0..2 * tokens).map(|_| random.random::<f32>() - 0.5).collect();
        let loss = |layer: &Embedding| -> f32 {
            layer.forward(&expression, &order).iter().zip(&fixed).map(|(token, fixed)| token * fixed).sum()
        };
        let gradient = layer.backward(&expression, &order, &fixed);
        for position in (0..layer.weights.len()).step_by(7) {
            let mut moved = layer.clone();
            moved.weights[position] += 1.0;
            assert!((loss(&moved) - loss(&layer) - gradient[position]).abs() < 1e-3);
        }
    }
}
