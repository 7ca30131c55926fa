//! Settings of SCDG's training, each with its default and its source, and the history of a training.

use serde::{Deserialize, Serialize};

use super::ScdgError;
use super::network::denoiser::DenoiserConfig;
use super::schedule::{LossWeights, Schedule};
use crate::error::SettingError;
use crate::seed;

/// How SCDG is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScdgConfig {
    /// Noise schedule.
    pub schedule: Schedule,
    /// How much the steps of the schedule count in the loss; all alike (equation 3).
    #[serde(default)]
    pub loss_weights: LossWeights,
    /// Columns of obs that are conditions beside the class; none.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// Fraction of the latents of a batch that are denoised without class and conditions, which guidance needs; 0 (our choice;
    /// Ho and Salimans 2022: 0.1 or 0.2).
    #[serde(default)]
    pub condition_dropout: f64,
    /// Size of the network.
    pub denoiser: DenoiserConfig,
    /// Training steps; 2,000 (our choice).
    pub steps: usize,
    /// Latents in a batch; 128 (scDiffusion).
    pub batch: usize,
    /// AdamW's learning rate; 0.001 (our choice; scDiffusion 1e-4 for many more steps).
    pub learning_rate: f64,
    /// AdamW's weight decay; 1e-4 (scDiffusion).
    pub weight_decay: f32,
    /// Decay per step of the moving average of the weights, with which cells are generated; 0.995 (our choice). Updated every 10 steps.
    pub average_decay: f64,
    /// Seed of weights, batches and noise.
    pub seed: u64,
}

impl Default for ScdgConfig {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            loss_weights: LossWeights::Uniform,
            conditions: Vec::new(),
            condition_dropout: 0.0,
            denoiser: DenoiserConfig::default(),
            steps: 2_000,
            batch: 128,
            learning_rate: 1e-3,
            weight_decay: 1e-4,
            average_decay: 0.995,
            seed: seed::DEFAULT_SEED,
        }
    }
}

/// Losses of a training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScdgHistory {
    /// Mean squared error of the predicted latent, per coordinate at scale sqrt(latent), one entry per step; with
    /// [`LossWeights::MinSnr`] weighted.
    pub loss: Vec<f64>,
    /// Whether it was stopped before its last step.
    #[serde(default)]
    pub interrupted: bool,
    /// Seconds that it took; those of the last run when it was resumed.
    pub seconds: f64,
}

impl ScdgConfig {
    pub(super) fn check(&self) -> Result<(), ScdgError> {
        let fail = |setting, found: String, expected: &str| {
            Err(ScdgError::Setting(SettingError::new(setting, found, expected)))
        };
        if self.steps == 0 || self.batch == 0 {
            return fail("steps x batch", format!("{} x {}", self.steps, self.batch), "at least 1 x 1");
        }
        if self.denoiser.widths.is_empty() || self.denoiser.widths.contains(&0) || self.denoiser.embedding < 2 {
            return fail("the denoiser", format!("{:?}", self.denoiser), "a width, and an embedding of at least 2");
        }
        if let Some(expected) = self.schedule.problem() {
            return fail("the schedule", format!("{:?}", self.schedule), expected);
        }
        if let LossWeights::MinSnr { gamma } = self.loss_weights
            && !(gamma.is_finite() && gamma > 0.0)
        {
            return fail("gamma of the loss weights", gamma.to_string(), "a finite number above 0, 5 is usual");
        }
        if !(0.0..1.0).contains(&self.condition_dropout) {
            return fail("condition_dropout", self.condition_dropout.to_string(), "from 0 to below 1");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return fail("learning_rate", self.learning_rate.to_string(), "a finite number above 0");
        }
        if !(0.0..1.0).contains(&self.average_decay) {
            return fail("average_decay", self.average_decay.to_string(), "from 0 to below 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_of_an_older_recipe_is_read_with_todays_defaults() {
        let mut old = serde_json::to_value(ScdgConfig::default()).unwrap();
        for new in ["loss_weights", "conditions", "condition_dropout"] {
            assert!(old.as_object_mut().unwrap().remove(new).is_some());
        }
        assert_eq!(serde_json::from_value::<ScdgConfig>(old).unwrap(), ScdgConfig::default());
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let refused = |config: ScdgConfig| config.check().unwrap_err().to_string();
        let with = ScdgConfig::default;
        let message = refused(ScdgConfig { condition_dropout: 1.0, ..with() });
        assert!(message.contains("condition_dropout is 1") && message.contains("below 1"), "{message}");
        let message = refused(ScdgConfig { loss_weights: LossWeights::MinSnr { gamma: 0.0 }, ..with() });
        assert!(message.contains("gamma of the loss weights is 0"), "{message}");
        let message = refused(ScdgConfig { schedule: Schedule::cosine(0), ..with() });
        assert!(message.contains("at least 1 step"), "{message}");
        assert!(with().check().is_ok());
    }
}
