//! Inner loops of the perceptron: a sparse matrix by columns times dense rows, forward and backward, compiled for AVX-512F, for
//! AVX2, and for any processor. Nothing is fused, so the bits are those of the plain loops.

use scdd_compute::{Isa, dispatch};

/// Adds a row of weights times each value to the row of sums of each cell.
pub(super) fn add_products(cells: &[u32], values: &[f32], weights: &[f32], sums: &mut [f32]) {
    #[inline(always)]
    fn add(cells: &[u32], values: &[f32], weights: &[f32], sums: &mut [f32]) {
        let width = weights.len();
        for (&cell, &value) in cells.iter().zip(values) {
            let sums = &mut sums[cell as usize * width..][..width];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
    dispatch!(
        Isa::detect(),
        (cells: &[u32] = cells, values: &[f32] = values, weights: &[f32] = weights, sums: &mut [f32] = sums),
        add,
        add,
        add
    );
}

/// The sum of each cell's row times its value.
pub(super) fn sum_products(cells: &[u32], values: &[f32], rows: &[f32], sums: &mut [f32]) {
    #[inline(always)]
    fn sum(cells: &[u32], values: &[f32], rows: &[f32], sums: &mut [f32]) {
        let width = sums.len();
        sums.fill(0.0);
        for (&cell, &value) in cells.iter().zip(values) {
            let row = &rows[cell as usize * width..][..width];
            for (sum, number) in sums.iter_mut().zip(row) {
                *sum += value * number;
            }
        }
    }
    dispatch!(
        Isa::detect(),
        (cells: &[u32] = cells, values: &[f32] = values, rows: &[f32] = rows, sums: &mut [f32] = sums),
        sum,
        sum,
        sum
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_loops_are_the_plain_sums() {
        let weights: Vec<f32> = (0..19).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut sums = vec![0.5; 3 * 19];
        add_products(&[2, 0], &[0.3, -1.7], &weights, &mut sums);
        for (position, sum) in sums.iter().enumerate() {
            let value = [-1.7, 0.0, 0.3][position / 19];
            assert_eq!(*sum, 0.5 + value * weights[position % 19]);
        }
        let mut back = vec![9.0; 19];
        sum_products(&[2, 0], &[0.3, -1.7], &sums, &mut back);
        for (position, found) in back.iter().enumerate() {
            assert_eq!(*found, 0.0 + 0.3 * sums[38 + position] + -1.7 * sums[position]);
        }
    }
}
