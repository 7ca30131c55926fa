//! The distilled set: synthetic cells with their labels, and the recipe that made them.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use ndarray::Array2;

use super::distillation::Distillation;
use crate::cells::{CellsError, Expression};
use crate::distill::markers::mask_expression;
use crate::foundation::Foundation;
use crate::study::ModelInput;

/// Synthetic cells of each class; has the methods of [`Distillation`]. Cheap to clone.
#[derive(Clone)]
pub struct Distilled {
    parts: Arc<Parts>,
}

struct Parts {
    made: Distillation,
    expression: Array2<f32>,
    /// The same without zeros, made when it is first asked for.
    sparse: OnceLock<Expression>,
    markers: Option<Vec<bool>>,
}

impl std::fmt::Debug for Distilled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.made.summary("cells", self.parts.expression.ncols(), "genes"))
    }
}

impl Deref for Distilled {
    type Target = Distillation;

    fn deref(&self) -> &Distillation {
        &self.parts.made
    }
}

impl Distilled {
    pub(in crate::distill) fn new(made: Distillation, expression: Array2<f32>, markers: Option<Vec<bool>>) -> Self {
        Self { parts: Arc::new(Parts { made, expression, sparse: OnceLock::new(), markers }) }
    }

    /// Expression `[synthetic cells, genes]`, log1p of counts per 1e4, not negative.
    pub fn expression(&self) -> &Array2<f32> {
        &self.parts.expression
    }

    /// The same in sparse form, converted once.
    pub(crate) fn sparse_expression(&self) -> Result<Expression, CellsError> {
        if let Some(sparse) = self.parts.sparse.get() {
            return Ok(sparse.clone());
        }
        let sparse = Expression::from_array(self.expression())?;
        Ok(self.parts.sparse.get_or_init(|| sparse).clone())
    }

    /// Which genes are markers, one of `[genes]` each; None where all genes count. They are chosen on validation cells
    /// ([`marker_fractions`](crate::distill::DistillBuilder::marker_fractions)), and `var["marker"]` in a file.
    pub fn markers(&self) -> Option<&[bool]> {
        self.parts.markers.as_deref()
    }

    /// The input of models: expression `[synthetic cells, genes]` with all genes but the markers masked, and latents of the
    /// whole expression. A model that is trained with more than the markers learns from differences that are chance.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let opened = study.distill_expression(RidgeSurrogates::default()).steps(2).marker_fractions(&[0.25]);
    /// let distilled = opened.run()?;
    /// let markers = distilled.markers().unwrap().iter().filter(|marker| **marker).count();
    /// assert_eq!(markers, study.cells().genes().div_ceil(4));
    /// let input = distilled.model_input(study.foundation())?;
    /// assert!(input.expression()?.nnz() <= markers * distilled.labels().len());
    /// # Ok::<(), scdd::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn model_input(&self, foundation: &Foundation) -> crate::Result<ModelInput> {
        let whole = ModelInput::new(self.sparse_expression()?).embedded_by(foundation);
        Ok(match self.markers() {
            Some(markers) => whole
                .with_masked_expression(Expression::from_array(&mask_expression(self.expression().clone(), markers))?),
            None => whole,
        })
    }

    /// The same cells with all genes but the markers masked in the expression itself, to be published: it tells less about the
    /// training cells. Models on expression learn the same from it; foundation models learn less than from the whole.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let opened = study.distill_expression(RidgeSurrogates::default()).steps(2).marker_fractions(&[0.25]);
    /// let markers = opened.run()?.only_markers();
    /// let expressed = markers.expression().iter().filter(|value| **value > 0.0).count();
    /// assert!(expressed * 4 <= markers.expression().len());
    /// # Ok::<(), scdd::Error>(())
    /// ```
    #[must_use]
    pub fn only_markers(&self) -> Self {
        let Some(markers) = self.markers() else { return self.clone() };
        let expression = mask_expression(self.expression().clone(), markers);
        Self::new(self.parts.made.clone(), expression, Some(markers.to_vec()))
    }

    /// Shows the summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
