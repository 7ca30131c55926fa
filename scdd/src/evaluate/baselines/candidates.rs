//! Input of baselines: the training cells that they select or aggregate.

use ndarray::Array2;
use scdd_learn::check_labels;

use crate::cells::Expression;
use crate::error::LearnError;
use crate::error::SettingError;
use crate::evaluate::EvaluateError;
use crate::foundation::Foundation;
use crate::study::StudyError;
use crate::tensors;

/// Latents that are decoded at a time.
const CHUNK: usize = 256;

/// Training cells with their labels, and, where there is a foundation model, their latents. Cheap to clone.
#[derive(Clone, Copy)]
pub struct Candidates<'a> {
    expression: &'a Expression,
    labels: &'a [u32],
    classes: usize,
    embedded: Option<(&'a Array2<f32>, &'a Foundation)>,
}

impl<'a> Candidates<'a> {
    /// Log-normalised expression `[cells, genes]` with one label per cell, below `classes`.
    ///
    /// # Errors
    /// When labels and cells differ in number, or a label reaches `classes`.
    pub fn new(expression: &'a Expression, labels: &'a [u32], classes: usize) -> Result<Self, LearnError> {
        check_labels("training cells", expression.cells(), labels, classes)?;
        Ok(Self { expression, labels, classes, embedded: None })
    }

    /// The same cells with their latents `[cells, latent]` and the model that made them.
    #[must_use]
    pub fn with_latents(self, latents: &'a Array2<f32>, foundation: &'a Foundation) -> Self {
        Self { embedded: Some((latents, foundation)), ..self }
    }

    /// Log-normalised expression `[cells, genes]`.
    pub fn expression(&self) -> &'a Expression {
        self.expression
    }

    /// The label of each cell.
    pub fn labels(&self) -> &'a [u32] {
        self.labels
    }

    /// How many classes there are; not every one need have a cell.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Latents `[cells, latent]`.
    ///
    /// # Errors
    /// When these cells were given without.
    pub fn latents(&self) -> Result<&'a Array2<f32>, StudyError> {
        self.embedded.map(|(latents, _)| latents).ok_or(StudyError::NoLatents { cells: self.labels.len() })
    }

    /// Expression `[rows, genes]` that the foundation model's decoder makes of latents `[rows, latent]`.
    ///
    /// # Errors
    /// When these cells were given without latents, or the model has no decoder; the error names the baseline.
    pub fn decode(&self, latents: &Array2<f32>, baseline: &str) -> crate::Result<Array2<f32>> {
        let (_, foundation) = self.embedded.ok_or(StudyError::NoLatents { cells: self.labels.len() })?;
        let (device, genes) = (foundation.device(), self.expression.genes());
        let mut values = Vec::with_capacity(latents.nrows() * genes);
        for rows in latents.axis_chunks_iter(ndarray::Axis(0), CHUNK) {
            let decoded = foundation.decode(tensors::tensor(&rows.to_owned(), &device));
            values.extend(tensors::to_vec(decoded.ok_or_else(|| EvaluateError::NoDecoder {
                baseline: baseline.to_owned(),
                model: foundation.name(),
            })?));
        }
        // The decoder makes the genes of the study.
        Ok(Array2::from_shape_vec((latents.nrows(), genes), values).unwrap_or_default())
    }

    /// The cells of each class, in their order.
    ///
    /// # Errors
    /// When `per_class` is 0.
    pub fn of_classes(&self, per_class: usize) -> Result<Vec<Vec<usize>>, EvaluateError> {
        if per_class == 0 {
            return Err(EvaluateError::Setting(SettingError::new("per_class", "0", "1 or more")));
        }
        let mut members = vec![Vec::new(); self.classes];
        for (cell, &label) in self.labels.iter().enumerate() {
            members[label as usize].push(cell);
        }
        Ok(members)
    }

    /// Dense expression `[rows, genes]` and labels of some of the cells.
    pub fn rows(&self, cells: &[usize]) -> (Array2<f32>, Vec<u32>) {
        let dense = self.expression.dense_rows(cells);
        // Each cell gave a row of all genes.
        let rows = Array2::from_shape_vec((cells.len(), self.expression.genes()), dense).unwrap_or_default();
        (rows, cells.iter().map(|&cell| self.labels[cell]).collect())
    }

    /// Mean log-normalised expression of some of the cells, one value per gene.
    pub fn mean(&self, cells: &[usize]) -> Vec<f32> {
        // f64: a class of 100,000 cells would lose digits in f32.
        let mut sums = vec![0.0f64; self.expression.genes()];
        for &cell in cells {
            let (genes, values) = self.expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                sums[gene as usize] += f64::from(value);
            }
        }
        sums.into_iter().map(|sum| (sum / cells.len().max(1) as f64) as f32).collect()
    }

    /// Mean latent of some of the cells.
    pub(super) fn mean_latent(&self, cells: &[usize]) -> Result<Vec<f32>, StudyError> {
        let latents = self.latents()?;
        let mut sums = vec![0.0f64; latents.ncols()];
        for &cell in cells {
            sums.iter_mut().zip(latents.row(cell)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        Ok(sums.into_iter().map(|sum| (sum / cells.len().max(1) as f64) as f32).collect())
    }
}

/// Rows of one width below each other.
pub(super) fn stack(rows: &[Vec<f32>], width: usize) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), width), rows.concat()).unwrap_or_default()
}
