//! Marker genes of a synthetic set, after nearest shrunken centroids (Tibshirani et al. 2002):
//!     d_g = max_c |mean_cg - m_g| / (s_g + s_0),
//! with mean_cg the mean of the synthetic cells of class c, m_g the mean of these, s_g the standard deviation of real training
//! cells within their classes and s_0 the median of all s_g.
//!
//! A few synthetic cells differ in every gene, and in most of them by chance: to a model that standardises genes, a difference
//! of a hundredth is as large as one of three. So in the training of models on expression the other genes are masked, 0 in
//! every cell. Not m_g: a constant gene above 0 still changes the weights of networks, and takes room on scDeepInsight's map of
//! genes. Foundation models see all genes: they know what a gene means.

use std::iter::repeat_n;

use burn::tensor::{Device, Tensor};
use ndarray::{Array2, Axis};
use scdd_learn::statistics::{group_means, median};

use crate::preprocess::means_and_squares;
use crate::study::Study;
use crate::tensors;

/// Ranks genes as markers, by their deviation within classes of real training cells.
pub(super) struct Markers {
    /// s_g + s_0, log1p units.
    scale: Vec<f64>,
}

impl Markers {
    /// By the training cells of a study.
    pub(super) fn new(study: &Study) -> Self {
        let deviation = deviation(study);
        let s_0 = median(&deviation);
        Self { scale: deviation.into_iter().map(|s_g| s_g + s_0).collect() }
    }

    /// Which genes are the best markers, a fraction of all, in expression `[rows, genes]` of these classes.
    fn best(&self, expression: &Array2<f32>, labels: &[u32], fraction: f64) -> Vec<bool> {
        let genes = self.scale.len();
        let count = ((fraction * genes as f64).ceil() as usize).min(genes);
        // Rows of each class that has any; they are sorted by class.
        let classes: Vec<usize> = labels.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
        let class_of_row = classes.iter().enumerate().flat_map(|(class, &rows)| repeat_n(class, rows));
        let means = group_means(expression.rows(), class_of_row, classes.len());
        let centre = means.mean_axis(Axis(0)).unwrap_or_default();
        let effect = |gene: usize| {
            let farthest = means.column(gene).iter().map(|mean| (mean - centre[gene]).abs()).fold(0.0, f64::max);
            // A gene that no cell expresses has no deviation either.
            if farthest > 0.0 { farthest / self.scale[gene] } else { 0.0 }
        };
        let effects: Vec<f64> = (0..genes).map(effect).collect();
        let mut order: Vec<usize> = (0..genes).collect();
        order.sort_by(|&a, &b| effects[b].total_cmp(&effects[a]));
        let mut best = vec![false; genes];
        order[..count].iter().for_each(|&gene| best[gene] = true);
        best
    }
}

/// The best markers in expression `[rows, genes]` of these classes; None where all genes count.
pub(super) fn best_markers(
    markers: Option<&Markers>,
    expression: &Array2<f32>,
    labels: &[u32],
    fraction: f64,
) -> Option<Vec<bool>> {
    Some(markers.filter(|_| fraction < 1.0)?.best(expression, labels, fraction))
}

/// Expression `[rows, genes]` with all genes but these markers masked.
pub(super) fn mask_expression(mut expression: Array2<f32>, markers: &[bool]) -> Array2<f32> {
    for (mut values, _) in expression.columns_mut().into_iter().zip(markers).filter(|(_, marker)| !**marker) {
        values.fill(0.0);
    }
    expression
}

/// Markers as `[1, genes]` of 1 and 0, to multiply expression with.
pub(super) fn mask(markers: &[bool], device: &Device) -> Tensor<2> {
    tensors::from_rows(markers.iter().map(|&marker| f32::from(u8::from(marker))).collect(), markers.len(), device)
}

/// s_g: standard deviation of training cells around the mean of their own class.
fn deviation(study: &Study) -> Vec<f64> {
    let classes = study.training_cells().train_per_class();
    let (mut squares, mut cells) = (vec![0.0f64; study.cells().genes()], 0);
    for members in &classes {
        let (_, of_class) = means_and_squares(&study.cells().expression().select_cells(members), |value| value);
        squares.iter_mut().zip(of_class).for_each(|(sum, square)| *sum += square);
        cells += members.len();
    }
    let freedom = cells.saturating_sub(classes.len()).max(1) as f64;
    squares.into_iter().map(|square| (square / freedom).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn markers_are_the_genes_that_tell_classes_apart_best_for_their_deviation_and_others_are_masked() {
        // Class means are 1, .5, 2 and 1/8 from the middle; for their deviation, 2, 5, 1 and 1/8.
        let markers = Markers { scale: vec![0.5, 0.1, 2.0, 1.0] };
        let expression = array![[1.0f32, 3.0, 0.0, 0.25], [3.0, 3.0, 2.0, 0.25], [4.0, 2.0, 5.0, 0.5]];
        let best = markers.best(&expression, &[0, 0, 1], 0.5);
        assert_eq!(best, [true, true, false, false]);
        let masked = array![[1.0f32, 3.0, 0.0, 0.0], [3.0, 3.0, 0.0, 0.0], [4.0, 2.0, 0.0, 0.0]];
        assert_eq!(mask_expression(expression.clone(), &best), masked);
        let device = burn::tensor::Device::flex();
        let product = tensors::tensor(&expression, &device) * mask(&best, &device);
        assert_eq!(tensors::array(product), masked);
        assert_eq!(markers.best(&expression, &[0, 0, 1], 1.0), [true; 4]);
    }

    #[test]
    fn deviations_are_within_classes_whatever_lies_between_these() {
        let cells = crate::simulate().cells(150).genes(40).classes(3).run().unwrap();
        let study = cells.preprocess().min_genes(5).run().unwrap().study("cell_type");
        let study = study.foundation_epochs(1).run().unwrap();
        let (genes, found) = (study.cells().genes(), deviation(&study));
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
