//! The layer-wise cosine distance of two gradients of a network (gradient matching: Zhao, Mopuri and Bilen 2021, equation
//! 10): sum over the rows of a layer's gradient, one for each output, of 1 - <a, b> / (|a| |b| + 1e-6).
//!
//! The gradient of a layer is sum_i d_i h_i^T / n. Where there are more outputs than cells it is never formed: the squared norm
//! of its row o is sum_ij d_io d_jo <h_i, h_j> / n^2, and the inner products of inputs are a small matrix. So the first layer of
//! an encoder of 28,231 genes needs no matrix `[genes, hidden]` for each class. Where synthetic cells are fewer than inputs, only
//! the real cells' gradient is formed: with it, <a_o, b_o> is sum_i d_io <a_o, h_i> / n.
//!
//! Classes with equal numbers of cells are one batch of matrices: 44 classes one by one would be two thousand operations on
//! small tensors in a step.

use burn::tensor::Tensor;

use super::network::Trace;
use crate::tensors;

/// First row and number of rows of a class.
type Span = (usize, usize);

/// A batch of classes with equal numbers of rows on both sides, and their weights.
#[derive(Clone, Debug)]
pub(super) struct ClassBatch {
    own: Vec<Span>,
    others: Vec<Span>,
    weights: Vec<f32>,
}

/// Batches of the classes that have rows on both sides, from the rows of each class on both sides and its weight.
pub(super) fn class_batches(classes: impl Iterator<Item = (Span, Span, f64)>) -> Vec<ClassBatch> {
    let mut groups: Vec<ClassBatch> = Vec::new();
    for (own, other, weight) in classes {
        let index = groups.iter().position(|group| group.own[0].1 == own.1 && group.others[0].1 == other.1);
        let index = index.unwrap_or_else(|| {
            groups.push(ClassBatch { own: Vec::new(), others: Vec::new(), weights: Vec::new() });
            groups.len() - 1
        });
        groups[index].own.push(own);
        groups[index].others.push(other);
        groups[index].weights.push(weight as f32);
    }
    groups
}

/// The side of all distances that needs no graph: for each batch of classes and each layer.
pub(super) struct Side(Vec<Vec<Own>>);

enum Own {
    /// The gradients `[classes, outputs, inputs]` and the squared norms of their rows `[classes, outputs, 1]`.
    Formed(Tensor<3>, Tensor<3>),
    /// Inputs and deltas, where there are more outputs than cells.
    Cells(LayerTrace),
}

impl Trace {
    /// The side that is held fixed.
    pub(super) fn side(&self, groups: &[ClassBatch]) -> Side {
        let of_group = |group: &ClassBatch| {
            let layers = (0..self.deltas.len()).map(|layer| {
                let own = self.layer(layer, &group.own);
                let outputs = own.delta.dims()[2];
                if outputs > own.rows() + group.others[0].1 { Own::Cells(own) } else { Own::formed(&own) }
            });
            layers.collect()
        };
        Side(groups.iter().map(of_group).collect())
    }

    /// The distances of the mean gradients of both sides, summed over layers, and over classes with their weights.
    pub(super) fn distance(&self, side: &Side, groups: &[ClassBatch]) -> Tensor<1> {
        let of_group = |(own, group): (&Vec<Own>, &ClassBatch)| {
            let layers = own.iter().enumerate().map(|(layer, own)| {
                let distances = row_distances(own.products(&self.layer(layer, &group.others)));
                let weights = Tensor::<1>::from_floats(&group.weights[..], &distances.device().inner());
                (distances * weights).sum()
            });
            layers.collect::<Vec<_>>()
        };
        Tensor::cat(side.0.iter().zip(groups).flat_map(of_group).collect(), 0).sum()
    }

    fn layer(&self, layer: usize, spans: &[Span]) -> LayerTrace {
        // Means over rows: deltas carry the 1 / n.
        let delta = stacked(&self.deltas[layer], spans) / spans[0].1 as f64;
        LayerTrace { input: stacked(&self.inputs[layer], spans), delta }
    }
}

/// The rows of classes with equal numbers of rows, `[classes, rows, width]`.
fn stacked(rows: &Tensor<2>, spans: &[Span]) -> Tensor<3> {
    let ((start, count), width) = (spans[0], rows.dims()[1]);
    let adjoin = spans.windows(2).all(|pair| pair[0].0 + count == pair[1].0);
    let chosen = if adjoin {
        rows.clone().narrow(0, start, spans.len() * count)
    } else {
        let numbers = spans.iter().flat_map(|&(first, count)| first..first + count);
        rows.clone().select(0, tensors::indices(numbers, &rows.device().inner()))
    };
    chosen.reshape([spans.len(), count, width])
}

/// Inputs `[classes, rows, inputs]` and deltas `[classes, rows, outputs]` of a layer.
struct LayerTrace {
    input: Tensor<3>,
    delta: Tensor<3>,
}

impl LayerTrace {
    fn rows(&self) -> usize {
        self.input.dims()[1]
    }

    /// The gradients `[classes, outputs, inputs]`.
    fn gradient(&self) -> Tensor<3> {
        self.delta.clone().swap_dims(1, 2).matmul(self.input.clone())
    }

    /// Inner products of the rows of both gradients, `[classes, 1, outputs]`.
    fn products(&self, other: &Self) -> Tensor<3> {
        let inputs = self.input.clone().matmul(other.input.clone().swap_dims(1, 2));
        (inputs.matmul(other.delta.clone()) * self.delta.clone()).sum_dim(1)
    }

    /// Squared norms of the gradient's rows, by inner products of inputs `[classes, 1, outputs]`.
    fn squares(&self) -> Tensor<3> {
        // Rounding may leave a square below zero.
        self.products(self).clamp_min(0.0)
    }
}

impl Own {
    fn formed(own: &LayerTrace) -> Self {
        let gradient = own.gradient();
        Self::Formed(gradient.clone(), gradient.powi_scalar(2).sum_dim(2))
    }

    /// Inner products of the rows of both gradients, and their squared norms, `[classes, outputs]` each.
    fn products(&self, other: &LayerTrace) -> [Tensor<2>; 3] {
        let [classes, _, outputs] = other.delta.dims();
        let found = match self {
            Self::Cells(own) => [own.products(other), own.squares(), other.squares()],
            Self::Formed(gradient, squares) if other.rows() < other.input.dims()[2] => {
                let along = other.input.clone().matmul(gradient.clone().swap_dims(1, 2));
                [(along * other.delta.clone()).sum_dim(1), squares.clone(), other.squares()]
            }
            Self::Formed(gradient, squares) => {
                let other = other.gradient();
                let products = (gradient.clone() * other.clone()).sum_dim(2);
                [products, squares.clone(), other.powi_scalar(2).sum_dim(2)]
            }
        };
        found.map(|of_rows| of_rows.reshape([classes, outputs]))
    }
}

/// The distance of each class, `[classes]`.
fn row_distances([products, a, b]: [Tensor<2>; 3]) -> Tensor<1> {
    let [classes, outputs] = products.dims();
    let norm = |squares: Tensor<2>| squares.add_scalar(1e-24).sqrt();
    let cosines = products / (norm(a) * norm(b)).add_scalar(1e-6);
    cosines.sum_dim(1).reshape([classes]).neg().add_scalar(outputs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use burn::tensor::Device;

    /// A layer of 5 inputs and 12 outputs, for two classes.
    fn layer(rows: usize, seed: u64) -> LayerTrace {
        let draw = |width, purpose| {
            let values = tensors::normal(2 * rows, width, &mut seed::stream(seed, purpose), &Device::flex());
            values.reshape([2, rows, width])
        };
        LayerTrace { input: draw(5, "input"), delta: draw(12, "delta") }
    }

    fn distances(own: &Own, other: &LayerTrace) -> Vec<f32> {
        tensors::to_vec(row_distances(own.products(other)))
    }

    /// The distances by formed gradients, on the host.
    fn plain(a: &LayerTrace, b: &LayerTrace) -> Vec<f64> {
        let gradients = [a, b].map(|layer| tensors::to_vec(layer.gradient()));
        let row = |of: usize, row: usize| gradients[of][row * 5..][..5].iter().map(|&value| f64::from(value));
        let distance = |number: usize| {
            let dot = |a: usize, b: usize| row(a, number).zip(row(b, number)).map(|(a, b)| a * b).sum::<f64>();
            1.0 - dot(0, 1) / ((dot(0, 0) * dot(1, 1)).sqrt() + 1e-6)
        };
        [0, 12].map(|first| (first..first + 12).map(distance).sum()).to_vec()
    }

    #[test]
    fn gradients_that_are_not_formed_give_the_distances_of_those_that_are() {
        // Fewer other cells than inputs, and more.
        for others in [3, 7] {
            let (a, b) = (layer(4, 1), layer(others, 2));
            let expected = plain(&a, &b);
            for own in [Own::formed(&a), Own::Cells(layer(4, 1))] {
                let found = distances(&own, &b);
                assert_eq!((expected.len(), found.len()), (2, 2));
                for (expected, found) in expected.iter().zip(found) {
                    assert!((expected - f64::from(found)).abs() < 1e-4 && *expected > 1.0, "{expected} and {found}");
                }
            }
        }
    }

    #[test]
    fn equal_gradients_have_no_distance_and_opposite_ones_two_a_row() {
        for rows in [4, 7] {
            for own in [Own::formed(&layer(rows, 1)), Own::Cells(layer(rows, 1))] {
                let mut other = layer(rows, 1);
                assert!(distances(&own, &other).iter().all(|distance| distance.abs() < 1e-4));
                other.delta = other.delta.neg();
                assert!(distances(&own, &other).iter().all(|distance| (distance - 24.0).abs() < 1e-4));
            }
        }
    }

    #[test]
    fn a_batch_of_classes_has_the_distances_of_classes_one_by_one() {
        let draw = |rows: usize, width, purpose: &str| {
            tensors::normal(rows, width, &mut seed::stream(3, purpose), &Device::flex())
        };
        let trace = |rows, name: &str| Trace {
            inputs: vec![draw(rows, 6, &format!("{name} inputs"))],
            deltas: vec![draw(rows, 4, &format!("{name} deltas"))],
        };
        let (own, other) = (trace(11, "own"), trace(5, "other"));
        // The first and the last class have equal numbers of rows, which are not adjacent.
        let classes = [((0, 3), (0, 1), 1.0), ((3, 5), (1, 3), 0.5), ((8, 3), (4, 1), 2.0)];
        let sum = |groups: &[ClassBatch]| tensors::scalar(other.distance(&own.side(groups), groups));
        let groups = class_batches(classes.into_iter());
        assert_eq!(groups.len(), 2);
        let one_by_one: f64 = classes.into_iter().map(|class| sum(&class_batches(std::iter::once(class)))).sum();
        assert!((sum(&groups) - one_by_one).abs() < 1e-5 * one_by_one, "{one_by_one}");
    }
}
