//! Which genes tell the classes of a synthetic set apart, after nearest shrunken centroids (Tibshirani et al. 2002):
//!     d_g = max_c |mean_cg - m_g| / (s_g + s_0),
//! with mean_cg the mean of the synthetic cells of class c, m_g the mean of these, s_g the deviation of real training cells
//! within their classes and s_0 the median of all s_g.
//!
//! A few synthetic cells differ in every gene, and in most of them by chance: a model that standardises genes makes
//! as much of a difference of a hundredth as of one of three. Genes that are no markers get the same value in all
//! synthetic cells, m_g, so that no model learns from them (hard thresholding).

use burn::tensor::{Device, Tensor};
use ndarray::{Array2, Axis};

use crate::study::Study;
use crate::tensors;

/// How far each gene spreads within classes, as real training cells have it.
pub(super) struct Markers {
    /// s_g + s_0, log1p units.
    scale: Vec<f64>,
}

impl Markers {
    /// Of training cells.
    pub(super) fn new(study: &Study) -> Self {
        let spread = spread(study);
        let s_0 = median(&spread);
        Self { scale: spread.into_iter().map(|s_g| s_g + s_0).collect() }
    }

    /// Expression `[rows, genes]` of these classes, where only a share of the genes, the best markers, differs between rows.
    pub(super) fn keep(&self, mut expression: Array2<f32>, labels: &[u32], share: f64) -> Array2<f32> {
        for (gene, value) in self.muted(&expression, labels, share) {
            expression.column_mut(gene).fill(value);
        }
        expression
    }

    /// The same for expression that is made of the same codes with a graph.
    pub(super) fn muting(&self, expression: &Array2<f32>, labels: &[u32], share: f64, device: &Device) -> Muting {
        let genes = self.scale.len();
        let (mut keep, mut values) = (vec![1.0; genes], vec![0.0; genes]);
        for (gene, value) in self.muted(expression, labels, share) {
            (keep[gene], values[gene]) = (0.0, value);
        }
        Muting { keep: tensors::from_rows(keep, genes, device), values: tensors::from_rows(values, genes, device) }
    }

    /// Genes that are no markers, and m_g of each.
    fn muted(&self, expression: &Array2<f32>, labels: &[u32], share: f64) -> Vec<(usize, f32)> {
        let genes = self.scale.len();
        let kept = ((share * genes as f64).ceil() as usize).min(genes);
        let means = class_means(expression, labels);
        let centre = means.mean_axis(Axis(0)).unwrap_or_default();
        let effect = |gene: usize| {
            let farthest = means.column(gene).iter().map(|mean| (mean - centre[gene]).abs()).fold(0.0, f64::max);
            // A gene that nobody expresses has no spread either.
            if farthest > 0.0 { farthest / self.scale[gene] } else { 0.0 }
        };
        let effects: Vec<f64> = (0..genes).map(effect).collect();
        let mut order: Vec<usize> = (0..genes).collect();
        order.sort_by(|&a, &b| effects[b].total_cmp(&effects[a]));
        order[kept..].iter().map(|&gene| (gene, centre[gene] as f32)).collect()
    }
}

/// Which genes are markers, `[1, genes]` of 1 and 0, and the value of the others.
pub(super) struct Muting {
    keep: Tensor<2>,
    values: Tensor<2>,
}

impl Muting {
    /// Of expression `[rows, genes]`. A muted gene is exactly the same number in each row: what rounding would leave of a
    /// difference, standardising makes a signal.
    pub(super) fn of(&self, expression: Tensor<2>) -> Tensor<2> {
        expression * self.keep.clone() + self.values.clone()
    }
}

/// Mean of each class that has rows `[classes, genes]`; rows come class by class.
fn class_means(expression: &Array2<f32>, labels: &[u32]) -> Array2<f64> {
    let groups: Vec<&[u32]> = labels.chunk_by(|a, b| a == b).collect();
    let mut means = Array2::zeros((groups.len(), expression.ncols()));
    let mut rows = expression.rows().into_iter();
    for (mut mean, group) in means.rows_mut().into_iter().zip(&groups) {
        for row in rows.by_ref().take(group.len()) {
            mean.zip_mut_with(&row, |mean, &value| *mean += f64::from(value) / group.len() as f64);
        }
    }
    means
}

/// s_g: deviation of training cells from the mean of their own class.
fn spread(study: &Study) -> Vec<f64> {
    let (genes, classes) = (study.cells().genes(), study.training_cells().train_per_class());
    let (mut squares, mut cells) = (vec![0.0f64; genes], 0usize);
    for members in &classes {
        let (mut sums, mut stored, of_class) = (vec![0.0f64; genes], vec![0usize; genes], members.len() as f64);
        let values = || members.iter().map(|&cell| study.cells().expression().row(cell));
        for (gene, value) in values().flat_map(|(genes, values)| genes.iter().zip(values)) {
            sums[*gene as usize] += f64::from(*value) / of_class;
            stored[*gene as usize] += 1;
        }
        // Around the mean, zeros by their number.
        for (gene, value) in values().flat_map(|(genes, values)| genes.iter().zip(values)) {
            squares[*gene as usize] += (f64::from(*value) - sums[*gene as usize]).powi(2);
        }
        for ((square, mean), stored) in squares.iter_mut().zip(&sums).zip(stored) {
            *square += mean * mean * (members.len() - stored) as f64;
        }
        cells += members.len();
    }
    let freedom = cells.saturating_sub(classes.len()).max(1) as f64;
    squares.into_iter().map(|square| (square / freedom).sqrt()).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn only_the_genes_that_tell_classes_apart_best_for_their_spread_differ_between_cells() {
        // Class means are 1, .5, 2 and 1/8 from the middle; for their spread, 2, 5, 1 and 1/8.
        let markers = Markers { scale: vec![0.5, 0.1, 2.0, 1.0] };
        let expression = array![[1.0f32, 3.0, 0.0, 0.25], [3.0, 3.0, 2.0, 0.25], [4.0, 2.0, 5.0, 0.5]];
        let kept = markers.keep(expression.clone(), &[0, 0, 1], 0.5);
        assert_eq!(kept.column(0), expression.column(0));
        assert_eq!(kept.column(1), expression.column(1));
        // The mean of the class means, not of the cells.
        assert_eq!(kept.column(2), array![3.0f32, 3.0, 3.0]);
        assert_eq!(kept.column(3), array![0.375f32, 0.375, 0.375]);
        assert_eq!(markers.keep(expression.clone(), &[0, 0, 1], 1.0), expression);
    }

    #[test]
    fn genes_spread_within_classes_whatever_lies_between_these() {
        let cells = crate::simulate().cells(150).genes(40).classes(3).run().unwrap();
        let study = cells.preprocess().min_genes(5).run().unwrap().study("cell_type");
        let study = study.foundation_epochs(1).run().unwrap();
        let (genes, found) = (study.cells().genes(), spread(&study));
        let (mut squares, mut freedom) = (vec![0.0f64; genes], 0);
        for members in study.training_cells().train_per_class() {
            let dense = study.cells().expression().dense_rows(&members);
            for (gene, square) in squares.iter_mut().enumerate() {
                let values = || dense.iter().skip(gene).step_by(genes).map(|&value| f64::from(value));
                let mean = values().sum::<f64>() / members.len() as f64;
                *square += values().map(|value| (value - mean).powi(2)).sum::<f64>();
            }
            freedom += members.len() - 1;
        }
        for (found, square) in found.iter().zip(squares) {
            assert!((found - (square / freedom as f64).sqrt()).abs() < 1e-9);
        }
    }
}
