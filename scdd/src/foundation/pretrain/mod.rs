//! Pretraining of a foundation model: reconstruction and triplet loss, AdamW, cosine annealing.
//!
//! loss = 0.001 x triplet + 0.999 x mean squared error of the reconstructed log1p expression (SCimilarity's code).

mod builder;
mod card;
mod checkpoint;
mod corpus;
mod merged;
mod train;
mod triplet;

use serde::{Deserialize, Serialize};

pub use builder::PretrainBuilder;
pub use card::{Card, CardSet};
pub use corpus::Corpus;

use super::FoundationError;
use super::network::NetworkConfig;
use super::network::epochs;
use crate::error::SettingError;
use crate::seed;

/// How a foundation model is pretrained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainingConfig {
    /// Size and dropout of the network.
    pub network: NetworkConfig,
    /// Passes over the training cells at most; 30 (ours).
    pub epochs: usize,
    /// Stops when the validation cells' reconstruction error has not fallen for so many epochs; None never stops early.
    /// 5 (ours). The weights of the best epoch are what is kept.
    pub patience: Option<usize>,
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
            patience: Some(5),
            batch: 128,
            learning_rate: 2e-3,
            weight_decay: 0.01,
            triplet_weight: 0.001,
            margin: 0.05,
            seed: seed::DEFAULT_SEED,
        }
    }
}

/// Why a pretraining ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// All epochs are done.
    #[default]
    AllEpochs,
    /// The validation error had not fallen for as long as the patience is.
    Early,
    /// It was interrupted; the best epoch until then was kept.
    Interrupted,
}

/// Losses of a pretraining, one entry per epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PretrainingHistory {
    /// Mean squared error of reconstruction on the training batches, with dropout.
    pub reconstruction: Vec<f64>,
    /// Triplet loss on the training batches.
    pub triplet: Vec<f64>,
    /// Mean squared error of reconstruction on the validation cells, without dropout; empty when there are none.
    pub validation: Vec<f64>,
    /// The epoch, from 0, whose weights were kept: the lowest validation error, or the last without validation cells.
    pub kept_epoch: usize,
    /// Why it ended.
    pub ended: Ended,
    /// Seconds that it took, of the last run when it was resumed.
    pub seconds: f64,
}

impl PretrainingHistory {
    /// Reconstruction error of the epoch whose weights were kept, on validation cells where there are any; None before
    /// the first epoch is done.
    pub(crate) fn kept_error(&self) -> Option<f64> {
        epochs::kept(&self.reconstruction, &self.validation, self.kept_epoch)
    }

    /// That error and epoch, for people.
    pub(crate) fn described(&self) -> String {
        epochs::described("reconstruction error", self.kept_error(), self.kept_epoch)
    }
}

fn check(config: &PretrainingConfig) -> Result<(), FoundationError> {
    let fail =
        |setting, found: String, expected| Err(FoundationError::Setting(SettingError::new(setting, found, expected)));
    let network = &config.network;
    if network.hidden.is_empty() || network.latent == 0 || network.hidden.contains(&0) {
        let found = format!("latent {}, hidden {:?}", network.latent, network.hidden);
        return fail("the network", found, "a latent and at least one hidden layer, each of at least 1");
    }
    epochs::check(config.epochs, config.patience, config.batch, config.learning_rate)?;
    if !(0.0..=1.0).contains(&config.triplet_weight) {
        return fail("triplet_weight", config.triplet_weight.to_string(), "a share from 0 to 1");
    }
    epochs::check_dropout("input_dropout", network.input_dropout)?;
    epochs::check_dropout("hidden_dropout", network.hidden_dropout)?;
    Ok(())
}
