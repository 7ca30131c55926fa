//! Features alone: the vectors that the classifier is fed are moved, and nothing becomes a cell. The rows "FeatDistill" of
//! Yu et al. 2025; decoded once at the end, they are "TextDistill".

use std::sync::Arc;

use burn::tensor::{Int, Tensor};

use super::{GeneratorPath, Pipeline, Space};
use crate::distill::{DistillBuilder, DistillConfig};
use crate::distill::{DistillError, DistilledEmbeddings, MatchingObjective};
use crate::study::Study;

pub(super) struct EmbeddingsPath {
    pub(super) study: Study,
}

impl Study {
    /// Opens a distillation of features: "FeatDistill". No generator, no encoder: it runs with embeddings of a file, too.
    /// The result has no expression; [`decoded`](DistilledEmbeddings::decoded) makes some of it ("TextDistill").
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let features = study.distill_embeddings(DistributionMatching::default()).steps(3).run()?;
    /// assert_eq!(features.method(), "FeatDistill+DM");
    /// assert_eq!(features.decoded()?.method(), "TextDistill+DM");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn distill_embeddings(&self, objective: impl MatchingObjective) -> DistillBuilder<DistilledEmbeddings> {
        DistillBuilder::new(Arc::new(EmbeddingsPath { study: self.clone() }), objective)
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

    fn make(
        &self,
        codes: Tensor<2>,
        _classes: Tensor<1, Int>,
        _noise: Option<Tensor<2>>,
        _config: &DistillConfig,
    ) -> Result<Tensor<2>, DistillError> {
        let scale = (codes.dims()[1] as f64).sqrt();
        Ok(codes / scale)
    }

    fn features(&self, made: Tensor<2>) -> Result<Tensor<2>, DistillError> {
        Ok(made)
    }
}
