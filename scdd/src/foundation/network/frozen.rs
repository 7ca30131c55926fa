//! A frozen stack of layers: batch normalisation folded into the linear layers, no dropout, no autodiff graph for the weights.

use std::sync::{Arc, OnceLock};

use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation::prelu};

use scdd_compute::layer::{self, Below};
use scdd_compute::{DenseLayer, GemmWeights, PackedMatrix};

use super::autoencoder::{Block, Stack};
use crate::foundation::EncoderLayer;
use crate::tensors;

/// A layer on the host: `prelu(x W + b)`, or `x W + b` in the last one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostLayer {
    /// Weights `[inputs, outputs]`, row by row.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) slope: Option<f32>,
}

/// What batch normalisation does in inference, one value per unit.
#[derive(Clone, Debug)]
pub(crate) struct Normalization {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
    pub(crate) epsilon: f64,
}

impl HostLayer {
    /// gamma (x W + b - mean) / sqrt(var + eps) + beta  =  x (W s) + ((b - mean) s + beta), s = gamma / sqrt(var + eps)
    ///
    /// The scale is computed in f64, so that statistics that do nothing (variance 1 - eps) give exactly 1.
    pub(crate) fn fold(&mut self, norm: &Normalization) {
        let scale = norm.gamma.iter().zip(&norm.variance);
        let scale: Vec<f32> = scale
            .map(|(&gamma, &variance)| (f64::from(gamma) / (f64::from(variance) + norm.epsilon).sqrt()) as f32)
            .collect();
        for row in self.weight.chunks_exact_mut(scale.len().max(1)) {
            for (weight, scale) in row.iter_mut().zip(&scale) {
                *weight *= scale;
            }
        }
        for (unit, bias) in self.bias.iter_mut().enumerate() {
            *bias = (*bias - norm.mean[unit]) * scale[unit] + norm.beta[unit];
        }
    }
}

/// Weights `[inputs, outputs]` on a device, or on the host until a device needs them.
#[derive(Debug)]
struct Weight {
    host: PackedMatrix,
    device: Device,
    tensor: OnceLock<Tensor<2>>,
}

impl Weight {
    fn tensor(&self) -> Tensor<2> {
        self.tensor.get_or_init(|| tensors::from_rows(self.host.to_dense(), self.host.columns(), &self.device)).clone()
    }
}

#[derive(Clone, Debug)]
struct Layer {
    weight: Tensor<2>,
    bias: Tensor<2>,
    slope: Option<Tensor<1>>,
}

/// Frozen layers. The first layer's weights are on the host, packed for sparse rows, and go to the device with the first dense
/// ones: an encoder that only embeds holds them once.
#[derive(Clone, Debug)]
pub(crate) struct FrozenStack {
    first: Arc<Weight>,
    first_bias: Tensor<2>,
    first_slope: Option<Tensor<1>>,
    rest: Vec<Layer>,
    /// The last layer's weights on the host, once asked for.
    last: Arc<OnceLock<GemmWeights>>,
    /// Each layer on the host, once asked for.
    dense: Arc<Vec<OnceLock<DenseLayer>>>,
}

impl FrozenStack {
    /// Freezes a trained stack.
    pub(crate) fn freeze(stack: &Stack) -> Self {
        let device = stack.output.weight.val().inner().device();
        let layers = stack.blocks.iter().map(fold).chain(std::iter::once_with(|| plain(&stack.output)));
        let stack = Self::try_new(layers.map(Ok::<_, std::convert::Infallible>), &device);
        stack.unwrap_or_else(|never| match never {})
    }

    /// A stack of layers from the host, at least one; each is on the device before the next is asked for.
    pub(crate) fn try_new<Problem>(
        layers: impl IntoIterator<Item = Result<HostLayer, Problem>>,
        device: &Device,
    ) -> Result<Self, Problem> {
        let mut layers = layers.into_iter();
        let empty = HostLayer { weight: Vec::new(), bias: Vec::new(), slope: None };
        let first = layers.next().unwrap_or(Ok(empty))?;
        let HostLayer { weight, bias: first_bias, slope: first_slope } = first;
        let host = PackedMatrix::new(&weight, first_bias.len());
        drop(weight);
        let first = Weight { host, device: device.clone(), tensor: OnceLock::new() };
        let row = |values: Vec<f32>| {
            let width = values.len();
            tensors::from_rows(values, width, device)
        };
        let slope = |slope: Option<f32>| slope.map(|slope| Tensor::full([1], slope, device));
        let rest = layers.map(|layer| {
            let layer = layer?;
            let weight = tensors::from_rows(layer.weight, layer.bias.len(), device);
            Ok(Layer { weight, bias: row(layer.bias), slope: slope(layer.slope) })
        });
        let rest: Vec<_> = rest.collect::<Result<_, _>>()?;
        Ok(Self {
            first: Arc::new(first),
            first_bias: row(first_bias),
            first_slope: slope(first_slope),
            dense: none(1 + rest.len()),
            rest,
            last: Arc::default(),
        })
    }

    /// The stack of inputs of which only some, in the given order, are not zero.
    pub(crate) fn with_inputs(&self, inputs: &[usize]) -> Self {
        let host = self.first_weights().select_rows(inputs);
        let first = Weight { host, device: self.device(), tensor: OnceLock::new() };
        Self { first: Arc::new(first), last: Arc::default(), dense: none(self.len()), ..self.clone() }
    }

    /// The stack that makes only some outputs, in the given order.
    pub(crate) fn with_outputs(&self, outputs: &[usize]) -> Self {
        let mut cut = self.clone();
        if let Some(last) = cut.rest.last_mut() {
            let outputs = tensors::indices(outputs.iter().copied(), &last.weight.device());
            last.weight = last.weight.clone().select(1, outputs.clone());
            last.bias = last.bias.clone().select(1, outputs);
        }
        cut.last = Arc::default();
        cut.dense = none(self.len());
        cut
    }

    pub(crate) fn device(&self) -> Device {
        self.first.device.clone()
    }

    /// The first layer's weights `[inputs, hidden]` on the host.
    pub(crate) fn first_weights(&self) -> &PackedMatrix {
        &self.first.host
    }

    /// Weights `[outputs, inputs]` of the last layer on the host; they are there once more as a tensor. Empty where the last layer
    /// is the first.
    pub(crate) fn last_weights(&self) -> &GemmWeights {
        self.last.get_or_init(|| {
            GemmWeights::new(match self.rest.last() {
                Some(layer) => packed_outputs(&layer.weight),
                None => PackedMatrix::new(&[], 0),
            })
        })
    }

    /// How many layers there are.
    pub(crate) fn len(&self) -> usize {
        1 + self.rest.len()
    }

    /// Inputs and outputs of each layer.
    pub(crate) fn shapes(&self) -> Vec<[usize; 2]> {
        let first = [self.first_weights().rows(), self.first_weights().columns()];
        std::iter::once(first).chain(self.rest.iter().map(|layer| layer.weight.dims())).collect()
    }

    /// Weights `[inputs, outputs]` of a layer, row by row.
    pub(crate) fn weight(&self, layer: usize) -> Vec<f32> {
        match self.rest(layer) {
            Some(layer) => tensors::to_vec(layer.weight.clone()),
            None => self.first.host.to_dense(),
        }
    }

    /// A layer's bias.
    pub(crate) fn bias(&self, layer: usize) -> Vec<f32> {
        tensors::to_vec(self.rest(layer).map_or(&self.first_bias, |layer| &layer.bias).clone())
    }

    /// A layer's slope below zero; None in the last one.
    pub(crate) fn slope(&self, layer: usize) -> Option<f32> {
        let slope = self.rest(layer).map_or(&self.first_slope, |layer| &layer.slope);
        slope.clone().map(|slope| tensors::scalar(slope) as f32)
    }

    /// A layer after the first.
    fn rest(&self, layer: usize) -> Option<&Layer> {
        self.rest.get(layer.checked_sub(1)?)
    }

    /// The layers as tensors on the device.
    pub(crate) fn layers(&self) -> Vec<EncoderLayer> {
        let tensors = |layer| match self.rest(layer) {
            Some(layer) => (layer.weight.clone(), layer.bias.clone()),
            None => (self.first.tensor(), self.first_bias.clone()),
        };
        let layer = |place| {
            let (weight, bias) = tensors(place);
            EncoderLayer { weight, bias, slope: self.slope(place).map(f64::from) }
        };
        (0..self.len()).map(layer).collect()
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.after_first_layer(input.matmul(self.first.tensor()))
    }

    /// From the first layer's products (without bias) to the output.
    pub(crate) fn after_first_layer(&self, products: Tensor<2>) -> Tensor<2> {
        let first = activate(products + self.first_bias.clone(), &self.first_slope);
        self.rest.iter().fold(first, |hidden, layer| {
            activate(hidden.matmul(layer.weight.clone()) + layer.bias.clone(), &layer.slope)
        })
    }

    /// The same for rows on the host, on this thread; None where the processor has no AMX, or weights are on another device.
    pub(crate) fn after_first_layer_in_tiles(&self, products: &[f32]) -> Option<Vec<f32>> {
        if self.device() != Device::flex() || !scdd_compute::has_amx() {
            return None;
        }
        let (first, _) = self.activate_first(products.to_vec());
        (1..self.len()).try_fold(first, |rows, layer| self.dense(layer).forward_in_tiles(&rows))
    }

    /// The first layer's products on the host, without bias, to its outputs.
    pub(super) fn activate_first(&self, mut products: Vec<f32>) -> (Vec<f32>, Below) {
        let below = layer::activate(&mut products, &self.bias(0), self.slope(0));
        (products, below)
    }

    /// A layer on the host.
    pub(super) fn dense(&self, layer: usize) -> &DenseLayer {
        self.dense[layer].get_or_init(|| {
            let weights = match self.rest(layer) {
                Some(layer) => packed_outputs(&layer.weight),
                None => self.first.host.transpose(),
            };
            DenseLayer::new(weights, self.bias(layer), self.slope(layer))
        })
    }
}

/// Weights `[inputs, outputs]` packed as `[outputs, inputs]`; a panel's rows at a time, so that they aren't there a third time.
fn packed_outputs(weight: &Tensor<2>) -> PackedMatrix {
    let [inputs, outputs] = weight.dims();
    PackedMatrix::from_transposed(outputs, inputs, |rows| tensors::to_vec(weight.clone().slice([rows, 0..outputs])))
}

/// Layers that are not on the host yet.
fn none(count: usize) -> Arc<Vec<OnceLock<DenseLayer>>> {
    Arc::new((0..count).map(|_| OnceLock::new()).collect())
}

fn activate(sums: Tensor<2>, slope: &Option<Tensor<1>>) -> Tensor<2> {
    match slope {
        Some(slope) => prelu(sums, slope.clone()),
        None => sums,
    }
}

fn fold(block: &Block) -> HostLayer {
    let mut layer = plain(&block.linear);
    let norm = &block.norm;
    layer.fold(&Normalization {
        gamma: tensors::to_vec(norm.gamma.val()),
        beta: tensors::to_vec(norm.beta.val()),
        mean: tensors::to_vec(norm.running_mean.value()),
        variance: tensors::to_vec(norm.running_var.value()),
        epsilon: norm.epsilon,
    });
    layer.slope = Some(tensors::scalar(block.slope.val()) as f32);
    layer
}

fn plain(linear: &Linear) -> HostLayer {
    let weight = linear.weight.val();
    let [_, outputs] = weight.dims();
    let bias = linear.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| tensors::to_vec(bias.val()));
    HostLayer { weight: tensors::to_vec(weight), bias, slope: None }
}
