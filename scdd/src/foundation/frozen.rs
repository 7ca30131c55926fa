//! A stack of layers that trains no more: batch normalisation folded into the linear layers, no dropout, no graph for
//! the weights.

use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation::prelu};

use super::network::{Block, Stack};
use crate::tensors;

/// `prelu(x W + b)`, or `x W + b` in the last layer.
#[derive(Clone, Debug)]
struct Layer {
    weight: Tensor<2>,
    bias: Tensor<2>,
    slope: Option<Tensor<1>>,
}

/// Frozen layers, and the first layer's weights on the host for sparse rows.
#[derive(Clone, Debug)]
pub(crate) struct FrozenStack {
    layers: Vec<Layer>,
}

impl FrozenStack {
    /// Freezes a trained stack.
    pub(crate) fn new(stack: &Stack) -> Self {
        let mut layers: Vec<Layer> = stack.blocks.iter().map(fold).collect();
        layers.push(Layer { slope: None, ..plain(&stack.output) });
        Self { layers }
    }

    /// The stack of inputs of which only some, in the given order, are not zero.
    pub(crate) fn with_inputs(&self, inputs: &[usize]) -> Self {
        let mut layers = self.layers.clone();
        let first = &mut layers[0];
        first.weight = first.weight.clone().select(0, tensors::indices(inputs.iter().copied(), &self.device()));
        Self { layers }
    }

    /// The stack that makes only some outputs, in the given order.
    pub(crate) fn with_outputs(&self, outputs: &[usize]) -> Self {
        let mut layers = self.layers.clone();
        if let Some(last) = layers.last_mut() {
            let outputs = tensors::indices(outputs.iter().copied(), &last.weight.device());
            last.weight = last.weight.clone().select(1, outputs.clone());
            last.bias = last.bias.clone().select(1, outputs);
        }
        Self { layers }
    }

    pub(crate) fn device(&self) -> Device {
        self.layers[0].weight.device()
    }

    /// The first layer's weights `[inputs, hidden]` as host values.
    pub(crate) fn first_weights(&self) -> (Vec<f32>, usize) {
        let weight = self.layers[0].weight.clone();
        let [_, width] = weight.dims();
        (tensors::to_vec(weight), width)
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.after_first_layer(input.matmul(self.layers[0].weight.clone()))
    }

    /// From the first layer's weighted sums (without bias) to the output.
    pub(crate) fn after_first_layer(&self, sums: Tensor<2>) -> Tensor<2> {
        let first = &self.layers[0];
        let mut hidden = activate(sums + first.bias.clone(), &first.slope);
        for layer in &self.layers[1..] {
            hidden = activate(hidden.matmul(layer.weight.clone()) + layer.bias.clone(), &layer.slope);
        }
        hidden
    }
}

fn activate(sums: Tensor<2>, slope: &Option<Tensor<1>>) -> Tensor<2> {
    match slope {
        Some(slope) => prelu(sums, slope.clone()),
        None => sums,
    }
}

/// gamma (x W + b - mean) / sqrt(var + eps) + beta  =  x (W s) + ((b - mean) s + beta), with s = gamma / sqrt(var + eps)
fn fold(block: &Block) -> Layer {
    let Layer { weight, bias, .. } = plain(&block.linear);
    let row = |values: Tensor<1>| values.inner().unsqueeze::<2>();
    let norm = &block.norm;
    let scale = row(norm.gamma.val()) / row(norm.running_var.value()).add_scalar(norm.epsilon).sqrt();
    Layer {
        weight: weight * scale.clone(),
        bias: (bias - row(norm.running_mean.value())) * scale + row(norm.beta.val()),
        slope: Some(block.slope.val().inner()),
    }
}

fn plain(linear: &Linear) -> Layer {
    let weight = linear.weight.val().inner();
    let [_, outputs] = weight.dims();
    let bias = match &linear.bias {
        Some(bias) => bias.val().inner().unsqueeze::<2>(),
        None => Tensor::zeros([1, outputs], &weight.device()),
    };
    Layer { weight, bias, slope: None }
}
