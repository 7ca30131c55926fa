//! Correlations of genes over the cells of a set, each class weighing the same.

use crate::cells::Expression;

/// Cells that are dense at a time.
const CHUNK: usize = 256;

/// Pearson correlations of every two genes: the rows of the upper triangle without the diagonal. NaN where a gene does not
/// vary.
pub(super) struct Correlations(Vec<f64>);

impl Correlations {
    /// Of few genes; None below three cells, where every two genes correlate by 1 or -1.
    pub(super) fn of(expression: &Expression, labels: &[u32], classes: usize) -> Option<Self> {
        let (cells, genes) = (expression.cells(), expression.genes());
        if cells < 3 {
            return None;
        }
        let mut counts = vec![0usize; classes];
        labels.iter().for_each(|&label| counts[label as usize] += 1);
        let present = counts.iter().filter(|count| **count > 0).count() as f64;
        let weights: Vec<f64> = labels.iter().map(|&label| 1.0 / (present * counts[label as usize] as f64)).collect();
        let mut means = vec![0.0; genes];
        for (cell, weight) in weights.iter().enumerate() {
            let (row_genes, values) = expression.row(cell);
            row_genes.iter().zip(values).for_each(|(&gene, &value)| means[gene as usize] += weight * f64::from(value));
        }
        let mut products = vec![0.0; genes * genes];
        let all: Vec<usize> = (0..cells).collect();
        let mut centred = vec![0.0; genes];
        for some in all.chunks(CHUNK) {
            for (row, &cell) in expression.dense_rows(some).chunks_exact(genes.max(1)).zip(some) {
                let around = row.iter().zip(&means).map(|(&value, mean)| f64::from(value) - mean);
                centred.iter_mut().zip(around).for_each(|(centred, value)| *centred = value);
                for (gene, &value) in centred.iter().enumerate() {
                    let value = value * weights[cell];
                    let sums = &mut products[gene * genes + gene..(gene + 1) * genes];
                    sums.iter_mut().zip(&centred[gene..]).for_each(|(sum, other)| *sum += value * other);
                }
            }
        }
        // A variance of rounding is none.
        let deviation = |gene: usize| {
            let variance = products[gene * genes + gene];
            if variance > 1e-12 * (1.0 + means[gene].powi(2)) { variance.sqrt() } else { f64::NAN }
        };
        let deviations: Vec<f64> = (0..genes).map(deviation).collect();
        let pairs = (0..genes).flat_map(|gene| (gene + 1..genes).map(move |other| (gene, other)));
        let of_pair = |(gene, other)| products[gene * genes + other] / (deviations[gene] * deviations[other]);
        Some(Self(pairs.map(of_pair).collect()))
    }
}

/// Root mean square difference over pairs of genes that vary in both sets, and how many pairs these are.
pub(super) fn distance(a: &Correlations, b: &Correlations) -> Option<(f64, usize)> {
    let both = a.0.iter().zip(&b.0).map(|(a, b)| a - b).filter(|difference| difference.is_finite());
    let (sum, pairs) = both.fold((0.0, 0), |(sum, pairs), difference| (sum + difference * difference, pairs + 1));
    (pairs > 0).then(|| ((sum / pairs as f64).sqrt(), pairs))
}
