//! A decoder trained anew behind a frozen encoder, under a likelihood of one's choice.
//!
//! A foundation model's own decoder is trained with squared error of log1p expression, so it makes a mean of logarithms. A
//! count likelihood makes the logarithm of a mean, log1p(exp f(z)), as a pseudobulk is; scVI's decoder is of that kind (Lopez
//! et al. 2018). Yu et al. 2025 decode with SCimilarity's; the choice is ours.

mod redecoded;
mod train;

use serde::{Deserialize, Serialize};

use super::network::epochs;
use super::{Ended, FoundationError};
use crate::error::SettingError;
use crate::seed;

pub(crate) use redecoded::Redecoded;
pub(crate) use train::{DecoderTraining, Pairs};

/// What a decoder is trained to make likely. x is log1p of counts per 1e4, y = expm1(x) the counts per 1e4, f the last layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Likelihood {
    /// Squared error (f - x)^2 of log1p expression, decoded as ReLU(f): SCimilarity's.
    #[default]
    SquaredError,
    /// exp(f) - y f, decoded as log1p(exp f): counts per 1e4 around a mean, a quasi-likelihood since cells were scaled to one
    /// library size. Abundant genes weigh most.
    Poisson,
    /// (y + r) log(exp(f) + r) - y f, decoded as log1p(exp f). r of a gene is that of its mean and variance over the training
    /// cells, mean^2 / (variance - mean). Genes weigh more alike.
    NegativeBinomial,
}

impl Likelihood {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::SquaredError, Self::Poisson, Self::NegativeBinomial];

    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SquaredError => "squared error",
            Self::Poisson => "Poisson",
            Self::NegativeBinomial => "negative binomial",
        }
    }
}

/// How a decoder is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// What it is trained to make likely; squared error.
    pub likelihood: Likelihood,
    /// Widths of the hidden layers, from the latent on; three of 512, as the foundation model's own (ours).
    pub hidden: Vec<usize>,
    /// Share of the hidden units that is dropped, from the second layer on; 0.1 (ours; SCimilarity 0.5).
    pub dropout: f64,
    /// Passes over the training cells at most; 60 (ours).
    pub epochs: usize,
    /// Stops when the validation cells' loss has not fallen for so many epochs; None never stops early. 5 (ours). The weights
    /// of the best epoch are what is kept.
    pub patience: Option<usize>,
    /// Cells in a batch; 128 (ours).
    pub batch: usize,
    /// AdamW's first learning rate, annealed to zero by a cosine; 0.002 (ours), with a weight decay of 0.01.
    pub learning_rate: f64,
    /// Seed of weights, batches and dropout.
    pub seed: u64,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            likelihood: Likelihood::default(),
            hidden: vec![512; 3],
            dropout: 0.1,
            epochs: 60,
            patience: Some(5),
            batch: 128,
            learning_rate: 2e-3,
            seed: seed::DEFAULT_SEED,
        }
    }
}

impl DecoderConfig {
    pub(crate) fn check(&self) -> Result<(), FoundationError> {
        if self.hidden.is_empty() || self.hidden.contains(&0) {
            let (found, expected) = (format!("{:?}", self.hidden), "at least one hidden layer, each of at least 1");
            return Err(FoundationError::Setting(SettingError::new("hidden", found, expected)));
        }
        epochs::check(self.epochs, self.patience, self.batch, self.learning_rate)?;
        epochs::check_dropout("dropout", self.dropout)
    }
}

/// Losses of a decoder's training, one entry per epoch: the likelihood's formula, mean over cells and genes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DecoderHistory {
    /// On the training batches, with dropout.
    pub training: Vec<f64>,
    /// On the validation cells, without dropout; empty when there are none.
    pub validation: Vec<f64>,
    /// The epoch, from 0, whose weights were kept: the lowest validation loss, or the last without validation cells.
    pub kept_epoch: usize,
    /// Why it ended.
    pub ended: Ended,
    /// Seconds that it took.
    pub seconds: f64,
}

impl DecoderHistory {
    /// The loss of the epoch whose weights were kept; None before the first is done.
    pub(crate) fn kept_loss(&self) -> Option<f64> {
        epochs::kept(&self.training, &self.validation, self.kept_epoch)
    }

    /// That loss and epoch, for people.
    pub(crate) fn described(&self) -> String {
        epochs::described("loss", self.kept_loss(), self.kept_epoch)
    }
}
