//! Latents through SCDG and the decoder, S = ReLU(De(D_theta(noised(z), t, tau(c)))): the rows "scDD+SCDG" of Yu et al.
//! 2025.

use std::sync::Arc;

use burn::tensor::{Int, Tensor};
use ndarray::Array2;

use super::{GeneratorPath, Latents, Pipeline, Space, check_encoder};
use crate::distill::{DistillBuilder, DistillConfig};
use crate::distill::{DistillError, Distilled, MatchingObjective};
use crate::error::SettingError;
use crate::scdg::{Generator, Scdg, usual_step};
use crate::study::Study;
use crate::{seed, tensors};

pub(super) struct ScdgPath {
    pub(super) scdg: Scdg,
}

impl Scdg {
    /// Opens a distillation with a matching objective; the seed is the study's unless set.
    pub fn distill(&self, objective: impl MatchingObjective) -> DistillBuilder<Distilled> {
        DistillBuilder::new(Arc::new(ScdgPath { scdg: self.clone() }), objective)
    }
}

impl ScdgPath {
    /// Step of the noise schedule that codes are noised to.
    pub(super) fn step(&self, config: &DistillConfig) -> usize {
        config.noise_step.unwrap_or_else(|| usual_step(self.scdg.config().schedule.steps))
    }

    fn denoised(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Tensor<2> {
        let noise = noise.unwrap_or_else(|| codes.clone().inner().zeros_like());
        self.generator(config).denoise(codes, classes, self.step(config), noise)
    }

    /// The generator with the guidance that is asked for.
    pub(super) fn generator(&self, config: &DistillConfig) -> Generator {
        self.scdg.generator().guided(config.guidance)
    }
}

impl GeneratorPath for ScdgPath {
    fn pipeline(&self) -> Pipeline {
        Pipeline::Scdg
    }

    fn study(&self) -> &Study {
        self.scdg.study()
    }

    fn scdg(&self) -> Option<&Scdg> {
        Some(&self.scdg)
    }

    fn space(&self) -> Space {
        Space::Latents
    }

    fn check(&self, config: &DistillConfig) -> Result<(), DistillError> {
        let (step, steps) = (self.step(config), self.scdg.config().schedule.steps);
        if step > steps {
            let (found, expected) = (step.to_string(), format!("0 to {steps}"));
            return Err(DistillError::Setting(SettingError::new("noise_step", found, expected)));
        }
        let guidance = config.guidance;
        let expected = if !(guidance.is_finite() && guidance >= -1.0) {
            "a finite number, -1 (no conditions) or more"
        } else if guidance != 0.0 && !self.scdg.generator().can_be_guided() {
            "0, since the network was trained without dropping conditions; train it with .condition_dropout(0.1)"
        } else {
            return check_encoder(self.study());
        };
        let (found, expected) = (guidance.to_string(), expected.to_owned());
        Err(DistillError::Setting(SettingError::new("guidance", found, expected)))
    }

    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Result<Tensor<2>, DistillError> {
        Ok(self.scdg.generator().decode(self.denoised(codes, classes, noise, config)))
    }

    fn latents(
        &self,
        codes: &Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Option<Latents> {
        let given = noise.clone().unwrap_or_else(|| codes.zeros_like());
        let generator = self.generator(config);
        let written_out = generator.denoise_and_back(codes.clone(), classes.clone(), self.step(config), given);
        Some(match written_out {
            Some((latents, back)) => Latents::new(latents, back),
            None => Latents::in_graph(codes, |codes| self.denoised(codes, classes, noise, config)),
        })
    }

    fn noise_step(&self, config: &DistillConfig) -> Option<usize> {
        Some(self.step(config))
    }

    fn noise(&self, rows: usize, step: usize, config: &DistillConfig) -> Option<Tensor<2>> {
        let device = self.study().device();
        Some(self.scdg.generator().noise(config.noise, rows, config.seed, step, device))
    }

    /// One network call on pure noise, the schedule's last step: what the network takes the class alone to be.
    fn generated(&self, labels: &[u32], seed: u64) -> Option<Array2<f32>> {
        let (device, latent) = (self.study().device(), self.study().foundation().latent());
        let noise = tensors::normal(labels.len(), latent, &mut seed::stream(seed, "generated codes"), device);
        let classes = tensors::indices(labels.iter().map(|&label| label as usize), device);
        let last = self.scdg.config().schedule.steps;
        let latents = self.scdg.generator().denoise(noise.zeros_like(), classes, last, noise);
        Some(tensors::array(latents) * (latent as f32).sqrt())
    }
}
