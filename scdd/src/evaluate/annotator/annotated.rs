//! What a trained model says of cells.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::Array2;
use polars::prelude::{Column, DataFrame};

use super::Annotator;
use crate::cells::{Cells, CellsError, LogNormalized};
use crate::evaluate::{EvaluateError, Scores};
use crate::text::{first_few, grouped};

/// What a cell is called that no class is probable enough for.
const UNASSIGNED: &str = "unassigned";

/// Labels and probabilities of annotated cells. Cheap to clone.
#[derive(Clone)]
pub struct Annotated {
    parts: Arc<Parts>,
}

struct Parts {
    annotator: Annotator,
    cells: Cells<LogNormalized>,
    best: Vec<u32>,
    probabilities: Array2<f32>,
    threshold: f64,
    missing: Vec<String>,
}

impl Annotated {
    pub(super) fn new(
        annotator: &Annotator,
        cells: &Cells<LogNormalized>,
        best: Vec<u32>,
        probabilities: Array2<f32>,
        threshold: f64,
        missing: Vec<String>,
    ) -> Self {
        let (annotator, cells) = (annotator.clone(), cells.clone());
        Self { parts: Arc::new(Parts { annotator, cells, best, probabilities, threshold, missing }) }
    }

    /// The model's classes.
    pub fn classes(&self) -> &[String] {
        self.parts.annotator.classes()
    }

    /// The class of each cell, as its number in [`classes`](Self::classes); None for "unassigned".
    pub fn labels(&self) -> Vec<Option<u32>> {
        let of = |(&class, probability)| (probability >= self.parts.threshold).then_some(class);
        self.parts.best.iter().zip(self.probability()).map(of).collect()
    }

    /// The class of each cell by name, or "unassigned".
    pub fn names(&self) -> Vec<&str> {
        let name = |label: Option<u32>| label.map_or(UNASSIGNED, |class| self.classes()[class as usize].as_str());
        self.labels().into_iter().map(name).collect()
    }

    /// The probability of the most probable class of each cell.
    pub fn probability(&self) -> Vec<f64> {
        let rows = self.parts.best.iter().zip(self.parts.probabilities.rows());
        rows.map(|(&class, row)| f64::from(row[class as usize])).collect()
    }

    /// The probability of each class for each cell, `[cells, classes]`. Of CellTypist they do not sum to 1: each class is told
    /// from the others on its own.
    pub fn probabilities(&self) -> &Array2<f32> {
        &self.parts.probabilities
    }

    /// How many cells are "unassigned".
    pub fn unassigned(&self) -> usize {
        self.labels().iter().filter(|label| label.is_none()).count()
    }

    /// Genes of the model that the cells lack.
    pub fn missing_genes(&self) -> &[String] {
        &self.parts.missing
    }

    /// One row a cell: `cell`, `annotation`, `probability`.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let cells: Vec<&str> = self.parts.cells.cell_names().iter().map(String::as_str).collect();
        let columns = vec![
            Column::new("cell".into(), cells),
            Column::new("annotation".into(), self.names()),
            Column::new("probability".into(), self.probability()),
        ];
        Ok(DataFrame::new(self.parts.best.len(), columns).map_err(CellsError::from)?)
    }

    /// The annotated cells, with `annotation` and `annotation_probability` in their obs.
    ///
    /// # Errors
    /// When obs has a column of one of these names already.
    pub fn cells(&self) -> crate::Result<Cells<LogNormalized>> {
        let cells = self.parts.cells.with_obs(Column::new("annotation".into(), self.names()))?;
        cells.with_obs(Column::new("annotation_probability".into(), self.probability()))
    }

    /// Share of the cells whose label in an `obs` column is their annotation, by name; cells without a label there are left out.
    /// "unassigned", and a label that the model does not know, count as wrong: [`unknown_labels`](Self::unknown_labels)
    /// says how many cells have one.
    ///
    /// # Errors
    /// When there is no such column, or it has no label for any cell.
    pub fn accuracy(&self, column: &str) -> crate::Result<f64> {
        let known = self.parts.cells.known_labels(column)?;
        let names = self.names();
        let right = known.iter().filter(|(cell, name)| names[*cell] == name).count();
        Ok(right as f64 / known.len() as f64)
    }

    /// All scores of the annotation against an `obs` column, over the cells whose label the model knows. "unassigned" counts as
    /// a class of its own, the last one.
    ///
    /// # Errors
    /// When there is no such column, or no cell has a label of the model's there.
    pub fn scores(&self, column: &str) -> crate::Result<Scores> {
        let classes = self.classes();
        let (mut truth, mut predicted) = (Vec::new(), Vec::new());
        let labels = self.labels();
        let cells = self.parts.cells.known_labels(column)?;
        let count = cells.len();
        for (cell, name) in cells {
            if let Some(class) = classes.iter().position(|class| *class == name) {
                truth.push(class as u32);
                predicted.push(labels[cell].unwrap_or(classes.len() as u32));
            }
        }
        if truth.is_empty() {
            let problem = format!(
                "none of {} labelled cells has a label that the model knows, such as {}",
                grouped(count),
                first_few(classes)
            );
            return Err(EvaluateError::Label { column: column.to_owned(), problem }.into());
        }
        Ok(Scores::new(&truth, &predicted, classes.len() + 1)?)
    }

    /// Labels of an `obs` column that the model does not know, and how many cells have each.
    ///
    /// # Errors
    /// As [`accuracy`](Self::accuracy).
    pub fn unknown_labels(&self, column: &str) -> crate::Result<Vec<(String, usize)>> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, name) in self.parts.cells.known_labels(column)? {
            if !self.classes().contains(&name) {
                *counts.entry(name).or_default() += 1;
            }
        }
        Ok(counts.into_iter().collect())
    }

    /// Shows what was found in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}

impl std::fmt::Debug for Annotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = &self.parts;
        let cells = parts.best.len();
        let mean = self.probability().iter().sum::<f64>() / cells.max(1) as f64;
        write!(f, "{} cells annotated by {}, mean probability {mean:.3}", grouped(cells), parts.annotator.model())?;
        if self.unassigned() > 0 {
            write!(f, "; {} unassigned below {}", grouped(self.unassigned()), parts.threshold)?;
        }
        if !parts.missing.is_empty() {
            let (missing, all) = (parts.missing.len(), parts.annotator.genes().len());
            write!(
                f,
                "; {} of the model's {} genes are missing: {}",
                grouped(missing),
                grouped(all),
                first_few(&parts.missing)
            )?;
        }
        Ok(())
    }
}
