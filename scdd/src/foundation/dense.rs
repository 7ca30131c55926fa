//! A frozen dense layer on the processor, there and back, written out: h = prelu(x W + b) and dL/dx = (dL/dh prelu'(x W + b)) W^T.
//!
//! At 44 rows a layer of 1,024 units is mostly what multiplying matrices does before it multiplies: weights, and their transpose
//! on the way back, are put in order anew each time. Weights that change no more are put in order once (`packed.rs`).

use std::sync::OnceLock;

use burn::tensor::Tensor;

use super::doubt::Doubt;
use super::gene_sums::GeneSums;
use super::packed::PackedWeights;
#[cfg(target_arch = "x86_64")]
use super::tiles::has_tiles;
use crate::tensors;

/// A layer; the last one of a stack has no slope, and leaves sums as they are.
#[derive(Debug)]
pub(super) struct DenseLayer {
    /// `[inputs, outputs]`.
    weight: Tensor<2>,
    bias: Vec<f32>,
    slope: Option<f32>,
    /// `[outputs, inputs]`, once a row went there.
    there: OnceLock<PackedWeights>,
    /// `[inputs, outputs]`, once a gradient came back.
    back: OnceLock<PackedWeights>,
}

/// Which sums of a layer were below zero.
pub(super) type Below = Vec<bool>;

impl DenseLayer {
    pub(super) fn new(weight: Tensor<2>, bias: Vec<f32>, slope: Option<f32>) -> Self {
        Self { weight, bias, slope, there: OnceLock::new(), back: OnceLock::new() }
    }

    /// Rows `[rows, inputs]` to `[rows, outputs]`, and what the way back needs.
    pub(super) fn forward(&self, rows: &[f32]) -> (Vec<f32>, Below) {
        let (there, [inputs, outputs]) = (self.there(), self.weight.dims());
        let products = GeneSums::new(there, rows);
        let mut sums = products.to_rows(rows.len() / inputs.max(1), outputs);
        if self.slope.is_some()
            && let Some(doubt) = Doubt::new(products.slack(), rows, there)
        {
            doubt.settle_rows(&self.bias, &mut sums);
        }
        let below = activate(&mut sums, &self.bias, self.slope);
        (sums, below)
    }

    /// Gradients by what was made `[rows, outputs]` to gradients by the rows `[rows, inputs]`.
    pub(super) fn backward(&self, below: &Below, mut gradient: Vec<f32>) -> Vec<f32> {
        derive(&mut gradient, below, self.slope);
        let [inputs, outputs] = self.weight.dims();
        let back = self.back.get_or_init(|| PackedWeights::new(&tensors::to_vec(self.weight.clone()), outputs));
        GeneSums::new(back, &gradient).to_rows(gradient.len() / outputs.max(1), inputs)
    }

    /// What [`forward`](Self::forward) makes, on this thread, for many rows; None where the processor multiplies no tiles.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn forward_in_tiles(&self, rows: &[f32]) -> Option<Vec<f32>> {
        let mut sums = has_tiles().then(|| self.there().tiled().times(rows))?;
        activate(&mut sums, &self.bias, self.slope);
        Some(sums)
    }

    fn there(&self) -> &PackedWeights {
        self.there.get_or_init(|| {
            let [inputs, outputs] = self.weight.dims();
            let rows = |part| tensors::to_vec(self.weight.clone().slice([part, 0..outputs]));
            PackedWeights::transposed(outputs, inputs, rows)
        })
    }
}

/// Sums `[rows, outputs]` to prelu(sums + bias), in place; which were below zero, where there is a slope.
pub(super) fn activate(sums: &mut [f32], bias: &[f32], slope: Option<f32>) -> Below {
    for row in sums.chunks_exact_mut(bias.len().max(1)) {
        row.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
    }
    let Some(slope) = slope else { return Below::new() };
    let below = sums.iter().map(|sum| *sum < 0.0).collect();
    sums.iter_mut().for_each(|sum| *sum = if *sum < 0.0 { *sum * slope } else { *sum });
    below
}

/// Gradients by what [`activate`] made to gradients by the sums, in place.
pub(super) fn derive(gradient: &mut [f32], below: &Below, slope: Option<f32>) {
    let slope = slope.unwrap_or(1.0);
    let both = gradient.iter_mut().zip(below);
    both.for_each(|(gradient, below)| *gradient = if *below { *gradient * slope } else { *gradient });
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, activation::prelu};

    use super::*;
    use crate::seed;

    fn assert_near(found: &[f32], expected: &[f32], what: &str) {
        let length = expected.iter().map(|value| value * value).sum::<f32>().sqrt();
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        assert!(found.len() == expected.len() && apart <= 1e-5 * length, "{what}: {apart} of {length}");
    }

    #[test]
    fn a_layer_there_and_back_is_what_burn_makes_of_it() {
        let device = Device::flex();
        let mut rng = seed::stream(3, "test");
        for (count, inputs, outputs, slope) in [(44, 130, 70, Some(0.25)), (3, 5, 4, Some(-0.5)), (50, 64, 33, None)] {
            let mut draw = |rows, width| tensors::normal(rows, width, &mut rng, &device);
            let (rows, weight, bias) = (draw(count, inputs), draw(inputs, outputs), draw(1, outputs));
            let gradient = draw(count, outputs);
            let leaf = rows.clone().autodiff().require_grad();
            let sums = leaf.clone().matmul(weight.clone()) + bias.clone();
            let made = match slope {
                Some(slope) => prelu(sums, Tensor::full([1], slope, &device)),
                None => sums,
            };
            let expected = leaf.grad(&(made.clone() * gradient.clone()).sum().backward()).unwrap();

            let layer = DenseLayer::new(weight.clone(), tensors::to_vec(bias.clone()), slope);
            let (found, below) = layer.forward(&tensors::to_vec(rows.clone()));
            assert_near(&found, &tensors::to_vec(made.clone()), "there");
            let found = layer.backward(&below, tensors::to_vec(gradient.clone()));
            assert_near(&found, &tensors::to_vec(expected.clone()), "back");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn sums_that_are_nearly_zero_have_the_sign_of_f32() {
        if !has_tiles() {
            println!("skipped: this processor has no tiles, and sums are those of f32 in the order of its kernel");
            return;
        }
        let mut rng = seed::stream(5, "test");
        let (rows, inputs, outputs) = (40, 64, 300);
        let mut draw = |rows, width| tensors::normal(rows, width, &mut rng, &Device::flex());
        let (values, weight) = (tensors::to_vec(draw(rows, inputs)), draw(inputs, outputs));
        let row = |number: usize| &values[number * inputs..][..inputs];
        let part = |part| tensors::to_vec(weight.clone().slice([part, 0..outputs]));
        let exact = PackedWeights::transposed(outputs, inputs, part);
        // Of each output one row has next to nothing.
        let bias: Vec<f32> = (0..outputs).map(|output| 3e-7 - exact.times_gene(row(output % rows), output)).collect();
        let (_, below) = DenseLayer::new(weight.clone(), bias.clone(), Some(0.25)).forward(&values);
        for number in 0..rows {
            for (output, bias) in bias.iter().enumerate() {
                let sum = exact.times_gene(row(number), output) + bias;
                assert_eq!(below[number * outputs + output], sum < 0.0, "row {number}, output {output}: {sum}");
            }
        }
    }
}
