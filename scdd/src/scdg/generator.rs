//! Using the generator: G(z, c) = ReLU(De(D_theta(noised(z), t, tau(c)))).

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::conditions::Condition;
use super::config::ScdgConfig;
use super::denoiser::{Denoiser, time_embedding};
use crate::foundation::Foundation;
use crate::{seed, tensors};

/// Which noise a latent gets before it is denoised. The paper does not say; this is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Noise {
    /// Drawn once for each code and kept.
    Fixed,
    /// Drawn anew in every step.
    Fresh,
    /// None: the latent is scaled by sqrt(alpha_bar) only.
    None,
}

/// The trained denoiser and the frozen decoder behind it. Cheap to clone.
#[derive(Clone)]
pub struct Generator {
    denoiser: Arc<Denoiser>,
    foundation: Foundation,
    alpha_bars: Arc<Vec<f64>>,
    embedding: usize,
    /// tau(c) of each class alone `[classes, embedding]`, with its most frequent value of each further condition.
    tau_of_classes: Tensor<2>,
    guidance: f64,
}

impl Generator {
    pub(super) fn new(
        denoiser: Denoiser,
        foundation: &Foundation,
        config: &ScdgConfig,
        conditions: &[Condition],
        classes: usize,
    ) -> Self {
        let device = foundation.device();
        let usual = conditions.iter().map(|condition| tensors::indices(condition.usual.iter().copied(), &device));
        let tau_of_classes = denoiser.tau(tensors::indices(0..classes, &device), usual.collect());
        Self {
            denoiser: Arc::new(denoiser),
            foundation: foundation.clone(),
            alpha_bars: Arc::new(config.schedule.alpha_bars()),
            embedding: config.denoiser.embedding,
            tau_of_classes,
            guidance: 0.0,
        }
    }

    /// The same with guidance w: D = D_null + (1 + w) (D_c - D_null) (Ho and Salimans 2022, written for z0). It does
    /// nothing in a network that was trained without dropping its conditions.
    pub(crate) fn guided(&self, guidance: f64) -> Self {
        Self { guidance, ..self.clone() }
    }

    /// Whether guidance can do anything.
    pub(crate) fn can_be_guided(&self) -> bool {
        self.denoiser.null().is_some()
    }

    /// tau(c) `[rows, embedding]` of classes `[rows]` alone: each with the most frequent value that the further
    /// conditions have among its training cells.
    pub(crate) fn tau_of_classes(&self, classes: Tensor<1, Int>) -> Tensor<2> {
        self.tau_of_classes.clone().select(0, classes)
    }

    /// tau(c) `[rows, embedding]` of classes `[rows]` and values `[rows]` of every further condition.
    pub(crate) fn tau(&self, classes: Tensor<1, Int>, conditions: Vec<Tensor<1, Int>>) -> Tensor<2> {
        self.denoiser.tau(classes, conditions)
    }

    /// alpha_bar of every step from 0 to T.
    pub(crate) fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }

    /// Latents `[rows, latent]` at step t = 0 as the network predicts them from those at step t, both at scale
    /// sqrt(latent), for conditions' embeddings `[rows, embedding]`.
    pub(crate) fn predict(&self, noised: Tensor<2>, tau: Tensor<2>, step: usize) -> Tensor<2> {
        let rows = noised.dims()[0];
        let time = time_embedding(&vec![step; rows], self.embedding, &noised.device());
        match self.denoiser.null() {
            Some(null) if self.guidance != 0.0 => {
                let null = null.expand(tau.dims());
                let without = self.denoiser.forward(noised.clone(), time.clone(), null);
                let with = self.denoiser.forward(noised, time, tau);
                without.clone() + (with - without) * (1.0 + self.guidance)
            }
            _ => self.denoiser.forward(noised, time, tau),
        }
    }

    /// The codes `[rows, latent]` at scale sqrt(latent), noised to a step of the schedule (equation 1).
    pub(crate) fn noised(&self, codes: Tensor<2>, noise: Tensor<2>, step: usize) -> Tensor<2> {
        let alpha_bar = self.alpha_bars[step.min(self.alpha_bars.len() - 1)];
        codes * alpha_bar.sqrt() + noise * (1.0 - alpha_bar).sqrt()
    }

    /// Clean latents `[rows, latent]` of length about one, from codes `[rows, latent]` at scale sqrt(latent).
    pub(crate) fn denoise(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        step: usize,
        noise: Tensor<2>,
    ) -> Tensor<2> {
        let latent = codes.dims()[1];
        let tau = self.tau_of_classes(classes);
        self.predict(self.noised(codes, noise, step), tau, step) / (latent as f64).sqrt()
    }

    /// Expression `[rows, genes]` (log1p of counts per 1e4), not negative, from codes at scale sqrt(latent).
    pub(crate) fn generate(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        step: usize,
        noise: Tensor<2>,
    ) -> Tensor<2> {
        let latents = self.denoise(codes, classes, step, noise);
        self.decode(latents)
    }

    /// Expression `[rows, genes]` of latents `[rows, latent]` of length about one.
    pub(crate) fn decode(&self, latents: Tensor<2>) -> Tensor<2> {
        // That there is a decoder was checked when the generator was trained.
        self.foundation.decode(latents.clone()).unwrap_or(latents)
    }

    /// Noise `[rows, latent]` of a kind, for a step of an optimisation.
    pub(crate) fn noise(&self, noise: Noise, rows: usize, seed: u64, step: usize, device: &Device) -> Tensor<2> {
        let latent = self.foundation.latent();
        let purpose = match noise {
            Noise::None => return Tensor::zeros([rows, latent], device),
            Noise::Fixed => "generator noise".to_owned(),
            Noise::Fresh => format!("generator noise {step}"),
        };
        tensors::normal(rows, latent, &mut seed::stream(seed, &purpose), device)
    }
}
