//! A small network whose backward pass is written out as tensor operations.
//!
//! Burn differentiates once. An objective that compares gradients of a loss needs these gradients as tensors that can
//! still be differentiated, so backpropagation of softmax cross-entropy through linear layers, ReLU or PReLU, and a
//! scaling to length one stands here: with d_i = p_i - onehot_i at the end, and d = (d W^T) * activation' from layer to
//! layer, the gradient of a layer is sum_i share_i d_i h_i^T, h its input.

use burn::tensor::{Device, Tensor, activation::softmax};
use rand_chacha::ChaCha8Rng;

use crate::foundation::EncoderLayer;
use crate::tensors;

/// What follows a layer's sums.
#[derive(Clone, Copy, Debug)]
enum After {
    /// Class scores.
    Nothing,
    /// x where it is not negative, slope x elsewhere: ReLU at 0, PReLU.
    Slope(f64),
    /// Rows scaled to length sqrt(width): a latent as the heads take it.
    Latents,
}

#[derive(Clone, Debug)]
struct Layer {
    /// `[inputs, outputs]`
    weight: Tensor<2>,
    /// `[1, outputs]`
    bias: Option<Tensor<2>>,
    after: After,
}

/// Linear layers with what follows them, class scores at the end.
#[derive(Clone, Debug)]
pub(super) struct Network {
    layers: Vec<Layer>,
    /// How many of them are an encoder's.
    encoder: usize,
    /// How far an encoder's first layer has moved.
    drift: Option<Drift>,
}

/// The way of a first layer's weights from where they began: W - R^T A, R the rows `[rows, genes]` that it trains on. R and A
/// `[rows, hidden]` are small where W is not, and what rows give with W is computed once.
#[derive(Clone, Debug)]
struct Drift {
    rows: Tensor<2>,
    steps: Tensor<2>,
}

/// What a network is trained on: rows `[rows, width]`, their classes `[rows, classes]`, and how much each row counts
/// `[rows, 1]`, 1 in all.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) values: Tensor<2>,
    pub(super) one_hot: Tensor<2>,
    pub(super) shares: Tensor<2>,
    /// The values times the weights that the first layer began with, where these are many.
    pub(super) first_sums: Option<Tensor<2>>,
}

/// What rows leave at each layer: its inputs `[rows, inputs]`, and the gradient of each row's cross-entropy by its sums
/// `[rows, outputs]`.
pub(super) struct Trace {
    pub(super) inputs: Vec<Tensor<2>>,
    pub(super) deltas: Vec<Tensor<2>>,
}

impl Network {
    /// Weights drawn as PyTorch draws them, ReLU between layers of these widths. Hidden layers have a bias; the last one
    /// has none.
    pub(super) fn random(widths: &[usize], rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let layers = widths.windows(2).enumerate().map(|(place, pair)| {
            let layer = tensors::linear(pair[0], pair[1], rng, &device.clone().inner());
            let last = place + 2 == widths.len();
            let bias = layer.bias.filter(|_| !last).map(|bias| bias.val().inner().unsqueeze::<2>());
            let after = if last { After::Nothing } else { After::Slope(0.0) };
            Layer { weight: layer.weight.val().inner(), bias, after }
        });
        Self { layers: layers.collect(), encoder: 0, drift: None }
    }

    /// An encoder with latents of length one, and this network on the latents at scale sqrt(latent). It can train on these
    /// rows `[rows, genes]`, and on no others.
    pub(super) fn behind(mut self, encoder: Vec<EncoderLayer>, rows: Tensor<2>) -> Self {
        let hidden = encoder.first().map_or(0, |layer| layer.weight.dims()[1]);
        let steps = Tensor::zeros([rows.dims()[0], hidden], &rows.device());
        let last = encoder.len().saturating_sub(1);
        let mut layers: Vec<Layer> = encoder
            .into_iter()
            .enumerate()
            .map(|(place, layer)| {
                let after = if place == last { After::Latents } else { After::Slope(layer.slope.unwrap_or(1.0)) };
                Layer { weight: layer.weight, bias: Some(layer.bias), after }
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

    /// The data with its sums in the first layer, so that each pass need not compute them.
    pub(super) fn with_first_sums(&self, mut data: Data) -> Data {
        data.first_sums = self.layers.first().map(|layer| data.values.clone().matmul(layer.weight.clone()));
        data
    }

    /// Inputs and sums of each layer.
    fn pass(&self, values: Tensor<2>, mut first_sums: Option<Tensor<2>>) -> (Vec<Tensor<2>>, Vec<Tensor<2>>) {
        let (mut inputs, mut sums, mut input) = (Vec::new(), Vec::new(), values);
        for (place, layer) in self.layers.iter().enumerate() {
            let mut sum = first_sums.take().unwrap_or_else(|| input.clone().matmul(layer.weight.clone()));
            if let Some(drift) = self.drift.as_ref().filter(|_| place == 0) {
                sum = sum - input.clone().matmul(drift.rows.clone().transpose()).matmul(drift.steps.clone());
            }
            if let Some(bias) = &layer.bias {
                sum = sum + bias.clone();
            }
            inputs.push(input);
            input = layer.after.forward(sum.clone());
            sums.push(sum);
        }
        (inputs, sums)
    }

    /// Class scores `[rows, classes]`.
    pub(super) fn outputs(&self, values: Tensor<2>) -> Tensor<2> {
        let outputs = self.pass(values.clone(), None).1.pop();
        outputs.unwrap_or(values)
    }

    /// What the last layer is given.
    pub(super) fn hidden(&self, values: Tensor<2>) -> Tensor<2> {
        let hidden = self.pass(values.clone(), None).0.pop();
        hidden.unwrap_or(values)
    }

    /// Goes forward and back with rows of these classes.
    pub(super) fn trace(&self, data: &Data) -> Trace {
        let (inputs, mut sums) = self.pass(data.values.clone(), data.first_sums.clone());
        let Some(outputs) = sums.pop() else { return Trace { inputs, deltas: Vec::new() } };
        let mut deltas = vec![softmax(outputs, 1) - data.one_hot.clone()];
        for (place, sum) in sums.into_iter().enumerate().rev() {
            let above = &deltas[deltas.len() - 1];
            let upstream = above.clone().matmul(self.layers[place + 1].weight.clone().transpose());
            deltas.push(self.layers[place].after.backward(sum, upstream));
        }
        deltas.reverse();
        Trace { inputs, deltas }
    }

    /// Gradients of the cross-entropy of data by each layer's weights, `[outputs, inputs]`.
    pub(super) fn gradients(&self, data: &Data) -> Vec<Tensor<2>> {
        let Trace { inputs, deltas } = self.trace(data);
        let layers = deltas.into_iter().zip(inputs);
        layers.map(|(delta, input)| (delta * data.shares.clone()).transpose().matmul(input)).collect()
    }

    /// One step of gradient descent with a rate for each layer, biases included. Differentiable in the data when that has a
    /// graph.
    pub(super) fn descend(&mut self, data: &Data, rates: &[f64]) {
        let Trace { inputs, deltas } = self.trace(data);
        let layers = self.layers.iter_mut().zip(deltas).zip(inputs).zip(rates);
        for (place, (((layer, delta), input), &rate)) in layers.enumerate() {
            let delta = delta * data.shares.clone();
            match self.drift.as_mut().filter(|_| place == 0) {
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

    /// The same with weights that a graph follows, for tests.
    #[cfg(test)]
    pub(super) fn require_grad(&mut self) -> Vec<Tensor<2>> {
        let leaves = self.layers.iter_mut().map(|layer| {
            layer.weight = layer.weight.clone().autodiff().require_grad();
            layer.weight.clone()
        });
        leaves.collect()
    }
}

impl After {
    fn forward(self, sum: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Nothing => sum,
            Self::Slope(slope) => sum.clone() * slopes(&sum, slope),
            Self::Latents => {
                let scale = (sum.dims()[1] as f64).sqrt();
                directions(sum).0 * scale
            }
        }
    }

    /// From the gradient by what follows to that by the sums.
    fn backward(self, sum: Tensor<2>, upstream: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Nothing => upstream,
            Self::Slope(slope) => upstream * slopes(&sum, slope),
            Self::Latents => {
                let scale = (sum.dims()[1] as f64).sqrt();
                let (direction, length) = directions(sum);
                let along = (direction.clone() * upstream.clone()).sum_dim(1);
                (upstream - direction * along) * scale / length
            }
        }
    }
}

/// 1 where sums are not negative, else the slope: constant in the sums almost everywhere.
fn slopes(sums: &Tensor<2>, slope: f64) -> Tensor<2> {
    sums.clone().inner().greater_equal_elem(0.0).float() * (1.0 - slope) + slope
}

/// Rows scaled to length one, and their lengths `[rows, 1]`.
fn directions(rows: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let length = rows.clone().powi_scalar(2).sum_dim(1).add_scalar(1e-12).sqrt();
    (rows / length.clone(), length)
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
