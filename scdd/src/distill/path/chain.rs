//! Latents through a chain of SCDG's denoising steps and the decoder: LD3M (Moser et al., arXiv 2403.03881) on cells, to
//! compare the paper's single step with.

use std::sync::Arc;

use burn::tensor::{Int, Tensor};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::scdg::ScdgPath;
use super::{GeneratorPath, Latents, Pipeline, Space};
use crate::distill::{DistillBuilder, DistillConfig};
use crate::distill::{DistillError, Distilled, MatchingObjective};
use crate::error::SettingError;
use crate::scdg::Scdg;
use crate::study::Study;

/// The chain of [`scdg.distill_chain`](Scdg::distill_chain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Calls of the network from the noise step to none, evenly apart; 10 (ours; LD3M measures 10 to 50 on images).
    pub steps: usize,
    /// Whether the code is mixed into every predicted latent, with a weight that falls linearly to none (LD3M); it is.
    pub skips: bool,
}

impl Default for Chain {
    fn default() -> Self {
        Self { steps: 10, skips: true }
    }
}

pub(super) struct ChainPath {
    pub(super) one_step: ScdgPath,
}

impl Scdg {
    /// Opens a distillation whose codes go through a chain of denoising steps with LD3M's skips: "LD3M, DC". The gradient
    /// goes back through all of them, so a step costs as many calls of the network.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// use scdd::distill::Chain;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let scdg = study.train_scdg().steps(20).run()?;
    /// let builder = scdg.distill_chain(DistributionMatching::default()).chain(Chain { steps: 4, skips: true });
    /// assert_eq!(builder.steps(2).run()?.method(), "LD3M, DM");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn distill_chain(&self, objective: impl MatchingObjective) -> DistillBuilder<Distilled> {
        let one_step = ScdgPath { scdg: self.clone() };
        DistillBuilder::new(Arc::new(ChainPath { one_step }), objective)
    }
}

impl ChainPath {
    fn denoised(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Tensor<2> {
        let noise = noise.unwrap_or_else(|| codes.clone().inner().zeros_like());
        let (step, Chain { steps, skips }) = (self.one_step.step(config), config.chain);
        self.one_step.generator(config).chain(codes, classes, noise, step, steps, skips)
    }
}

impl GeneratorPath for ChainPath {
    fn pipeline(&self) -> Pipeline {
        Pipeline::DiffusionChain
    }

    fn study(&self) -> &Study {
        self.one_step.study()
    }

    fn scdg(&self) -> Option<&Scdg> {
        self.one_step.scdg()
    }

    fn space(&self) -> Space {
        self.one_step.space()
    }

    fn check(&self, config: &DistillConfig) -> Result<(), DistillError> {
        self.one_step.check(config)?;
        let (calls, step) = (config.chain.steps, self.one_step.step(config));
        if calls == 0 || calls > step {
            let found = format!("{calls} from noise step {step}");
            let expected = format!("1 to {step}, or a larger noise step with .noise(..)");
            return Err(DistillError::Setting(SettingError::new("steps of the chain", found, expected)));
        }
        Ok(())
    }

    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Result<Tensor<2>, DistillError> {
        Ok(self.one_step.scdg.generator().decode(self.denoised(codes, classes, noise, config)))
    }

    fn latents(
        &self,
        codes: &Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Option<Latents> {
        Some(Latents::in_graph(codes, |codes| self.denoised(codes, classes, noise, config)))
    }

    fn noise_step(&self, config: &DistillConfig) -> Option<usize> {
        self.one_step.noise_step(config)
    }

    fn noise(&self, rows: usize, step: usize, config: &DistillConfig) -> Option<Tensor<2>> {
        self.one_step.noise(rows, step, config)
    }

    fn generated(&self, labels: &[u32], seed: u64) -> Option<Array2<f32>> {
        self.one_step.generated(labels, seed)
    }
}
