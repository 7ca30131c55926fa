//! Products of sparse rows with dense matrices: an encoder's first layer without dense cells.
//!
//! A cell expresses a tenth of the genes or fewer, so the product with the weights `[genes, hidden]` reads only the
//! rows of the genes that it expresses, and the gradient of those weights is a product with the transposed rows.

use std::ops::Deref;

use rayon::prelude::*;

use super::packed::PackedWeights;
use super::sparse_kernel::{Rows, add_products, block_rows};
use crate::cells::Expression;

/// Rows of a task, when the weights do not fit into one block of the kernel: each task reads all weights once.
const LARGE_TASK: usize = 1024;
/// Rows of a task, when they do.
const SMALL_TASK: usize = 32;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Sparse rows of a batch of cells, some values perhaps dropped and rescaled.
#[derive(Clone, Debug)]
pub(crate) struct SparseBatch {
    genes: usize,
    pointers: Vec<u64>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseBatch {
    /// The given cells; `keep` turns each stored value into what is used of it (dropout gives 0 or a larger value).
    pub(crate) fn new(expression: &Expression, cells: &[usize], mut keep: impl FnMut(f32) -> f32) -> Self {
        let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for &cell in cells {
            let (genes, row) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(row) {
                let kept = keep(value);
                if kept != 0.0 {
                    indices.push(gene);
                    values.push(kept);
                }
            }
            pointers.push(values.len() as u64);
        }
        Self { genes: expression.genes(), pointers, indices, values }
    }

    /// Times weights `[genes, width]`: `[cells, width]`.
    pub(crate) fn times(&self, weights: &[f32], width: usize) -> Vec<f32> {
        let mut sums = vec![0.0; (self.pointers.len() - 1) * width];
        add_in_parallel(self.rows(), self.genes, weights, width, &mut sums);
        sums
    }

    /// Transposed, times `[cells, width]`: `[genes, width]`, the gradient of the weights.
    pub(crate) fn transposed_times(&self, gradient: &[f32], width: usize) -> Vec<f32> {
        self.transposed().times(gradient, width)
    }

    /// Times weights that change no more: `[cells, width]`.
    pub(crate) fn times_packed(&self, weights: &PackedWeights) -> Vec<f32> {
        weights.times(self.rows())
    }

    fn rows(&self) -> Rows<'_> {
        Rows { pointers: &self.pointers, indices: &self.indices, values: &self.values }
    }

    /// One row per gene, of the cells that express it.
    fn transposed(&self) -> Self {
        let mut pointers = vec![0; self.genes + 1];
        for &gene in &self.indices {
            pointers[gene as usize + 1] += 1;
        }
        for gene in 0..self.genes {
            pointers[gene + 1] += pointers[gene];
        }
        let mut next = pointers.clone();
        let (mut indices, mut values) = (vec![0; self.indices.len()], vec![0.0; self.values.len()]);
        for (cell, ends) in self.pointers.windows(2).enumerate() {
            for entry in ends[0] as usize..ends[1] as usize {
                let place = &mut next[self.indices[entry] as usize];
                indices[*place as usize] = cell as u32;
                values[*place as usize] = self.values[entry];
                *place += 1;
            }
        }
        Self { genes: self.pointers.len() - 1, pointers, indices, values }
    }
}

fn add_in_parallel(rows: Rows, columns: usize, weights: &[f32], width: usize, sums: &mut [f32]) {
    let count = rows.pointers.len() - 1;
    let task = if columns <= block_rows(width) {
        SMALL_TASK
    } else {
        count.div_ceil(rayon::current_num_threads()).clamp(1, LARGE_TASK)
    };
    sums.par_chunks_mut((task * width).max(1)).enumerate().for_each(|(number, sums)| {
        let first = number * task;
        let pointers = &rows.pointers[first..=(first + task).min(count)];
        add_products(Rows { pointers, ..rows }, weights, width, sums);
    });
}

/// Numbers that begin at a cache line: reading them in vector registers never touches a second line.
#[derive(Debug)]
pub(crate) struct Aligned {
    values: Vec<f32>,
    begin: usize,
}

impl Aligned {
    pub(super) fn zeros(length: usize) -> Self {
        let values = vec![0.0; length + LINE / size_of::<f32>()];
        let begin = values.as_ptr().align_offset(LINE).min(values.len() - length);
        let mut aligned = Self { values, begin };
        aligned.values.truncate(begin + length);
        aligned
    }

    pub(super) fn numbers(&mut self) -> &mut [f32] {
        &mut self.values[self.begin..]
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.begin..]
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
        assert_eq!(batch.times_packed(&PackedWeights::new(&weights, 2)), [10.0, 100.0, 4.0, 40.0]);
        let gradient = [1.0, 0.5, 4.0, 0.25];
        assert_eq!(batch.transposed_times(&gradient, 2), [1.0, 0.5, 8.0, 0.5, 3.0, 1.5]);
    }

    #[test]
    fn a_cell_alone_gets_the_same_bits_as_among_others() {
        let (cells, genes, width) = (70, 400, 1100); // more genes than a block holds, more cells than a task
        let dense: Vec<f32> =
            (0..cells * genes).map(|i| if i * i % 7 == 1 { (i % 13) as f32 * 0.37 } else { 0.0 }).collect();
        let expression = Expression::from_dense(genes, &dense).unwrap();
        let weights: Vec<f32> = (0..genes * width).map(|i| ((i * 31 % 101) as f32 - 50.0) * 0.013).collect();
        let times = |cells: &[usize]| SparseBatch::new(&expression, cells, |value| value).times(&weights, width);
        let whole = times(&(0..cells).collect::<Vec<_>>());
        for cell in [0, 1, 33, 69] {
            assert_eq!(times(&[cell]), whole[cell * width..][..width]);
        }
    }

    #[test]
    fn aligned_numbers_begin_at_a_line() {
        for length in [0, 1, 15, 16, 100_003] {
            let mut aligned = Aligned::zeros(length);
            aligned.numbers().fill(1.0);
            assert_eq!((aligned.as_ptr().align_offset(LINE), aligned.to_vec()), (0, vec![1.0; length]));
        }
    }
}
