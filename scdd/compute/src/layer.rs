//! A frozen dense layer with hand-derived backward: h = PReLU(x W + b), dL/dx = (dL/dh PReLU'(x W + b)) W^T.
//!
//! With 44 rows a layer of 1,024 units is mostly what a GEMM does before it multiplies: it packs the weights, and their transpose
//! for the gradient, anew in each call. Frozen weights are packed once.

use std::sync::OnceLock;

use crate::near_zero::NearZero;
use crate::packed::PackedMatrix;
use crate::packed_gemm::{GemmWeights, PackedGemm};

/// A layer `[inputs, outputs]`. Without a slope, as the last of a network is, it is linear.
#[derive(Debug)]
pub struct DenseLayer {
    /// `[outputs, inputs]`.
    weights: GemmWeights,
    /// `[inputs, outputs]`, once a gradient was asked for.
    transposed: OnceLock<GemmWeights>,
    bias: Vec<f32>,
    slope: Option<f32>,
}

/// Which pre-activations of a layer were below zero, `[rows, outputs]`; empty for a linear layer.
pub type Below = Vec<bool>;

impl DenseLayer {
    /// Of weights `[outputs, inputs]`, a bias for each output, and PReLU's slope below zero.
    ///
    /// ```
    /// use scdd_compute::{DenseLayer, PackedMatrix};
    /// let layer = DenseLayer::new(PackedMatrix::new(&[1.0, -2.0], 1), vec![0.5, 0.0], Some(0.25));
    /// let (made, below) = layer.forward(&[2.0]);
    /// assert_eq!(made, [2.5, -1.0]);
    /// assert_eq!(layer.backward(&below, vec![1.0, 1.0]), [0.5]);
    /// ```
    pub fn new(weights: PackedMatrix, bias: Vec<f32>, slope: Option<f32>) -> Self {
        Self { weights: GemmWeights::new(weights), transposed: OnceLock::new(), bias, slope }
    }

    /// Rows `[rows, inputs]` to `[rows, outputs]`, and what [`backward`](Self::backward) needs. The sign of a pre-activation is
    /// f32's on every processor.
    pub fn forward(&self, rows: &[f32]) -> (Vec<f32>, Below) {
        let products = PackedGemm::new(&self.weights, rows);
        let mut pre_activations = products.all_outputs();
        if self.slope.is_some()
            && let Some(near_zero) = NearZero::new(products.error_bound(), rows, self.weights.packed())
        {
            near_zero.recompute_rows(&self.bias, &mut pre_activations);
        }
        let below = activate(&mut pre_activations, &self.bias, self.slope);
        (pre_activations, below)
    }

    /// Gradients by outputs `[rows, outputs]` to gradients by inputs `[rows, inputs]`.
    pub fn backward(&self, below: &Below, mut gradient: Vec<f32>) -> Vec<f32> {
        multiply_slope(&mut gradient, below, self.slope);
        let transposed = self.transposed.get_or_init(|| GemmWeights::new(self.weights.packed().transpose()));
        transposed.times(&gradient)
    }

    /// The outputs of [`forward`](Self::forward) for many rows, on this thread; None where the processor has no AMX. Signs near
    /// zero are not rechecked, which no value depends on beyond rounding.
    #[cfg(target_arch = "x86_64")]
    pub fn forward_in_tiles(&self, rows: &[f32]) -> Option<Vec<f32>> {
        let mut pre_activations = self.weights.times_in_tiles(rows)?;
        activate(&mut pre_activations, &self.bias, self.slope);
        Some(pre_activations)
    }

    /// None: there is no AMX on this kind of processor.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn forward_in_tiles(&self, _: &[f32]) -> Option<Vec<f32>> {
        None
    }
}

/// Products `[rows, outputs]` to PReLU(products + bias), in place; which pre-activations were below zero, where there is a slope.
pub fn activate(products: &mut [f32], bias: &[f32], slope: Option<f32>) -> Below {
    for row in products.chunks_exact_mut(bias.len().max(1)) {
        row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
    }
    let Some(slope) = slope else { return Below::new() };
    let below = products.iter().map(|value| *value < 0.0).collect();
    products.iter_mut().for_each(|value| *value = if *value < 0.0 { *value * slope } else { *value });
    below
}

/// Gradients by the outputs of [`activate`] to gradients by pre-activations, in place.
pub fn multiply_slope(gradient: &mut [f32], below: &Below, slope: Option<f32>) {
    let slope = slope.unwrap_or(1.0);
    let both = gradient.iter_mut().zip(below);
    both.for_each(|(gradient, below)| *gradient = if *below { *gradient * slope } else { *gradient });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cases, draw, rng};

    #[test]
    fn outputs_and_gradients_are_those_of_the_formula_in_f64() {
        let mut rng = rng(3);
        for (count, inputs, outputs, slope) in
            cases([(3, 5, 4, Some(-0.5)), (44, 130, 70, Some(0.25)), (50, 64, 33, None)], 1)
        {
            let mut draw = |count| draw(count, &mut rng);
            let (rows, weights, bias) = (draw(count * inputs), draw(outputs * inputs), draw(outputs));
            let upstream = draw(count * outputs);
            let layer = DenseLayer::new(PackedMatrix::new(&weights, inputs), bias.clone(), slope);
            let (made, below) = layer.forward(&rows);
            let back = layer.backward(&below, upstream.clone());
            let wide = |value: f32| f64::from(value);
            for (row, values) in rows.chunks_exact(inputs).enumerate() {
                let mut expected_back = vec![0.0; inputs];
                for (output, weights) in weights.chunks_exact(inputs).enumerate() {
                    let product: f64 = values.iter().zip(weights).map(|(x, w)| wide(*x) * wide(*w)).sum();
                    let pre_activation = product + wide(bias[output]);
                    let factor = if pre_activation < 0.0 { wide(slope.unwrap_or(1.0)) } else { 1.0 };
                    let found = wide(made[row * outputs + output]);
                    assert!((found - factor * pre_activation).abs() < 1e-4, "{found} and {pre_activation}");
                    let by_pre_activation = wide(upstream[row * outputs + output]) * factor;
                    expected_back.iter_mut().zip(weights).for_each(|(sum, w)| *sum += by_pre_activation * wide(*w));
                }
                for (found, expected) in back[row * inputs..][..inputs].iter().zip(expected_back) {
                    assert!((wide(*found) - expected).abs() < 1e-4, "{found} and {expected}");
                }
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes")]
    fn pre_activations_near_zero_have_the_sign_of_f32() {
        let mut rng = rng(5);
        let (count, inputs, outputs) = (40, 64, 300);
        let (rows, weights) = (draw(count * inputs, &mut rng), draw(outputs * inputs, &mut rng));
        let packed = PackedMatrix::new(&weights, inputs);
        let row = |number: usize| &rows[number * inputs..][..inputs];
        // Of each output one row is next to zero.
        let bias: Vec<f32> = (0..outputs).map(|output| 3e-7 - packed.dot(row(output % count), output)).collect();
        let weights = GemmWeights::new(PackedMatrix::new(&weights, inputs));
        for (gemm, name) in PackedGemm::of_every_kernel(&weights, &rows) {
            let Some(near_zero) = NearZero::new(gemm.error_bound(), &rows, &packed) else { continue };
            let mut found = gemm.all_outputs();
            near_zero.recompute_rows(&bias, &mut found);
            for number in 0..count {
                for (output, bias) in bias.iter().enumerate() {
                    let expected = packed.dot(row(number), output) + bias;
                    let found = found[number * outputs + output] + bias;
                    assert_eq!(found < 0.0, expected < 0.0, "{name}, row {number}, output {output}: {expected}");
                }
            }
        }
    }
}
