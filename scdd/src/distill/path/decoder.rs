//! Latents through the decoder alone, S = ReLU(De(z)): the row "scDD+Decoder" of Yu et al. 2025, as GLaD does with images
//! (Cazenavette et al. 2023).

use burn::tensor::{Int, Tensor};

use super::generator_path::{GeneratorPath, Space};
use super::latents::{Latents, check_decoder, check_encoder, decode, unscaled};
use super::{AnyPath, Pipeline};
use crate::distill::{DistillBuilder, DistillError, MatchingObjective};
use crate::study::Study;

pub(super) struct DecoderPath {
    pub(super) study: Study,
}

impl Study {
    /// Opens a distillation that optimises latents through the foundation model's decoder alone: "scDD+Decoder". Latents
    /// may have any norm (our choice).
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let distilled = study.distill_decoder(GradientMatching::default()).steps(3).run()?;
    /// assert_eq!(distilled.method(), "scDD+Decoder, DC");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn distill_decoder(&self, objective: impl MatchingObjective) -> DistillBuilder {
        DistillBuilder::new(self, AnyPath::new(DecoderPath { study: self.clone() }), objective)
    }
}

impl GeneratorPath for DecoderPath {
    fn pipeline(&self) -> Pipeline {
        Pipeline::Decoder
    }

    fn study(&self) -> &Study {
        &self.study
    }

    fn space(&self) -> Space {
        Space::Latents
    }

    fn check_model(&self) -> Result<(), DistillError> {
        check_decoder(&self.study)?;
        check_encoder(&self.study)
    }

    fn make(&self, codes: Tensor<2>, _: Tensor<1, Int>, _: Option<Tensor<2>>) -> Result<Tensor<2>, DistillError> {
        decode(&self.study, codes)
    }

    fn latents(&self, codes: &Tensor<2>, _: Tensor<1, Int>, _: Option<Tensor<2>>) -> Option<Latents> {
        Some(Latents::new(unscaled(codes.clone()), unscaled))
    }
}
