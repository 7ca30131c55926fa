//! Standardised genes without losing the zeros: z = min((x - m) / s, 10) for the training cells' mean m and population
//! deviation s of each gene, as scikit-learn's StandardScaler and CellTypist's clip have it.
//!
//! With o = m / s, z = v - o where v = min(x / s, 10 + o), and v is 0 where x is. So cells stay sparse, and o is taken
//! off in products: z w = v w - o w.

use crate::cells::Expression;

/// Above so many deviations a gene counts as that many (CellTypist; nothing is clipped below).
const CLIP: f64 = 10.0;

/// Mean and deviation of each gene over training cells.
#[derive(Clone, Debug)]
pub(super) struct Standardized {
    /// 1 / s of each gene; 1 for a gene that does not vary, as StandardScaler has it.
    inverse: Vec<f64>,
    /// m / s of each gene.
    offset: Vec<f64>,
}

impl Standardized {
    pub(super) fn of(expression: &Expression) -> Self {
        let (genes, cells) = (expression.genes(), expression.cells() as f64);
        let mut mean = vec![0.0f64; genes];
        let mut stored = vec![0.0f64; genes];
        for (&gene, &value) in expression.indices().iter().zip(expression.values()) {
            mean[gene as usize] += f64::from(value);
            stored[gene as usize] += 1.0;
        }
        mean.iter_mut().for_each(|sum| *sum /= cells);
        // Around the mean: sums of squares would cancel for a gene that hardly varies.
        let mut squares: Vec<f64> =
            mean.iter().zip(&stored).map(|(mean, stored)| mean * mean * (cells - stored)).collect();
        for (&gene, &value) in expression.indices().iter().zip(expression.values()) {
            squares[gene as usize] += (f64::from(value) - mean[gene as usize]).powi(2);
        }
        let inverse: Vec<f64> = squares
            .iter()
            .zip(&mean)
            .map(|(squares, mean)| {
                let variance = squares / cells;
                // scikit-learn's bound on what rounding makes of a constant gene.
                let constant = cells * f64::EPSILON * variance + (cells * mean * f64::EPSILON).powi(2);
                if variance <= constant { 1.0 } else { 1.0 / variance.sqrt() }
            })
            .collect();
        let offset = mean.iter().zip(&inverse).map(|(mean, inverse)| mean * inverse).collect();
        Self { inverse, offset }
    }

    /// Of a file.
    pub(super) fn from_parts(inverse: Vec<f64>, offset: Vec<f64>) -> Self {
        Self { inverse, offset }
    }

    /// 1 / s of each gene.
    pub(super) fn inverse(&self) -> &[f64] {
        &self.inverse
    }

    pub(super) fn genes(&self) -> usize {
        self.inverse.len()
    }

    /// o of each gene.
    pub(super) fn offset(&self) -> &[f64] {
        &self.offset
    }

    /// v of one value of a gene, z + o.
    pub(super) fn shifted(&self, gene: u32, value: f32) -> f64 {
        let gene = gene as usize;
        (f64::from(value) * self.inverse[gene]).min(CLIP + self.offset[gene])
    }

    /// z of one cell, dense.
    pub(super) fn dense_row(&self, expression: &Expression, cell: usize, row: &mut [f64]) {
        row.iter_mut().zip(&self.offset).for_each(|(place, offset)| *place = -offset);
        let (genes, values) = expression.row(cell);
        for (&gene, &value) in genes.iter().zip(values) {
            row[gene as usize] = self.shifted(gene, value) - self.offset[gene as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genes_have_mean_zero_and_deviation_one_a_constant_one_is_zero_and_large_values_are_clipped() {
        let cells = 400;
        let dense: Vec<f32> =
            (0..cells).flat_map(|cell| [(cell % 7) as f32, if cell == 0 { 5.0 } else { 0.0 }, 2.5, 0.0]).collect();
        let expression = Expression::from_dense(4, &dense).unwrap();
        let standardized = Standardized::of(&expression);
        let mut rows = vec![vec![0.0; 4]; cells];
        rows.iter_mut().enumerate().for_each(|(cell, row)| standardized.dense_row(&expression, cell, row));
        let column = |gene: usize| rows.iter().map(move |row| row[gene]);
        assert!(column(0).sum::<f64>().abs() < 1e-9);
        assert!((column(0).map(|z| z * z).sum::<f64>() / cells as f64 - 1.0).abs() < 1e-9);
        // 5 in one of 400 cells is 19.97 deviations above the mean.
        assert_eq!(rows[0][1], 10.0);
        assert!((rows[1][1] + 1.0 / (399f64).sqrt()).abs() < 1e-9);
        assert!(column(2).chain(column(3)).all(|z| z == 0.0));
    }
}
