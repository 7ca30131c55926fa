//! Sets up the training of a decoder on a study's embeddings: `study.train_decoder()`.

use std::sync::Arc;

use super::{Parts, Study};
use crate::foundation::{DecoderConfig, DecoderTraining, Likelihood, Pairs, Redecoded};
use crate::plan::Plan;
use crate::progress::Interrupt;
use crate::text::{count, grouped};

/// Sets up the training of a decoder: `study.train_decoder()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct DecoderBuilder {
    study: Study,
    config: DecoderConfig,
    interrupt: Interrupt,
}

impl Study {
    /// Opens the training of a decoder on the training cells. It replaces the foundation model's decoder, or gives one to a
    /// model without. Encoder and latents stay as they are, so sets distilled through either decoder can be evaluated in one
    /// table. The decoder isn't written to files; the same seed makes the same one.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let counts = study.train_decoder().likelihood(Likelihood::Poisson).epochs(2).run()?;
    /// let own = study.distill_decoder(DistributionMatching::default()).steps(3).run()?;
    /// let poisson = counts.distill_decoder(DistributionMatching::default()).steps(3).run()?;
    /// println!("{}", own.evaluate().beside(&poisson).run()?.table()?);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn train_decoder(&self) -> DecoderBuilder {
        let config = DecoderConfig { seed: self.config().seed, ..DecoderConfig::default() };
        DecoderBuilder { study: self.clone(), config, interrupt: Interrupt::default() }
    }
}

impl DecoderBuilder {
    /// The likelihood whose negative logarithm is the loss; squared error of log1p expression.
    pub fn likelihood(mut self, likelihood: Likelihood) -> Self {
        self.config.likelihood = likelihood;
        self
    }

    /// Widths of the hidden layers, from the latent on; three of 512.
    pub fn hidden(mut self, widths: &[usize]) -> Self {
        self.config.hidden = widths.to_vec();
        self
    }

    /// Epochs at most; 60.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.config.epochs = epochs;
        self
    }

    /// Early stopping: ends when the validation loss has not fallen for so many epochs; 5. None never ends early.
    pub fn patience(mut self, epochs: Option<usize>) -> Self {
        self.config.patience = epochs;
        self
    }

    /// AdamW's first learning rate, annealed to zero; 0.002.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = rate;
        self
    }

    /// Seed of weights, batches and dropout; the study's unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Sets all numbers at once, the seed included.
    pub fn config(mut self, config: DecoderConfig) -> Self {
        self.config = config;
        self
    }

    /// Lets another thread stop the training; the best epoch until then is kept.
    pub fn stop_on(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn plan(&self) -> crate::Result<Plan> {
        let (config, study, training) = (&self.config, &self.study, self.study.training_cells());
        config.check()?;
        let widths = [&[study.foundation().latent()], config.hidden.as_slice(), &[study.cells().genes()]].concat();
        let weights: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let cells = training.train().len();
        let batch = config.batch.min(cells).max(1);
        let steps = config.epochs * (cells / batch);
        Ok(Plan::new(format!("decoder ({})", config.likelihood.name()))
            .with("weights", grouped(weights))
            .with("steps", format!("at most {} of {}", grouped(steps), count(batch, "cell")))
            .with("training cells", grouped(cells))
            .with("validation cells", grouped(training.validation().len())))
    }

    /// Trains; gives the same study with the trained decoder.
    ///
    /// # Errors
    /// When a setting is out of range, or the loss does not stay finite.
    pub fn run(&self) -> crate::Result<Study> {
        let (config, study) = (&self.config, &self.study);
        config.check()?;
        let cells = study.training_cells();
        let pairs = |cells: &[usize]| Pairs {
            latents: study.embeddings_of(cells),
            expression: study.cells().expression().select_cells(cells),
        };
        let (training, validation) = (pairs(cells.train()), pairs(cells.validation()));
        let training = DecoderTraining::new(&training, &validation, config, study.device(), &self.interrupt);
        let (decoder, history) = training.run()?;
        let foundation = Redecoded::new(study.foundation(), decoder, config.likelihood).into();
        let decoder = Some((config.clone(), history));
        Ok(Study { parts: Arc::new(Parts { foundation, decoder, ..(*study.parts).clone() }) })
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
