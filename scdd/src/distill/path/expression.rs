//! Expression itself as codes: the rows "DC" and "DM" of Yu et al. 2025, which match without a generator.

use burn::tensor::{Int, Tensor};

use super::generator_path::{GeneratorPath, Space};
use super::{AnyPath, Pipeline};
use crate::distill::{DistillBuilder, DistillError, MatchingObjective};
use crate::study::Study;

pub(super) struct ExpressionPath {
    pub(super) study: Study,
}

impl Study {
    /// Opens a distillation that optimises expression itself, without a generator: "DC" and "DM" of the paper's tables.
    /// After each step negative values are set to 0 (our choice).
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let distilled = study.distill_expression(DistributionMatching::default()).steps(3).run()?;
    /// assert_eq!(distilled.method(), "DM");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn distill_expression(&self, objective: impl MatchingObjective) -> DistillBuilder {
        DistillBuilder::new(self, AnyPath::new(ExpressionPath { study: self.clone() }), objective)
    }
}

impl GeneratorPath for ExpressionPath {
    fn pipeline(&self) -> Pipeline {
        Pipeline::Expression
    }

    fn study(&self) -> &Study {
        &self.study
    }

    fn space(&self) -> Space {
        Space::Expression
    }

    fn make(&self, codes: Tensor<2>, _: Tensor<1, Int>, _: Option<Tensor<2>>) -> Result<Tensor<2>, DistillError> {
        Ok(codes)
    }

    fn constrain(&self, codes: &Tensor<2>) -> Option<Tensor<2>> {
        Some(codes.clone().clamp_min(0.0))
    }
}
