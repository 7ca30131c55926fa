//! Latents through SCDG and the decoder, S = ReLU(De(D_theta(noised(z), t, tau(c)))): the rows "scDD+SCDG" of Yu et al.
//! 2025.

use std::sync::Arc;

use burn::tensor::{Int, Tensor};
use ndarray::Array2;

use super::{GeneratorPath, Pipeline, Space, check_encoder};
use crate::distill::{DistillBuilder, DistillConfig};
use crate::distill::{DistillError, Distilled, MatchingObjective};
use crate::scdg::Scdg;
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
        let steps = self.scdg.config().schedule.steps;
        if config.noise_step > steps {
            let (found, expected) = (config.noise_step.to_string(), format!("0 to {steps}"));
            return Err(DistillError::Setting { setting: "noise_step", found, expected });
        }
        check_encoder(self.study())
    }

    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Result<Tensor<2>, DistillError> {
        let noise = noise.unwrap_or_else(|| codes.clone().inner().zeros_like());
        Ok(self.scdg.generator().generate(codes, classes, config.noise_step, noise))
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
