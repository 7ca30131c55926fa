//! Training of SCDG: equation 3, L = E || z0 - D_theta(z_t, t, tau(c)) ||^2.

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use ndarray::{Array2, Axis};
use rand::RngExt;

use super::ScdgError;
use super::builder::{ScdgConfig, ScdgHistory};
use super::denoiser::{Denoiser, time_embedding};
use crate::progress::Progress;
use crate::{seed, tensors};

/// Steps between two updates of the moving average, which costs a tenth of a step.
const AVERAGE_EVERY: usize = 10;

/// Trains on latents `[cells, latent]` of length one with their classes; gives the averaged network.
pub(super) fn train(
    latents: &Array2<f32>,
    labels: &[u32],
    classes: usize,
    config: &ScdgConfig,
    device: &Device,
) -> Result<(Denoiser, ScdgHistory), ScdgError> {
    let device = device.clone().autodiff();
    let latent = latents.ncols();
    // Unit latents would drown in the noise of the schedule's first steps; at this scale a coordinate varies by one.
    let scaled = latents * (latent as f32).sqrt();
    let mut rng = seed::stream(config.seed, "scdg");
    let mut network = Denoiser::new(latent, classes, &config.denoiser, &mut rng, &device);
    let mut average = network.valid();
    let mut optimizer = AdamWConfig::new().with_weight_decay(config.weight_decay).init();
    let alpha_bars = config.schedule.alpha_bars();
    let mut progress = Progress::new("training SCDG", config.steps);
    let mut history = ScdgHistory::default();
    for step in 0..config.steps {
        let cells: Vec<usize> = (0..config.batch).map(|_| rng.random_range(0..labels.len())).collect();
        let times: Vec<usize> = cells.iter().map(|_| rng.random_range(1..=config.schedule.steps)).collect();
        let clean = tensors::tensor(&scaled.select(Axis(0), &cells), &device);
        let column = |values: Vec<f32>| tensors::from_rows(values, 1, &device);
        let signal = column(times.iter().map(|&t| alpha_bars[t].sqrt() as f32).collect());
        let spread = column(times.iter().map(|&t| (1.0 - alpha_bars[t]).sqrt() as f32).collect());
        let noise = tensors::normal(config.batch, latent, &mut rng, &device);
        let noised = clean.clone() * signal + noise * spread;
        let classes = tensors::indices(cells.iter().map(|&cell| labels[cell] as usize), &device);
        let time = time_embedding(&times, config.denoiser.embedding, &device);
        let loss = (network.forward(noised, time, classes) - clean).powi_scalar(2).mean();
        let value = tensors::scalar(loss.clone());
        if !value.is_finite() {
            return Err(ScdgError::Diverged { loss: value, step, learning_rate: config.learning_rate });
        }
        history.loss.push(value);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(config.learning_rate, network, gradients);
        if (step + 1).is_multiple_of(AVERAGE_EVERY) || step + 1 == config.steps {
            // A young average follows the weights more closely.
            let decay = config.average_decay.powi(AVERAGE_EVERY as i32).min(step as f64 / (100.0 + step as f64));
            average = moving_average(average, &network.valid(), decay);
        }
        progress.step(|| format!("loss {value:.3}"));
    }
    let last = &history.loss[history.loss.len().saturating_sub(100)..];
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    history.seconds = progress.finish(|| format!("loss {mean:.3}"));
    Ok((average, history))
}

/// average * decay + network * (1 - decay), weight by weight.
fn moving_average(average: Denoiser, network: &Denoiser, decay: f64) -> Denoiser {
    struct Weights(VecDeque<Tensor<1>>);
    impl ModuleVisitor for Weights {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let weights = param.val();
            let count = weights.shape().num_elements();
            self.0.push_back(weights.reshape([count]));
        }
    }
    struct Mix {
        weights: Weights,
        decay: f64,
    }
    impl ModuleMapper for Mix {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(new) = self.weights.0.pop_front() else { return param };
            let decay = self.decay;
            param.map(|old| {
                let shape = old.shape();
                old * decay + new.reshape(shape) * (1.0 - decay)
            })
        }
    }
    let mut weights = Weights(VecDeque::new());
    network.visit(&mut weights);
    average.map(&mut Mix { weights, decay })
}
