//! Input of classifiers: sparse expression of cells, and their latents, which are computed when a model needs them.

use std::sync::{Arc, OnceLock};

use ndarray::Array2;

use super::StudyError;
use crate::cells::Expression;
use crate::foundation::Foundation;

/// Cells to train on or to predict: expression `[cells, genes]` (log1p of counts per 1e4), which stays sparse, and latents
/// `[cells, latent]` of a foundation model, which embeds them when they are first needed.
pub struct ModelInput {
    cells: usize,
    expression: Option<Expression>,
    masked: Option<Expression>,
    latents: OnceLock<Array2<f32>>,
    foundation: Option<Foundation>,
    missing: Arc<Vec<u32>>,
    gene_names: Option<Arc<Vec<String>>>,
}

impl ModelInput {
    /// Cells of expression alone.
    ///
    /// ```
    /// use scdd::cells::Expression;
    /// use scdd::evaluate::{CellTypist, EvaluationModel, ModelInput, Protocol};
    /// let cells = ModelInput::new(Expression::from_dense(2, &[3.0, 0.0, 0.0, 2.0])?);
    /// let trained = CellTypist::default().train(&cells, &[0, 1], 2, &Protocol::default())?;
    /// assert_eq!(trained[0].predict(&cells)?, [0, 1]);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn new(expression: Expression) -> Self {
        let cells = expression.cells();
        Self { expression: Some(expression), ..Self::empty(cells) }
    }

    /// Features `[cells, latent]` that are no cells.
    pub fn of_latents(latents: Array2<f32>) -> Self {
        let cells = latents.nrows();
        Self { latents: latents.into(), ..Self::empty(cells) }
    }

    fn empty(cells: usize) -> Self {
        let (expression, latents, foundation) = (None, OnceLock::new(), None);
        Self { cells, expression, masked: None, latents, foundation, missing: Arc::default(), gene_names: None }
    }

    /// The same cells with the names of their genes, for models that know gene sets.
    #[must_use]
    pub fn with_gene_names(self, names: &[String]) -> Self {
        Self { gene_names: Some(Arc::new(names.to_vec())), ..self }
    }

    /// Names of the genes, where they were given.
    pub fn gene_names(&self) -> Option<&[String]> {
        self.gene_names.as_ref().map(|names| names.as_slice())
    }

    /// The same cells with latents that are known.
    #[must_use]
    pub fn with_latents(self, latents: Array2<f32>) -> Self {
        Self { latents: latents.into(), ..self }
    }

    /// The same cells, embedded by a foundation model when latents are needed.
    #[must_use]
    pub fn embedded_by(self, foundation: &Foundation) -> Self {
        Self { foundation: Some(foundation.clone()), ..self }
    }

    /// The same cells with masked expression for models on expression; latents are still those of all expression.
    #[must_use]
    pub(crate) fn with_masked_expression(self, expression: Expression) -> Self {
        Self { masked: Some(expression), ..self }
    }

    /// The same cells, in which some genes were not measured: their zeros are no measurement. A model that can do without a gene
    /// leaves it out; to others it is zero.
    #[must_use]
    pub fn with_missing_genes(self, genes: Vec<u32>) -> Self {
        Self { missing: Arc::new(genes), ..self }
    }

    /// Genes that were not measured, by number, sorted ascending.
    pub fn missing_genes(&self) -> &[u32] {
        &self.missing
    }

    /// How many cells.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Expression `[cells, genes]`, as models on expression are given it.
    ///
    /// # Errors
    /// When these are features that are no cells.
    pub fn expression(&self) -> Result<&Expression, StudyError> {
        self.masked.as_ref().map_or_else(|| self.whole(), Ok)
    }

    fn whole(&self) -> Result<&Expression, StudyError> {
        self.expression.as_ref().ok_or(StudyError::NoExpression { rows: self.cells })
    }

    /// Latents `[cells, latent]`.
    ///
    /// # Errors
    /// When there is no foundation model, or it has no encoder.
    pub fn latents(&self) -> crate::Result<&Array2<f32>> {
        if self.latents.get().is_none() {
            let foundation = self.foundation.as_ref().ok_or(StudyError::NoLatents { cells: self.cells })?;
            // When two threads embed at once, the second result is dropped: both are equal.
            let _ = self.latents.set(foundation.embed(self.whole()?)?);
        }
        Ok(self.latents.get().ok_or(StudyError::NoLatents { cells: self.cells })?)
    }
}
