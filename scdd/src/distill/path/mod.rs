//! Generator paths: what codes are, and how they become what is delivered.
//!
//! The engine knows codes `[rows, width]`, an objective and an optimiser. A path says what a code is (a profile, a latent),
//! what is made of it, and what the objective sees of that: the pipelines of Yu et al. 2025, section 5, differ in nothing
//! else.

mod chain;
mod decoder;
mod embeddings;
mod expression;
mod generation;
mod metacells;
mod scdg;

use burn::tensor::{Int, Tensor};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

pub use chain::Chain;
pub use generation::SampleBuilder;

use super::config::DistillConfig;
use super::error::DistillError;
use crate::scdg::Scdg;
use crate::study::Study;
use crate::tensors;

/// A pipeline of the paper, or one that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pipeline {
    /// Expression itself is moved: "DC" and "DM".
    Expression,
    /// Latents are moved and decoded, as GLaD does (Cazenavette et al. 2023): "scDD+Decoder".
    Decoder,
    /// Latents are moved, denoised by SCDG and decoded: "scDD+SCDG".
    Scdg,
    /// Latents are moved, denoised by SCDG in a chain of steps and decoded: "LD3M" (Moser et al.).
    DiffusionChain,
    /// The vectors that the classifier is fed are moved; there is no expression: "FeatDistill".
    Embeddings,
    /// Those vectors, decoded once when they are done: "TextDistill".
    DecodedEmbeddings,
    /// Weights of a class's metacells are moved (ours): "scDD+Metacells".
    Metacells,
    /// SCDG is sampled; nothing is moved (the counterpart of the paper's SDXL-Turbo).
    Generation,
}

impl Pipeline {
    /// The paper's name with an objective's short one: "scDD+SCDG, DC".
    ///
    /// ```
    /// use scdd::distill::Pipeline;
    /// assert_eq!(Pipeline::Decoder.name("DM"), "scDD+Decoder, DM");
    /// assert_eq!(Pipeline::Embeddings.name("DC"), "FeatDistill+DC");
    /// ```
    pub fn name(self, objective: &str) -> String {
        match self {
            Self::Expression => objective.to_owned(),
            Self::Decoder => format!("scDD+Decoder, {objective}"),
            Self::Scdg => format!("scDD+SCDG, {objective}"),
            Self::DiffusionChain => format!("LD3M, {objective}"),
            Self::Embeddings => format!("FeatDistill+{objective}"),
            Self::DecodedEmbeddings => format!("TextDistill+{objective}"),
            Self::Metacells => format!("scDD+Metacells, {objective}"),
            Self::Generation => "generation only".to_owned(),
        }
    }
}

/// What a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// A latent at scale sqrt(latent), so that one learning rate suits models of any width.
    Latents,
    /// A profile, log1p of counts per 1e4, not negative.
    Expression,
    /// Logarithms of the weights of metacells of the class.
    Weights,
}

/// How codes become cells or features.
pub(super) trait GeneratorPath: Send + Sync {
    fn pipeline(&self) -> Pipeline;

    fn study(&self) -> &Study;

    /// The generator, where there is one.
    fn scdg(&self) -> Option<&Scdg> {
        None
    }

    fn space(&self) -> Space;

    /// The code of the mean of some cells of one class, where codes are weights.
    fn weights(&self, _cells: &[usize]) -> Vec<f32> {
        Vec::new()
    }

    /// Seconds that went into what the path needs beside the foundation model, such as training SCDG.
    fn preparation_seconds(&self) -> f64 {
        self.scdg().map_or(0.0, |scdg| scdg.history().seconds)
    }

    /// Adam's learning rate, where codes need another than the objective's.
    fn learning_rate(&self) -> Option<f64> {
        None
    }

    /// Whether this path can run on this study with this config.
    fn check(&self, _config: &DistillConfig) -> Result<(), DistillError> {
        Ok(())
    }

    /// What is made of codes `[rows, width]` of these classes: expression `[rows, genes]`, or features.
    fn make(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Option<Tensor<2>>,
        config: &DistillConfig,
    ) -> Result<Tensor<2>, DistillError>;

    /// Latents of length about one whose decoding is what the path makes, and which the model's encoder looks at, of codes
    /// without a graph; None where something else is made.
    fn latents(
        &self,
        _codes: &Tensor<2>,
        _classes: Tensor<1, Int>,
        _noise: Option<Tensor<2>>,
        _config: &DistillConfig,
    ) -> Option<Latents> {
        None
    }

    /// Step of the noise schedule that codes are noised to, where the path has noise.
    fn noise_step(&self, _config: &DistillConfig) -> Option<usize> {
        None
    }

    /// Noise `[rows, latent]` of a step, where the path has any.
    fn noise(&self, _rows: usize, _step: usize, _config: &DistillConfig) -> Option<Tensor<2>> {
        None
    }

    /// Latents of what was made, as the objective sees them.
    fn features(&self, made: Tensor<2>) -> Result<Tensor<2>, DistillError> {
        let foundation = self.study().foundation();
        foundation.encode(made).ok_or_else(|| DistillError::NoEncoder(foundation.name()))
    }

    /// Where the optimiser's step is put back to, when codes may not be anything.
    fn constrain(&self, _codes: &Tensor<2>) -> Option<Tensor<2>> {
        None
    }

    /// Codes that a trained generator draws for these classes.
    fn generated(&self, _labels: &[u32], _seed: u64) -> Option<Array2<f32>> {
        None
    }
}

/// Latents `[rows, latent]` that a decoder is given, without a graph, and the way back to the codes that they were made of.
pub(super) struct Latents {
    pub(super) values: Tensor<2>,
    back: Box<dyn FnOnce(Tensor<2>) -> Tensor<2>>,
}

impl Latents {
    fn new(values: Tensor<2>, back: impl FnOnce(Tensor<2>) -> Tensor<2> + 'static) -> Self {
        Self { values, back: Box::new(back) }
    }

    /// Made in tensors, with a graph from the codes to the latents.
    fn in_graph(codes: &Tensor<2>, make: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let codes = codes.clone().autodiff().require_grad();
        let made = make(codes.clone());
        Self::new(made.clone().inner(), move |gradient| {
            let by_codes = codes.grad(&(made * gradient).sum().backward());
            by_codes.unwrap_or_else(|| codes.inner().zeros_like())
        })
    }

    /// The latents, where nobody goes back.
    pub(super) fn only(self) -> Tensor<2> {
        self.values
    }

    /// Gradients by the latents to gradients by the codes.
    pub(super) fn back(self, gradient: Tensor<2>) -> Tensor<2> {
        (self.back)(gradient)
    }
}

/// Latents of codes at scale sqrt(latent).
fn unscaled(codes: Tensor<2>) -> Tensor<2> {
    let scale = (codes.dims()[1] as f64).sqrt();
    codes / scale
}

/// Expression `[rows, genes]` of codes at scale sqrt(latent), through the decoder alone.
fn decode(study: &Study, codes: Tensor<2>) -> Result<Tensor<2>, DistillError> {
    let foundation = study.foundation();
    foundation.decode(unscaled(codes)).ok_or_else(|| DistillError::NoDecoder(foundation.name()))
}

/// Refuses a model that can't decode, before anything runs.
fn check_decoder(study: &Study) -> Result<(), DistillError> {
    let foundation = study.foundation();
    if foundation.can_decode() { Ok(()) } else { Err(DistillError::NoDecoder(foundation.name())) }
}

/// Refuses a model that the objective can't look through, before anything runs.
fn check_encoder(study: &Study) -> Result<(), DistillError> {
    let foundation = study.foundation();
    if foundation.decode_encode().is_some() {
        return Ok(());
    }
    let none = Tensor::zeros([1, study.cells().genes()], &foundation.device());
    foundation.encode(none).map(|_| ()).ok_or_else(|| DistillError::NoEncoder(foundation.name()))
}

/// Expression of decoded features `[rows, latent]`, for TextDistill.
pub(super) fn decoded(study: &Study, features: &Array2<f32>) -> Result<Array2<f32>, DistillError> {
    let foundation = study.foundation();
    let made = foundation.decode(tensors::tensor(features, study.device()));
    made.map(tensors::array).ok_or_else(|| DistillError::NoDecoder(foundation.name()))
}

/// One of each path whose codes are moved, SCDG's last.
#[cfg(test)]
pub(super) fn test_paths(study: &Study, scdg: &Scdg) -> Vec<Box<dyn GeneratorPath>> {
    let study = || study.clone();
    vec![
        Box::new(expression::ExpressionPath { study: study() }),
        Box::new(decoder::DecoderPath { study: study() }),
        Box::new(embeddings::EmbeddingsPath { study: study() }),
        Box::new(metacells::MetacellPath { metacells: study().metacells().per_class(4).run().unwrap() }),
        Box::new(chain::ChainPath { one_step: scdg::ScdgPath { scdg: scdg.clone() } }),
        Box::new(scdg::ScdgPath { scdg: scdg.clone() }),
    ]
}
