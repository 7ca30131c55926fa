//! The hand-derived passes give what the network in tensors and Burn's autodiff give.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use rand::RngExt;

use super::super::denoiser::{Conditioned, Denoiser, DenoiserConfig, time_embedding, time_embeddings};
use super::super::forward_backward::Batch;
use super::super::layout::flat_weights;
use super::*;
use crate::{seed, tensors};

const LATENT: usize = 5;
const EMBEDDING: usize = 6;

/// The gradients of all weights, in the network's order.
struct Collect<'a>(&'a Gradients, Vec<f32>);

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weights = param.val();
        let zeros = || vec![0.0; weights.shape().num_elements()];
        self.1.extend(weights.grad(self.0).map_or_else(zeros, tensors::to_vec));
    }
}

fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    let length = expected.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let apart = found.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    assert!(found.len() == expected.len() && length > 0.0 && apart <= 2e-6 * length, "{what}: {apart} of {length}");
}

fn check(widths: &[usize], conditions: Vec<(&str, usize)>, drops: bool) {
    let device = Device::flex().autodiff();
    let mut rng = seed::stream(5, "test");
    let conditioned = Conditioned { classes: 4, conditions, dropped: drops, seed: 1 };
    let config = DenoiserConfig { widths: widths.to_vec(), embedding: EMBEDDING };
    let network = Denoiser::new(LATENT, &conditioned, &config, &mut rng, &device);
    let layout = Layout::of(&network);
    let weights = flat_weights(&network);

    // Two traces of other sizes.
    let sizes = [3, 8];
    let tables: Vec<usize> = std::iter::once(4).chain(conditioned.conditions.iter().map(|(_, count)| *count)).collect();
    let mut steps = Vec::new();
    let mut batch = sizes.map(|rows| {
        let mut draw = || (0..rows * LATENT).map(|_| rng.random_range(-2.0..2.0_f32)).collect::<Vec<_>>();
        let (noised, clean) = (draw(), draw());
        let times: Vec<usize> = (0..rows).map(|_| rng.random_range(1..1000)).collect();
        steps.extend(&times);
        let numbers = tables.iter().map(|&count| (0..rows).map(|_| rng.random_range(0..count)).collect());
        let numbers = numbers.collect();
        let dropped = if drops { (0..rows).map(|_| rng.random::<f64>() < 0.4).collect() } else { Vec::new() };
        let weights = (0..rows).map(|_| rng.random_range(0.5..2.0)).collect();
        Batch { noised, clean, time: time_embeddings(times.into_iter(), EMBEDDING), numbers, dropped, weights }
    });
    let rows: usize = sizes.iter().sum();
    let all = |of: fn(&Batch) -> &Vec<f32>, width| {
        tensors::from_rows(batch.iter().flat_map(of).copied().collect(), width, &device)
    };
    let indices =
        |place: usize| tensors::indices(batch.iter().flat_map(|batch| batch.numbers[place].iter().copied()), &device);
    let mut tau = network.tau(indices(0), (1..tables.len()).map(indices).collect());
    if let Some(null) = network.null() {
        let dropped = batch.iter().flat_map(|batch| batch.dropped.iter().map(|&dropped| f32::from(dropped)));
        let dropped = tensors::from_rows(dropped.collect(), 1, &device);
        tau = tau * (dropped.clone().neg() + 1.0) + null * dropped;
    }
    let predicted =
        network.forward(all(|batch| &batch.noised, LATENT), time_embedding(&steps, EMBEDDING, &device), tau);
    let squared = (predicted.clone() - all(|batch| &batch.clean, LATENT)).powi_scalar(2);
    let loss = (squared * all(|batch| &batch.weights, 1)).mean();
    let mut expected = Collect(&loss.backward(), Vec::new());
    network.visit(&mut expected);

    let share = 1.0 / (rows * LATENT) as f64;
    let (mut value, mut outputs, mut traces) = (0.0, Vec::new(), Vec::new());
    for (rows, batch) in sizes.into_iter().zip(&mut batch) {
        let mut trace = Trace::sized(&layout, rows);
        trace.batch = std::mem::take(batch);
        // The second time everything is full of the first one's numbers.
        for time in 0..2 {
            trace.forward(&layout, &weights);
            if time == 1 {
                outputs.extend(trace.predicted.clone());
            }
            let part = trace.loss(share) * share;
            value += part * f64::from(time);
            trace.backward(&layout, &weights);
        }
        traces.push(trace);
    }
    let mut found = vec![f32::NAN; layout.weights];
    gradient(&layout, &traces, &mut found);
    assert_near(&outputs, &tensors::to_vec(predicted), "predicted");
    assert!((value / tensors::scalar(loss) - 1.0).abs() < 1e-6);
    assert_near(&found, &expected.1, "the gradient");
    // Small parts don't hide behind large ones.
    for (range, _) in fills(&layout, &traces) {
        if expected.1[range.clone()].iter().any(|&value| value != 0.0) {
            assert_near(&found[range.clone()], &expected.1[range.clone()], &format!("{range:?}"));
        }
    }
}

#[test]
fn predictions_and_gradients_by_all_weights_are_those_of_burn() {
    check(&[16], vec![], false);
    check(&[20, 7], vec![], true);
    check(&[33, 24, 17, 8], vec![("site", 2), ("donor", 3)], false);
    // More inputs than a part of the gradient has.
    check(&[150, 140], vec![("site", 2)], true);
}
