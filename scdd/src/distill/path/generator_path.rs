//! The trait of a generator path: from codes to expression or embeddings, differentiable.

use burn::tensor::{Int, Tensor};
use ndarray::Array2;

use super::latents::{Latents, check_encoder};
use super::pipeline::Pipeline;
use super::scdg::Denoising;
use crate::distill::error::DistillError;
use crate::scdg::Scdg;
use crate::study::Study;

/// What a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// A latent at scale sqrt(latent), so that one learning rate suits models of any width.
    Latents,
    /// A profile, log1p of counts per 1e4, not negative.
    Expression,
    /// Logarithms of the weights of the class's metacells.
    Weights,
}

/// How codes become cells or embeddings.
pub trait GeneratorPath: Send + Sync {
    fn pipeline(&self) -> Pipeline;

    fn study(&self) -> &Study;

    /// The generator, where there is one.
    fn scdg(&self) -> Option<&Scdg> {
        None
    }

    fn space(&self) -> Space;

    /// Width of a code.
    fn width(&self) -> usize {
        match self.space() {
            Space::Expression => self.study().cells().genes(),
            _ => self.study().foundation().latent(),
        }
    }

    /// Whether [`make`](Self::make) gives expression, or else embeddings.
    fn makes_expression(&self) -> bool {
        true
    }

    /// The code of the mean of some cells of one class, where codes are weights.
    fn weights(&self, _cells: &[usize]) -> Vec<f32> {
        Vec::new()
    }

    /// Seconds that preparing the path took beside the foundation model, such as training SCDG.
    fn preparation_seconds(&self) -> f64 {
        self.scdg().map_or(0.0, |scdg| scdg.history().seconds)
    }

    /// Adam's learning rate, where codes need another than the objective's.
    fn learning_rate(&self) -> Option<f64> {
        None
    }

    /// Refuses settings of the path that are out of range. Costs nothing.
    fn check_settings(&self) -> Result<(), DistillError> {
        Ok(())
    }

    /// Refuses a study whose model lacks what the path needs. Runs the model on one cell.
    fn check_model(&self) -> Result<(), DistillError> {
        check_encoder(self.study())
    }

    /// Expression `[rows, genes]`, or embeddings `[rows, latent]`, of codes `[rows, width]` of these classes.
    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
    ) -> Result<Tensor<2>, DistillError>;

    /// The decoder's latents of these codes, without a graph, where [`make`](Self::make) ends in the decoder and the model's
    /// encoder embeds what it makes; None on other paths. The norm of a latent is about one.
    fn latents(&self, _codes: &Tensor<2>, _classes: Tensor<1, Int>, _noise: Option<Tensor<2>>) -> Option<Latents> {
        None
    }

    /// How SCDG denoises codes, where it does.
    fn denoising(&self) -> Option<Denoising> {
        None
    }

    /// Noise `[rows, latent]` of a step, where the path adds any.
    fn noise(&self, _rows: usize, _step: usize, _seed: u64) -> Option<Tensor<2>> {
        None
    }

    /// Embeddings `[rows, latent]` of what [`make`](Self::make) gave, as the objective compares them.
    fn embeddings(&self, made: Tensor<2>) -> Result<Tensor<2>, DistillError> {
        let foundation = self.study().foundation();
        foundation.encode(made).ok_or_else(|| DistillError::NoEncoder(foundation.name()))
    }

    /// Projects updated codes back to those that are allowed; None where all are.
    fn constrain(&self, _codes: &Tensor<2>) -> Option<Tensor<2>> {
        None
    }

    /// Codes that a trained generator draws for these classes.
    fn generated(&self, _labels: &[u32], _seed: u64) -> Option<Array2<f32>> {
        None
    }
}
