//! Latents through SCDG and the decoder, S = ReLU(De(D_theta(noised(z), t, tau(c)))): the rows "scDD+SCDG" of Yu et al.
//! 2025.

use burn::tensor::{Int, Tensor};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::generator_path::{GeneratorPath, Space};
use super::latents::Latents;
use super::{AnyPath, Chain, Pipeline};
use crate::distill::{DistillBuilder, DistillError, Distilled, MatchingObjective};
use crate::error::SettingError;
use crate::scdg::{Generator, Noise, Scdg, usual_step};
use crate::study::Study;
use crate::{seed, tensors};

/// How SCDG denoises codes, which is part of a set's recipe.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Denoising {
    /// Which noise codes get; fixed for each code (our choice).
    pub noise: Noise,
    /// Step t of the noise schedule that codes are noised to; a tenth of the schedule, such as 100 of 1,000 with alpha_bar
    /// 0.90 (our choice).
    pub noise_step: usize,
    /// Guidance w, D_null + (1 + w) (D_c - D_null); 0, which is none.
    pub guidance: f64,
    /// The chain of denoising steps; None is a single one (the paper).
    pub chain: Option<Chain>,
}

/// The path of [`scdg.distill(..)`](Scdg::distill), and with [`Chain`] in the place of [`OneCall`] that of
/// [`scdg.distill_chain(..)`](Scdg::distill_chain).
#[derive(Clone)]
pub struct ScdgPath<C = OneCall> {
    scdg: Scdg,
    noise: Noise,
    noise_step: Option<usize>,
    guidance: f64,
    pub(super) calls: C,
}

/// The denoiser is called once (the paper).
#[derive(Clone, Copy)]
pub struct OneCall;

/// How often the denoiser is called.
pub trait Calls: Copy + Send + Sync + 'static {
    fn chain(self) -> Option<Chain>;
}

impl Calls for OneCall {
    fn chain(self) -> Option<Chain> {
        None
    }
}

impl Scdg {
    /// Opens a distillation with a matching objective; the seed is the study's unless set.
    pub fn distill(&self, objective: impl MatchingObjective) -> DistillBuilder<Distilled, ScdgPath> {
        DistillBuilder::new(self.study(), ScdgPath::new(self, OneCall), objective)
    }
}

/// Settings of pipelines with SCDG. Others don't have them:
///
/// ```compile_fail,E0599
/// # use scdd::prelude::*;
/// # fn skip(study: &Study) {
/// study.distill_expression(DistributionMatching::default()).noise(Noise::Fixed, 10);
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # use scdd::prelude::*;
/// # fn skip(scdg: &Scdg) {
/// scdg.distill(DistributionMatching::default()).chain(scdd::distill::Chain::default());
/// # }
/// ```
impl<C> DistillBuilder<Distilled, ScdgPath<C>> {
    /// Which noise codes get, and to which step of the schedule; fixed, to a tenth of its steps (our choice).
    pub fn noise(mut self, noise: Noise, step: usize) -> Self {
        (self.path.noise, self.path.noise_step) = (noise, Some(step));
        self
    }

    /// Guidance w of the denoiser: latents are D_null + (1 + w) (D_c - D_null); 0, which is none. Needs an SCDG that was
    /// trained with [`condition_dropout`](crate::scdg::ScdgBuilder::condition_dropout).
    pub fn guidance(mut self, w: f64) -> Self {
        self.path.guidance = w;
        self
    }
}

impl<C: Calls> From<ScdgPath<C>> for AnyPath {
    fn from(path: ScdgPath<C>) -> Self {
        Self::new(path)
    }
}

impl<C: Calls> ScdgPath<C> {
    pub(super) fn new(scdg: &Scdg, calls: C) -> Self {
        Self { scdg: scdg.clone(), noise: Noise::Fixed, noise_step: None, guidance: 0.0, calls }
    }

    /// Step of the noise schedule that codes are noised to.
    fn step(&self) -> usize {
        self.noise_step.unwrap_or_else(|| usual_step(self.scdg.config().schedule.steps))
    }

    fn denoised(&self, codes: Tensor<2>, classes: Tensor<1, Int>, noise: Option<Tensor<2>>) -> Tensor<2> {
        let noise = noise.unwrap_or_else(|| codes.clone().inner().zeros_like());
        match self.calls.chain() {
            None => self.generator().denoise(codes, classes, self.step(), noise),
            Some(Chain { steps, skips }) => self.generator().chain(codes, classes, noise, self.step(), steps, skips),
        }
    }

    /// The generator with this guidance.
    fn generator(&self) -> Generator {
        self.scdg.generator().guided(self.guidance)
    }

    fn check_guidance(&self) -> Result<(), SettingError> {
        let guidance = self.guidance;
        let expected = if !(guidance.is_finite() && guidance >= -1.0) {
            "a finite number, -1 (no conditions) or more"
        } else if guidance != 0.0 && !self.scdg.generator().can_be_guided() {
            "0, since the network was trained without dropping conditions; train it with .condition_dropout(0.1)"
        } else {
            return Ok(());
        };
        Err(SettingError::new("guidance", guidance, expected))
    }
}

impl<C: Calls> GeneratorPath for ScdgPath<C> {
    fn pipeline(&self) -> Pipeline {
        self.calls.chain().map_or(Pipeline::Scdg, |_| Pipeline::DiffusionChain)
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

    fn check_settings(&self) -> Result<(), DistillError> {
        let (step, steps) = (self.step(), self.scdg.config().schedule.steps);
        if step > steps {
            return Err(SettingError::new("noise_step", step, format!("0 to {steps}")).into());
        }
        self.check_guidance()?;
        match self.calls.chain() {
            Some(Chain { steps: calls, .. }) if calls == 0 || calls > step => {
                let found = format!("{calls} from noise step {step}");
                let expected = format!("1 to {step}, or a larger noise step with .noise(..)");
                Err(SettingError::new("steps of the chain", found, expected).into())
            }
            _ => Ok(()),
        }
    }

    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
    ) -> Result<Tensor<2>, DistillError> {
        Ok(self.scdg.generator().decode(self.denoised(codes, classes, noise)))
    }

    fn latents(&self, codes: &Tensor<2>, classes: Tensor<1, Int>, noise: Option<Tensor<2>>) -> Option<Latents> {
        let hand_derived = match self.calls.chain() {
            None => {
                let noise = noise.clone().unwrap_or_else(|| codes.zeros_like());
                self.generator().denoise_with_vjp(codes.clone(), classes.clone(), self.step(), noise)
            }
            Some(_) => None,
        };
        Some(match hand_derived {
            Some((latents, backward)) => Latents::new(latents, backward),
            None => Latents::in_graph(codes, |codes| self.denoised(codes, classes, noise)),
        })
    }

    fn denoising(&self) -> Option<Denoising> {
        let (noise, noise_step, guidance) = (self.noise, self.step(), self.guidance);
        Some(Denoising { noise, noise_step, guidance, chain: self.calls.chain() })
    }

    fn noise(&self, rows: usize, step: usize, seed: u64) -> Option<Tensor<2>> {
        Some(self.scdg.generator().noise(self.noise, rows, seed, step, self.study().device()))
    }

    /// One network call on pure noise, the schedule's last step: what the network predicts of the class alone.
    fn generated(&self, labels: &[u32], seed: u64) -> Option<Array2<f32>> {
        let (device, latent) = (self.study().device(), self.study().foundation().latent());
        let noise = tensors::normal(labels.len(), latent, &mut seed::stream(seed, "generated codes"), device);
        let classes = tensors::indices(labels.iter().map(|&label| label as usize), device);
        let last = self.scdg.config().schedule.steps;
        let latents = self.scdg.generator().denoise(noise.zeros_like(), classes, last, noise);
        Some(tensors::array(latents) * (latent as f32).sqrt())
    }
}
