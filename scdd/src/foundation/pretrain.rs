//! Pretraining of a foundation model on training cells: reconstruction and triplet loss, AdamW, cosine annealing.
//!
//! loss = 0.001 x triplet + 0.999 x mean squared error of the reconstructed log1p expression (SCimilarity's code).

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::network::{Autoencoder, NetworkConfig};
use super::scimilarity::Scimilarity;
use super::sparse::SparseBatch;
use super::triplet::{semi_hard, triplet_loss};
use super::{FoundationError, FoundationModel};
use crate::preprocess::TrainingCells;
use crate::progress::Progress;
use crate::{seed, tensors};

/// How a foundation model is pretrained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainingConfig {
    /// Size and dropout of the network.
    pub network: NetworkConfig,
    /// Passes over the training cells; 30 (ours).
    pub epochs: usize,
    /// Cells in a batch; 128 (ours; SCimilarity, with 23 million cells, 1,000).
    pub batch: usize,
    /// AdamW's first learning rate, annealed to zero by a cosine; 0.002 (ours; SCimilarity 0.005).
    pub learning_rate: f64,
    /// AdamW's weight decay; 0.01 (SCimilarity).
    pub weight_decay: f32,
    /// Share of the triplet loss, the rest is reconstruction; 0.001 (SCimilarity).
    pub triplet_weight: f64,
    /// Margin of the triplet loss; 0.05 (SCimilarity).
    pub margin: f32,
    /// Seed of weights, batches and dropout.
    pub seed: u64,
}

impl Default for PretrainingConfig {
    fn default() -> Self {
        Self {
            network: NetworkConfig::default(),
            epochs: 30,
            batch: 128,
            learning_rate: 2e-3,
            weight_decay: 0.01,
            triplet_weight: 0.001,
            margin: 0.05,
            seed: seed::DEFAULT_SEED,
        }
    }
}

/// Losses of a pretraining, one entry per epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PretrainingHistory {
    /// Mean squared error of reconstruction on the training batches, with dropout.
    pub reconstruction: Vec<f64>,
    /// Triplet loss on the training batches.
    pub triplet: Vec<f64>,
    /// Mean squared error of reconstruction on the validation cells, without dropout; empty when there are none.
    pub validation: Vec<f64>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Pretrains a [`Scimilarity`] on training cells. Test cells can't be passed in:
///
/// ```compile_fail,E0308
/// # fn leak(study: scdd::Study) -> scdd::Result<()> {
/// use scdd::foundation::Pretraining;
/// let model = Pretraining::new(&study.test_cells()).run()?; // expected `&TrainingCells`
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct Pretraining {
    cells: TrainingCells,
    config: PretrainingConfig,
    device: Option<Device>,
}

impl Pretraining {
    /// Pretraining with the default config.
    pub fn new(cells: &TrainingCells) -> Self {
        Self { cells: cells.clone(), config: PretrainingConfig::default(), device: None }
    }

    /// Another config.
    pub fn config(mut self, config: PretrainingConfig) -> Self {
        self.config = config;
        self
    }

    /// Another device than [`default_device`](crate::default_device).
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// Trains; gives the frozen model and its losses.
    ///
    /// # Errors
    /// When a setting is out of range or the loss becomes infinite.
    pub fn run(&self) -> crate::Result<(Scimilarity, PretrainingHistory)> {
        check(&self.config)?;
        let device = match &self.device {
            Some(device) => device.clone(),
            None => crate::default_device()?,
        };
        Ok(train(&self.cells, &self.config, &device)?)
    }
}

fn check(config: &PretrainingConfig) -> Result<(), FoundationError> {
    let fail = |setting, found: String, expected| Err(FoundationError::Setting { setting, found, expected });
    let network = &config.network;
    if network.hidden.is_empty() || network.latent == 0 || network.hidden.contains(&0) {
        let found = format!("latent {}, hidden {:?}", network.latent, network.hidden);
        return fail("the network", found, "a latent and at least one hidden layer, each of at least 1");
    }
    if config.batch < 2 {
        return fail("batch", config.batch.to_string(), "at least 2 cells, which batch normalisation needs");
    }
    for (setting, rate) in [("input_dropout", network.input_dropout), ("hidden_dropout", network.hidden_dropout)] {
        if !(0.0..1.0).contains(&rate) {
            return fail(setting, rate.to_string(), "a share from 0 to below 1");
        }
    }
    Ok(())
}

fn train(
    cells: &TrainingCells,
    config: &PretrainingConfig,
    device: &Device,
) -> Result<(Scimilarity, PretrainingHistory), FoundationError> {
    let expression = cells.cells().expression();
    let labels = &cells.labels().of_cell;
    let genes = cells.cells().gene_names().to_vec();
    let mut rng = seed::stream(config.seed, "foundation");
    let device = device.clone().autodiff();
    let mut network = Autoencoder::new(expression.genes(), &config.network, &mut rng, &device);
    let mut optimizer = AdamWConfig::new().with_weight_decay(config.weight_decay).init();

    let mut order = cells.train().to_vec();
    let batch = config.batch.min(order.len());
    let batches = (order.len() / batch).max(1);
    let steps = config.epochs * batches;
    let mut progress = Progress::new("pretraining the foundation model", steps);
    let mut history = PretrainingHistory::default();
    for epoch in 0..config.epochs {
        order.shuffle(&mut rng);
        let (mut sum_reconstruction, mut sum_triplet) = (0.0, 0.0);
        for (number, batch) in order.chunks_exact(batch).enumerate() {
            let step = epoch * batches + number;
            let rate = 0.5 * config.learning_rate * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
            let keep = 1.0 - config.network.input_dropout as f32;
            let input =
                SparseBatch::new(
                    expression,
                    batch,
                    |value| {
                        if rng.random::<f32>() < keep { value / keep } else { 0.0 }
                    },
                );
            // The first layer's product is outside the graph: its sums are a leaf, and the weights' gradient is the
            // sparse rows, transposed, times the gradient of that leaf.
            let first = &network.encoder.blocks[0].linear.weight;
            let [_, width] = first.val().dims();
            let sums = input.times(&tensors::to_vec(first.val()), width);
            let sums = tensors::from_rows(sums, width, &device).require_grad();
            let (latents, expression_out) = network.forward(sums.clone(), config.network.hidden_dropout, &mut rng);
            let target = tensors::from_rows(expression.dense_rows(batch), expression.genes(), &device);
            let reconstruction = (expression_out - target).powi_scalar(2).mean();
            let batch_labels: Vec<u32> = batch.iter().map(|&cell| labels[cell]).collect();
            let triplets = semi_hard(latents.clone(), &batch_labels, config.margin, &mut rng);
            let triplet = triplet_loss(latents, &triplets, config.margin);
            sum_triplet += tensors::scalar(triplet.clone());
            let loss = reconstruction.clone() * (1.0 - config.triplet_weight) + triplet * config.triplet_weight;
            let value = tensors::scalar(reconstruction);
            if !value.is_finite() {
                return Err(FoundationError::Diverged { loss: value, step, learning_rate: rate });
            }
            sum_reconstruction += value;
            let gradients = loss.backward();
            let sums_gradient = sums.grad(&gradients).map(tensors::to_vec).unwrap_or_default();
            let first_gradient = input.transposed_times(&sums_gradient, width);
            let first = first.id;
            let mut gradients = GradientsParams::from_grads(gradients, &network);
            gradients.register(first, tensors::from_rows(first_gradient, width, &device.clone().inner()));
            network = optimizer.step(rate, network, gradients);
            progress.step(|| format!("reconstruction error {value:.3}"));
        }
        history.reconstruction.push(sum_reconstruction / batches as f64);
        history.triplet.push(sum_triplet / batches as f64);
        if !cells.validation().is_empty() {
            let (genes, config) = (genes.clone(), config.network.clone());
            let model = Scimilarity::freeze(&network.valid(), genes, config, serde_json::Value::Null);
            history.validation.push(reconstruction_error(&model, cells)?);
        }
    }
    let last = history.validation.last().or(history.reconstruction.last()).copied().unwrap_or(f64::NAN);
    history.seconds = progress.finish(|| format!("reconstruction error {last:.3}"));
    let card = serde_json::json!({
        "trained_on": { "cells": cells.train().len(), "validation_cells": cells.validation().len() },
        "pretraining": config,
        "history": &history,
    });
    Ok((Scimilarity::freeze(&network.valid(), genes, config.network.clone(), card), history))
}

/// Mean squared error of reconstruction on the validation cells.
fn reconstruction_error(model: &Scimilarity, cells: &TrainingCells) -> Result<f64, FoundationError> {
    let expression = cells.cells().expression().select_cells(cells.validation());
    let (mut sum, mut values) = (0.0, 0);
    let all: Vec<usize> = (0..expression.cells()).collect();
    for chunk in all.chunks(512) {
        let part = expression.select_cells(chunk);
        let latents = tensors::tensor(&model.embed(&part)?, &model.device());
        let target = tensors::from_rows(expression.dense_rows(chunk), expression.genes(), &model.device());
        if let Some(decoded) = model.decode(latents) {
            sum += tensors::scalar((decoded - target).powi_scalar(2).sum());
            values += chunk.len() * expression.genes();
        }
    }
    Ok(sum / values.max(1) as f64)
}
