//! Products of sparse rows with dense matrices: an encoder's first layer without dense cells.
//!
//! A cell expresses a tenth of the genes or fewer, so the product with the weights `[genes, hidden]` reads only the
//! rows of the genes that it expresses, and the gradient of those weights is a product with the transposed rows.

use rayon::prelude::*;

use crate::cells::Expression;

/// Sparse rows of a batch of cells, some values perhaps dropped and rescaled.
#[derive(Clone, Debug)]
pub(crate) struct SparseBatch {
    pub(crate) genes: usize,
    rows: Vec<Vec<(u32, f32)>>,
}

impl SparseBatch {
    /// The given cells; `keep` turns each stored value into what is used of it (dropout gives 0 or a larger value).
    pub(crate) fn new(expression: &Expression, cells: &[usize], mut keep: impl FnMut(f32) -> f32) -> Self {
        let rows = cells
            .iter()
            .map(|&cell| {
                let (genes, values) = expression.row(cell);
                let kept = genes.iter().zip(values).map(|(&gene, &value)| (gene, keep(value)));
                kept.filter(|(_, value)| *value != 0.0).collect()
            })
            .collect();
        Self { genes: expression.genes(), rows }
    }

    /// Times weights `[genes, width]`: `[cells, width]`.
    pub(crate) fn times(&self, weights: &[f32], width: usize) -> Vec<f32> {
        let mut product = vec![0.0; self.rows.len() * width];
        product.par_chunks_exact_mut(width).zip(&self.rows).for_each(|(sum, row)| {
            for &(gene, value) in row {
                add_scaled(sum, value, &weights[gene as usize * width..][..width]);
            }
        });
        product
    }

    /// Transposed, times `[cells, width]`: `[genes, width]`, the gradient of the weights.
    pub(crate) fn transposed_times(&self, gradient: &[f32], width: usize) -> Vec<f32> {
        let mut cells_of_gene = vec![Vec::new(); self.genes];
        for (cell, row) in self.rows.iter().enumerate() {
            for &(gene, value) in row {
                cells_of_gene[gene as usize].push((cell, value));
            }
        }
        let mut product = vec![0.0; self.genes * width];
        product.par_chunks_exact_mut(width).zip(&cells_of_gene).for_each(|(sum, cells)| {
            for &(cell, value) in cells {
                add_scaled(sum, value, &gradient[cell * width..][..width]);
            }
        });
        product
    }
}

fn add_scaled(sum: &mut [f32], factor: f32, row: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_products_equal_dense_ones() {
        let dense = [0.0, 2.0, 0.0, 1.0, 0.0, 3.0]; // two cells, three genes
        let expression = Expression::from_dense(3, &dense).unwrap();
        let batch = SparseBatch::new(&expression, &[1, 0], |value| value);
        let weights = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        assert_eq!(batch.times(&weights, 2), [10.0, 100.0, 4.0, 40.0]);
        let gradient = [1.0, 0.5, 4.0, 0.25];
        assert_eq!(batch.transposed_times(&gradient, 2), [1.0, 0.5, 8.0, 0.5, 3.0, 1.5]);
    }
}
