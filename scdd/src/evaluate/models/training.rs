//! Training of the networks in Burn: batches, learning rates, the loss, and weights from and to files.

use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};
use ndarray::Array2;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Numbers, SavedModel};
use crate::error::SettingError;
use crate::evaluate::EvaluateError;
use crate::tensors;

/// How many steps a network trains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duration {
    pub(super) batch: usize,
    pub(super) epochs: usize,
    /// Fewest steps: a set of a few cells takes more epochs.
    pub(super) least_steps: usize,
    /// Most steps: a large set takes fewer epochs.
    pub(super) most_steps: usize,
}

impl Duration {
    pub(super) fn steps(&self, cells: usize) -> usize {
        let steps = self.epochs * cells.div_ceil(self.batch);
        steps.max(self.least_steps).min(self.most_steps.max(1))
    }

    pub(super) fn check(&self) -> Result<(), EvaluateError> {
        let counts = [("batch", self.batch), ("epochs", self.epochs), ("most_steps", self.most_steps)];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(EvaluateError::Setting(SettingError::new(name, "0", "1 or more"))),
            None => Ok(()),
        }
    }
}

/// Refuses a number outside its range.
pub(super) fn demand(holds: bool, name: &'static str, value: f64, expected: &'static str) -> Result<(), EvaluateError> {
    if holds { Ok(()) } else { Err(EvaluateError::Setting(SettingError::new(name, value, expected))) }
}

/// Refuses a learning rate that is not above 0.
pub(super) fn demand_rate(rate: f64) -> Result<(), EvaluateError> {
    demand(rate.is_finite() && rate > 0.0, "learning_rate", rate, "a finite number above 0")
}

/// Refuses a weight decay that makes weights grow.
pub(super) fn demand_decay(decay: f64) -> Result<(), EvaluateError> {
    demand(decay.is_finite() && decay >= 0.0, "weight_decay", decay, "a finite number, 0 or more")
}

/// Cells of one batch after the other; each pass over the cells is in a new order, and its last batch may be smaller.
pub(super) struct Batches {
    order: Vec<usize>,
    next: usize,
    size: usize,
}

impl Batches {
    pub(super) fn new(cells: usize, size: usize) -> Self {
        Self { order: (0..cells).collect(), next: cells, size }
    }

    pub(super) fn next(&mut self, random: &mut ChaCha8Rng) -> &[usize] {
        if self.next >= self.order.len() {
            self.order.shuffle(random);
            self.next = 0;
        }
        let from = self.next;
        self.next = (from + self.size).min(self.order.len());
        &self.order[from..self.next]
    }
}

/// From 1 to `last` along half a cosine.
pub(super) fn cosine(step: usize, steps: usize, last: f64) -> f64 {
    let fraction = step as f64 / steps.max(1) as f64;
    (1.0 + (std::f64::consts::PI * fraction).cos()) / 2.0 * (1.0 - last) + last
}

/// Mean cross-entropy of logits `[cells, classes]` with smoothed labels (a fraction is spread over all classes).
pub(super) fn cross_entropy(logits: Tensor<2>, labels: &[u32], smoothing: f64) -> Tensor<1> {
    let [cells, classes] = logits.dims();
    let mut target = vec![(smoothing / classes as f64) as f32; cells * classes];
    for (row, &label) in target.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] += (1.0 - smoothing) as f32;
    }
    let target = tensors::from_rows(target, classes, &logits.device());
    (log_softmax(logits, 1) * target).sum().div_scalar(-(cells as f64))
}

/// Class probabilities of logits, on the host.
pub(super) fn probabilities(logits: Tensor<2>) -> Array2<f32> {
    tensors::array(log_softmax(logits, 1).exp())
}

/// Numbers from a normal distribution.
pub(super) fn normal<const D: usize>(
    shape: [usize; D],
    deviation: f64,
    random: &mut ChaCha8Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let draw = |_| -> f32 { Distribution::<f32>::sample(&StandardNormal, random) };
    let values: Vec<f32> = (0..shape.iter().product()).map(draw).map(|value| value * deviation as f32).collect();
    from_values(shape, values, device)
}

pub(super) fn from_values<const D: usize>(shape: [usize; D], values: Vec<f32>, device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

/// A linear layer of normal weights without biases yet.
pub(super) fn linear(
    inputs: usize,
    outputs: usize,
    deviation: f64,
    random: &mut ChaCha8Rng,
    device: &Device,
) -> Linear {
    Linear {
        weight: normal([inputs, outputs], deviation, random, device),
        bias: Some(from_values([outputs], vec![0.0; outputs], device)),
    }
}

/// The same model with one more weight.
pub(super) fn put<const D: usize>(saved: SavedModel, name: &str, tensor: Tensor<D>) -> SavedModel {
    let shape = tensor.dims();
    saved.with(name, &shape, Numbers::F32(tensors::to_vec(tensor)))
}

pub(super) fn put_linear(saved: SavedModel, name: &str, layer: &Linear) -> SavedModel {
    let saved = put(saved, &format!("{name}.weight"), layer.weight.val());
    match &layer.bias {
        Some(bias) => put(saved, &format!("{name}.bias"), bias.val()),
        None => saved,
    }
}

pub(super) fn put_norm(saved: SavedModel, name: &str, norm: &LayerNorm) -> SavedModel {
    let saved = put(saved, &format!("{name}.weight"), norm.gamma.val());
    match &norm.beta {
        Some(beta) => put(saved, &format!("{name}.bias"), beta.val()),
        None => saved,
    }
}

/// A weight of a file.
pub(super) fn take<const D: usize>(
    saved: &SavedModel,
    name: &str,
    shape: [usize; D],
    device: &Device,
) -> Result<Param<Tensor<D>>, String> {
    Ok(from_values(shape, saved.f32(name, &shape)?, device))
}

pub(super) fn take_linear(
    saved: &SavedModel,
    name: &str,
    inputs: usize,
    outputs: usize,
    device: &Device,
) -> Result<Linear, String> {
    Ok(Linear {
        weight: take(saved, &format!("{name}.weight"), [inputs, outputs], device)?,
        bias: Some(take(saved, &format!("{name}.bias"), [outputs], device)?),
    })
}

pub(super) fn take_norm(saved: &SavedModel, name: &str, width: usize, device: &Device) -> Result<LayerNorm, String> {
    let mut norm = LayerNormConfig::new(width).with_epsilon(1e-6).init(device);
    norm.gamma = take(saved, &format!("{name}.weight"), [width], device)?;
    norm.beta = Some(take(saved, &format!("{name}.bias"), [width], device)?);
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn a_pass_has_every_cell_once_and_few_cells_are_gone_through_more_often() {
        let mut random = seed::stream(1, "batches");
        let mut batches = Batches::new(7, 3);
        for _ in 0..3 {
            let mut seen: Vec<usize> = (0..3).flat_map(|_| batches.next(&mut random).to_vec()).collect();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        }
        let duration = Duration { batch: 8, epochs: 20, least_steps: 300, most_steps: 1_000 };
        assert_eq!([1, 14, 160, 10_000].map(|cells| duration.steps(cells)), [300, 300, 400, 1_000]);
    }

    #[test]
    fn the_rate_falls_from_one_to_its_last_value() {
        assert_eq!(cosine(0, 10, 0.01), 1.0);
        assert!((cosine(10, 10, 0.01) - 0.01).abs() < 1e-12);
        assert!((0..10).all(|step| cosine(step, 10, 0.01) > cosine(step + 1, 10, 0.01)));
    }

    #[test]
    fn smoothed_cross_entropy_is_that_of_pytorch() {
        // torch.nn.CrossEntropyLoss(label_smoothing=0.1) of [[2, 0, -1], [0.5, 0.5, 0]] and [0, 2]
        let logits = tensors::from_rows(vec![2.0, 0.0, -1.0, 0.5, 0.5, 0.0], 3, &Device::flex());
        let found = tensors::scalar(cross_entropy(logits.clone(), &[0, 2], 0.1));
        let rows = [[2.0f64, 0.0, -1.0], [0.5, 0.5, 0.0]];
        let expected: f64 = rows
            .iter()
            .zip([0, 2])
            .map(|(row, label)| {
                let all = row.iter().map(|value| value.exp()).sum::<f64>().ln();
                0.9 * (all - row[label]) + 0.1 * row.iter().map(|value| (all - value) / 3.0).sum::<f64>()
            })
            .sum::<f64>()
            / 2.0;
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        let sums = probabilities(logits).sum_axis(ndarray::Axis(1));
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6));
    }
}
