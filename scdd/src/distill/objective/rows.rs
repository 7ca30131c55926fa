//! Labelled rows as tensors, with a weight for each: training data of the small networks.

use burn::tensor::Tensor;

use super::network::Data;
use crate::tensors;

/// Rows `[rows, width]` with their labels, sorted by class.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) data: Data,
    of_class: Vec<Option<(usize, usize)>>,
}

impl Rows {
    /// Rows of equal weight: losses are means over rows.
    pub(super) fn new(values: Tensor<2>, labels: &[u32], classes: usize) -> Self {
        Self::weighted(values, labels, classes, |_, _| 1.0 / labels.len() as f64)
    }

    /// Rows whose classes have given weights, whatever the number of their rows.
    pub(super) fn balanced(values: Tensor<2>, labels: &[u32], weights: &[f64]) -> Self {
        let of_class = class_rows(labels);
        let sum: f64 = of_class.iter().map(|&(class, ..)| weights[class as usize]).sum();
        Self::weighted(values, labels, weights.len(), |class, count| weights[class] / sum / count as f64)
    }

    fn weighted(values: Tensor<2>, labels: &[u32], classes: usize, weight: impl Fn(usize, usize) -> f64) -> Self {
        let device = values.device().inner();
        let mut of_class = vec![None; classes];
        let mut row_weights = vec![0.0; labels.len()];
        for (class, first, count) in class_rows(labels) {
            of_class[class as usize] = Some((first, count));
            row_weights[first..first + count].fill(weight(class as usize, count) as f32);
        }
        let one_hot = one_hot(labels, classes, &device);
        Self {
            data: Data { values, one_hot, weights: tensors::from_rows(row_weights, 1, &device), first_products: None },
            of_class,
        }
    }

    /// The same without a graph.
    pub(super) fn fixed(&self) -> Self {
        let first_products = self.data.first_products.clone().map(Tensor::inner);
        let data = Data { values: self.data.values.clone().inner(), first_products, ..self.data.clone() };
        Self { data, of_class: self.of_class.clone() }
    }

    /// The same rows with changed data.
    pub(super) fn map(self, change: impl FnOnce(Data) -> Data) -> Self {
        Self { data: change(self.data), of_class: self.of_class }
    }

    /// First row and number of rows of a class; None when it has none.
    pub(super) fn of_class(&self, class: usize) -> Option<(usize, usize)> {
        self.of_class[class]
    }
}

/// One-hot labels `[rows, classes]`.
pub(super) fn one_hot(labels: &[u32], classes: usize, device: &burn::tensor::Device) -> Tensor<2> {
    let mut values = vec![0.0; labels.len() * classes];
    for (row, &label) in labels.iter().enumerate() {
        values[row * classes + label as usize] = 1.0;
    }
    tensors::from_rows(values, classes, device)
}

/// First row and number of rows of each class that has any; rows are sorted by class.
pub(in crate::distill) fn class_rows(labels: &[u32]) -> Vec<(u32, usize, usize)> {
    let mut rows = Vec::new();
    for (row, &label) in labels.iter().enumerate() {
        match rows.last_mut() {
            Some((class, _, count)) if *class == label => *count += 1,
            _ => rows.push((label, row, 1)),
        }
    }
    rows
}
