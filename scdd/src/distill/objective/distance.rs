//! How far two gradients of a network are apart: the layer-wise distance of gradient matching (Zhao, Mopuri and Bilen
//! 2021, equation 10): sum over the rows of a layer's gradient, one for each output, of 1 - <a, b> / (|a| |b| + 1e-6).
//!
//! The gradient of a layer is sum_i d_i h_i^T / n. Where there are more outputs than cells it is never formed: row o of it
//! has the products sum_ij d_io d_jo <h_i, h_j> / n^2, and the products of inputs <h_i, h_j> are a small matrix. So the
//! first layer of an encoder of 28,231 genes costs no matrix `[genes, hidden]` for each class.

use burn::tensor::Tensor;

use super::network::Trace;

/// First row and number of rows of a class.
type Span = (usize, usize);

impl Trace {
    /// The distance of the mean gradients of some rows here and of some rows there, summed over layers.
    pub(super) fn distance(&self, rows: Span, other: &Self, others: Span) -> Tensor<1> {
        let layers = (0..self.deltas.len()).map(|layer| {
            let (own, other) = (self.layer(layer, rows), other.layer(layer, others));
            if own.delta.dims()[1] > rows.1 + others.1 { by_products(&own, &other) } else { by_gradients(&own, &other) }
        });
        Tensor::cat(layers.collect(), 0).sum()
    }

    fn layer(&self, layer: usize, (first, count): Span) -> LayerTrace {
        let rows = |of: &[Tensor<2>]| of[layer].clone().narrow(0, first, count);
        // Means over rows: deltas carry the 1 / n.
        LayerTrace { input: rows(&self.inputs), delta: rows(&self.deltas) / count as f64 }
    }
}

/// Inputs `[rows, inputs]` and deltas `[rows, outputs]` of a layer.
struct LayerTrace {
    input: Tensor<2>,
    delta: Tensor<2>,
}

impl LayerTrace {
    /// The gradient `[outputs, inputs]`.
    fn gradient(&self) -> Tensor<2> {
        self.delta.clone().transpose().matmul(self.input.clone())
    }

    /// Products of the rows of both gradients, `[1, outputs]`.
    fn products(&self, other: &Self) -> Tensor<2> {
        let inputs = self.input.clone().matmul(other.input.clone().transpose());
        (inputs.matmul(other.delta.clone()) * self.delta.clone()).sum_dim(0)
    }
}

fn by_gradients(a: &LayerTrace, b: &LayerTrace) -> Tensor<1> {
    let (a, b) = (a.gradient(), b.gradient());
    let squares = |rows: &Tensor<2>| rows.clone().powi_scalar(2).sum_dim(1);
    let products = (a.clone() * b.clone()).sum_dim(1);
    row_distance(products, squares(&a), squares(&b))
}

fn by_products(a: &LayerTrace, b: &LayerTrace) -> Tensor<1> {
    // Rounding may leave a square below zero.
    let squares = |layer: &LayerTrace| layer.products(layer).clamp_min(0.0);
    row_distance(a.products(b), squares(a), squares(b))
}

fn row_distance(products: Tensor<2>, a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    let [rows, columns] = products.dims();
    let length = |squares: Tensor<2>| squares.add_scalar(1e-24).sqrt();
    let cosines = products / (length(a) * length(b)).add_scalar(1e-6);
    cosines.sum().neg().add_scalar((rows * columns) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed, tensors};
    use burn::tensor::Device;

    fn layer(rows: usize, seed: u64) -> LayerTrace {
        let draw = |width, purpose| tensors::normal(rows, width, &mut seed::stream(seed, purpose), &Device::flex());
        LayerTrace { input: draw(5, "input"), delta: draw(12, "delta") }
    }

    #[test]
    fn products_of_cells_give_the_distance_of_the_gradients() {
        let (a, b) = (layer(4, 1), layer(3, 2));
        let (formed, products) = (tensors::scalar(by_gradients(&a, &b)), tensors::scalar(by_products(&a, &b)));
        assert!((formed - products).abs() < 1e-4 && formed > 1.0, "{formed} and {products}");
    }

    #[test]
    fn equal_gradients_have_no_distance_and_opposite_ones_two_a_row() {
        for distance in [by_gradients, by_products] {
            let (a, mut opposite) = (layer(4, 1), layer(4, 1));
            opposite.delta = opposite.delta.neg();
            assert!(tensors::scalar(distance(&a, &a)).abs() < 1e-4);
            assert!((tensors::scalar(distance(&a, &opposite)) - 24.0).abs() < 1e-4);
        }
    }
}
