//! Embeddings alone: the vectors that the classifier takes are optimised, and no cell is made. The rows "FeatDistill" of Yu
//! et al. 2025; decoded once at the end, they are "TextDistill".

use burn::tensor::{Int, Tensor};

use super::generator_path::{GeneratorPath, Space};
use super::latents::unscaled;
use super::{AnyPath, Pipeline};
use crate::distill::{DistillBuilder, DistillError, DistilledEmbeddings, MatchingObjective};
use crate::study::Study;

pub(super) struct EmbeddingsPath {
    pub(super) study: Study,
}

impl Study {
    /// Opens a distillation of embeddings: "FeatDistill". It needs no generator and no encoder, so it also runs with
    /// embeddings from a file. The result has no expression; [`decoded`](DistilledEmbeddings::decoded) makes it
    /// ("TextDistill").
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let embeddings = study.distill_embeddings(DistributionMatching::default()).steps(3).run()?;
    /// assert_eq!(embeddings.method(), "FeatDistill+DM");
    /// assert_eq!(embeddings.decoded()?.method(), "TextDistill+DM");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn distill_embeddings(&self, objective: impl MatchingObjective) -> DistillBuilder<DistilledEmbeddings> {
        DistillBuilder::new(self, AnyPath::new(EmbeddingsPath { study: self.clone() }), objective)
    }
}

impl GeneratorPath for EmbeddingsPath {
    fn pipeline(&self) -> Pipeline {
        Pipeline::Embeddings
    }

    fn study(&self) -> &Study {
        &self.study
    }

    fn space(&self) -> Space {
        Space::Latents
    }

    fn makes_expression(&self) -> bool {
        false
    }

    fn check_model(&self) -> Result<(), DistillError> {
        Ok(())
    }

    fn make(&self, codes: Tensor<2>, _: Tensor<1, Int>, _: Option<Tensor<2>>) -> Result<Tensor<2>, DistillError> {
        Ok(unscaled(codes))
    }

    fn embeddings(&self, made: Tensor<2>) -> Result<Tensor<2>, DistillError> {
        Ok(made)
    }
}
