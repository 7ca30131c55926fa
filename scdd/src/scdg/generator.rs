//! Using the generator: G(z, c) = ReLU(De(D_theta(noised(z), t, tau(c)))).

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::denoiser::{Denoiser, time_embedding};
use super::schedule::Schedule;
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
    pub(super) denoiser: Arc<Denoiser>,
    pub(super) foundation: Foundation,
    pub(super) schedule: Schedule,
    pub(super) embedding: usize,
}

impl Generator {
    /// Clean latents `[rows, latent]` of length about one, from codes `[rows, latent]` at scale sqrt(latent).
    pub(crate) fn denoise(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        step: usize,
        noise: Tensor<2>,
    ) -> Tensor<2> {
        let [rows, latent] = codes.dims();
        let alpha_bar = self.schedule.alpha_bar(step);
        let device = codes.device();
        let noised = codes * alpha_bar.sqrt() + noise * (1.0 - alpha_bar).sqrt();
        let time = time_embedding(&vec![step; rows], self.embedding, &device);
        self.denoiser.forward(noised, time, classes) / (latent as f64).sqrt()
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
