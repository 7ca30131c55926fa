//! A multi-layer perceptron with a hand-derived backward pass in tensor operations, so that gradients by its weights are
//! differentiable.
//!
//! Burn differentiates once, and an objective that compares gradients of a loss has to differentiate these. Here stands
//! backpropagation of softmax cross-entropy through linear layers, ReLU or PReLU, and scaling to unit norm: with
//! d_i = p_i - onehot_i at the end, and d = (d W^T) * activation' from layer to layer, the gradient of a layer is
//! sum_i weight_i d_i h_i^T, h its input.

use burn::tensor::{Device, Tensor, activation::softmax};
use rand_chacha::ChaCha8Rng;

use crate::foundation::EncoderLayer;
use crate::tensors;

/// The activation after a layer.
#[derive(Clone, Copy, Debug)]
enum Activation {
    /// None: logits.
    Identity,
    /// x where it is not negative, slope x elsewhere: ReLU with slope 0, PReLU.
    Slope(f64),
    /// Rows scaled to norm sqrt(width): a latent at the scale of the heads.
    Latents,
}

#[derive(Clone, Debug)]
struct Layer {
    /// `[inputs, outputs]`
    weight: Tensor<2>,
    /// `[1, outputs]`
    bias: Option<Tensor<2>>,
    activation: Activation,
}

/// Linear layers with their activations, logits at the end.
#[derive(Clone, Debug)]
pub(super) struct Network {
    layers: Vec<Layer>,
    /// The number of layers that are an encoder's.
    encoder: usize,
    /// How much an encoder's first layer has changed.
    drift: Option<Drift>,
}

/// The low-rank change of a first layer's weights in training: W - R^T A, R the rows `[rows, genes]` that it trains on. R and A
/// `[rows, hidden]` are small where W is not, and products of rows with W are computed once.
#[derive(Clone, Debug)]
struct Drift {
    rows: Tensor<2>,
    steps: Tensor<2>,
}

/// Training data: rows `[rows, width]`, one-hot classes `[rows, classes]`, and row weights `[rows, 1]` with a sum of 1.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) values: Tensor<2>,
    pub(super) one_hot: Tensor<2>,
    pub(super) weights: Tensor<2>,
    /// Products of the rows with the first layer's initial weights, where these are many.
    pub(super) first_products: Option<Tensor<2>>,
}

/// A forward and a backward pass: for each layer its inputs `[rows, inputs]`, and the gradient of each row's cross-entropy by
/// its pre-activations `[rows, outputs]`.
pub(super) struct Trace {
    pub(super) inputs: Vec<Tensor<2>>,
    pub(super) deltas: Vec<Tensor<2>>,
}

impl Network {
    /// Weights drawn as PyTorch draws them, ReLU between layers of these widths. Hidden layers have a bias; the last one
    /// has none.
    pub(super) fn random(widths: &[usize], rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let layers = widths.windows(2).enumerate().map(|(index, pair)| {
            let layer = tensors::linear(pair[0], pair[1], rng, &device.clone().inner());
            let last = index + 2 == widths.len();
            let bias = layer.bias.filter(|_| !last).map(|bias| bias.val().inner().unsqueeze::<2>());
            let activation = if last { Activation::Identity } else { Activation::Slope(0.0) };
            Layer { weight: layer.weight.val().inner(), bias, activation }
        });
        Self { layers: layers.collect(), encoder: 0, drift: None }
    }

    /// This network behind an encoder with latents of unit norm, which it takes at scale sqrt(latent). The whole can train on
    /// these rows `[rows, genes]` only.
    pub(super) fn behind(mut self, encoder: Vec<EncoderLayer>, rows: Tensor<2>) -> Self {
        let hidden = encoder.first().map_or(0, |layer| layer.weight.dims()[1]);
        let steps = Tensor::zeros([rows.dims()[0], hidden], &rows.device());
        let last = encoder.len().saturating_sub(1);
        let mut layers: Vec<Layer> = encoder
            .into_iter()
            .enumerate()
            .map(|(index, layer)| {
                let activation =
                    if index == last { Activation::Latents } else { Activation::Slope(layer.slope.unwrap_or(1.0)) };
                Layer { weight: layer.weight, bias: Some(layer.bias), activation }
            })
            .collect();
        let encoder = layers.len();
        layers.append(&mut self.layers);
        Self { layers, encoder, drift: Some(Drift { rows, steps }) }
    }

    /// A learning rate for each layer.
    pub(super) fn rates(&self, encoder: f64, head: f64) -> Vec<f64> {
        (0..self.layers.len()).map(|layer| if layer < self.encoder { encoder } else { head }).collect()
    }

    /// The data with its products in the first layer, so that passes need not compute them.
    pub(super) fn with_first_products(&self, mut data: Data) -> Data {
        data.first_products = self.layers.first().map(|layer| data.values.clone().matmul(layer.weight.clone()));
        data
    }

    /// Inputs and pre-activations of each layer.
    fn forward(&self, values: Tensor<2>, mut first_products: Option<Tensor<2>>) -> (Vec<Tensor<2>>, Vec<Tensor<2>>) {
        let (mut inputs, mut pre_activations, mut input) = (Vec::new(), Vec::new(), values);
        for (index, layer) in self.layers.iter().enumerate() {
            let mut x = first_products.take().unwrap_or_else(|| input.clone().matmul(layer.weight.clone()));
            if let Some(drift) = self.drift.as_ref().filter(|_| index == 0) {
                x = x - input.clone().matmul(drift.rows.clone().transpose()).matmul(drift.steps.clone());
            }
            if let Some(bias) = &layer.bias {
                x = x + bias.clone();
            }
            inputs.push(input);
            input = layer.activation.forward(x.clone());
            pre_activations.push(x);
        }
        (inputs, pre_activations)
    }

    /// Logits `[rows, classes]`.
    pub(super) fn outputs(&self, values: Tensor<2>) -> Tensor<2> {
        let outputs = self.forward(values.clone(), None).1.pop();
        outputs.unwrap_or(values)
    }

    /// Inputs of the last layer.
    pub(super) fn hidden(&self, values: Tensor<2>) -> Tensor<2> {
        let hidden = self.forward(values.clone(), None).0.pop();
        hidden.unwrap_or(values)
    }

    /// A forward and a backward pass of rows of these classes.
    pub(super) fn trace(&self, data: &Data) -> Trace {
        let (inputs, mut pre_activations) = self.forward(data.values.clone(), data.first_products.clone());
        let Some(outputs) = pre_activations.pop() else { return Trace { inputs, deltas: Vec::new() } };
        let mut deltas = vec![softmax(outputs, 1) - data.one_hot.clone()];
        for (index, pre_activation) in pre_activations.into_iter().enumerate().rev() {
            let above = &deltas[deltas.len() - 1];
            let upstream = above.clone().matmul(self.layers[index + 1].weight.clone().transpose());
            deltas.push(self.layers[index].activation.backward(pre_activation, upstream));
        }
        deltas.reverse();
        Trace { inputs, deltas }
    }

    /// Gradients of the cross-entropy of data by each layer's weights, `[outputs, inputs]`.
    pub(super) fn gradients(&self, data: &Data) -> Vec<Tensor<2>> {
        let Trace { inputs, deltas } = self.trace(data);
        let layers = deltas.into_iter().zip(inputs);
        layers.map(|(delta, input)| (delta * data.weights.clone()).transpose().matmul(input)).collect()
    }

    /// One step of gradient descent with a rate for each layer, biases included. Differentiable in the data when that has a
    /// graph.
    pub(super) fn descend(&mut self, data: &Data, rates: &[f64]) {
        let Trace { inputs, deltas } = self.trace(data);
        let layers = self.layers.iter_mut().zip(deltas).zip(inputs).zip(rates);
        for (index, (((layer, delta), input), &rate)) in layers.enumerate() {
            let delta = delta * data.weights.clone();
            match self.drift.as_mut().filter(|_| index == 0) {
                Some(drift) => drift.steps = drift.steps.clone() + delta.clone() * rate,
                None => layer.weight = layer.weight.clone() - input.transpose().matmul(delta.clone()) * rate,
            }
            layer.bias = layer.bias.take().map(|bias| bias - delta.sum_dim(0) * rate);
        }
    }

    /// Squared distance of all weights and biases, for networks without an encoder.
    pub(super) fn squared_distance(&self, other: &Self) -> Tensor<1> {
        let between = |a: &Tensor<2>, b: &Tensor<2>| (a.clone() - b.clone()).powi_scalar(2).sum();
        let mut parts = Vec::new();
        for (own, other) in self.layers.iter().zip(&other.layers) {
            parts.push(between(&own.weight, &other.weight));
            if let (Some(own), Some(other)) = (&own.bias, &other.bias) {
                parts.push(between(own, other));
            }
        }
        // A network has at least one layer.
        Tensor::cat(parts, 0).sum()
    }

    /// Gives the weights a graph, for tests.
    #[cfg(test)]
    pub(super) fn require_grad(&mut self) -> Vec<Tensor<2>> {
        let leaves = self.layers.iter_mut().map(|layer| {
            layer.weight = layer.weight.clone().autodiff().require_grad();
            layer.weight.clone()
        });
        leaves.collect()
    }
}

impl Activation {
    fn forward(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Identity => x,
            Self::Slope(slope) => x.clone() * slopes(&x, slope),
            Self::Latents => {
                let scale = (x.dims()[1] as f64).sqrt();
                directions(x).0 * scale
            }
        }
    }

    /// From the gradient by the activations to that by the pre-activations.
    fn backward(self, x: Tensor<2>, upstream: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Identity => upstream,
            Self::Slope(slope) => upstream * slopes(&x, slope),
            Self::Latents => {
                let scale = (x.dims()[1] as f64).sqrt();
                let (direction, norm) = directions(x);
                let along = (direction.clone() * upstream.clone()).sum_dim(1);
                (upstream - direction * along) * scale / norm
            }
        }
    }
}

/// The derivative of the activation: 1 where pre-activations are not negative, else the slope.
fn slopes(pre_activations: &Tensor<2>, slope: f64) -> Tensor<2> {
    pre_activations.clone().inner().greater_equal_elem(0.0).float() * (1.0 - slope) + slope
}

/// Rows scaled to unit norm, and their norms `[rows, 1]`.
fn directions(rows: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let norm = rows.clone().powi_scalar(2).sum_dim(1).add_scalar(1e-12).sqrt();
    (rows / norm.clone(), norm)
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
