//! Labels of annotated cells with their confidence, by either way of annotating.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::Array2;
use polars::prelude::{Column, DataFrame};

use super::AnnotateError;
use crate::cells::{Cells, CellsError, LogNormalized};
use crate::evaluate::Scores;
use crate::text::{first_few, grouped};

/// What a cell is called whose confidence is below the threshold.
pub(crate) const UNASSIGNED: &str = "unassigned";

/// A label and a confidence for each cell. Cheap to clone.
#[derive(Clone)]
pub struct Annotation {
    parts: Arc<Parts>,
}

/// What an annotation consists of.
pub(super) struct Parts {
    /// What annotated: the name of a model, or "'cell_type' of 50 neighbours".
    pub(super) by: String,
    /// The label column of the classes.
    pub(super) column: String,
    pub(super) classes: Arc<Vec<String>>,
    pub(super) cells: Cells<LogNormalized>,
    /// The class of each cell.
    pub(super) best: Vec<u32>,
    /// Its probability, or its fraction of the votes.
    pub(super) confidence: Vec<f64>,
    /// Of a trained model.
    pub(super) probabilities: Option<Array2<f32>>,
    /// Of a reference.
    pub(super) neighbours: Option<Neighbours>,
    pub(super) threshold: f64,
    /// Genes of a trained model that the cells lack.
    pub(super) missing_genes: Vec<String>,
    /// How many genes that has.
    pub(super) model_genes: usize,
}

/// The neighbours that voted for the label of each cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Cells of the reference, `[cells, k]`, nearest first.
    pub indices: Array2<u32>,
    /// Their cosine distances, `[cells, k]`.
    pub distances: Array2<f32>,
    /// Fraction among the votes of the first and the second label of each cell, from 0.5 to 1 (SCimilarity's `vs2nd`).
    pub versus_second: Vec<f64>,
}

impl Neighbours {
    /// Cosine distance of each cell to its nearest neighbour (SCimilarity's `min_dist`): high where the reference has
    /// no similar cell, however the votes are.
    pub fn nearest_distance(&self) -> Vec<f64> {
        self.distance(0)
    }

    /// Cosine distance of each cell to the farthest of its k neighbours.
    pub fn farthest_distance(&self) -> Vec<f64> {
        self.distance(self.distances.ncols().saturating_sub(1))
    }

    fn distance(&self, rank: usize) -> Vec<f64> {
        self.distances.column(rank).iter().map(|&distance| f64::from(distance)).collect()
    }
}

impl Annotation {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// The label column that the classes come from.
    pub fn column(&self) -> &str {
        &self.parts.column
    }

    /// The classes of the model or reference.
    pub fn classes(&self) -> &[String] {
        &self.parts.classes
    }

    /// The class of each cell, as its number in [`classes`](Self::classes); None for "unassigned".
    pub fn labels(&self) -> Vec<Option<u32>> {
        let of = |(&class, &confidence)| (confidence >= self.parts.threshold).then_some(class);
        self.parts.best.iter().zip(&self.parts.confidence).map(of).collect()
    }

    /// The class of each cell by name, or "unassigned".
    pub fn names(&self) -> Vec<&str> {
        let name = |label: Option<u32>| label.map_or(UNASSIGNED, |class| self.classes()[class as usize].as_str());
        self.labels().into_iter().map(name).collect()
    }

    /// The confidence in each cell's class, above 0 up to 1: its probability under a trained model, or its fraction of the
    /// neighbours' votes (SCimilarity's `vsAll`).
    pub fn confidence(&self) -> &[f64] {
        &self.parts.confidence
    }

    /// The probability of each class for each cell, `[cells, classes]`; None by neighbours. Of CellTypist they do not sum to 1:
    /// each class is told from the others on its own.
    pub fn probabilities(&self) -> Option<&Array2<f32>> {
        self.parts.probabilities.as_ref()
    }

    /// The neighbours that voted; None by a trained model.
    pub fn neighbours(&self) -> Option<&Neighbours> {
        self.parts.neighbours.as_ref()
    }

    /// How many cells are "unassigned".
    pub fn unassigned(&self) -> usize {
        self.labels().iter().filter(|label| label.is_none()).count()
    }

    /// Genes of the trained model that the cells lack.
    pub fn missing_genes(&self) -> &[String] {
        &self.parts.missing_genes
    }

    /// One row a cell: `cell`, `annotation`, `confidence`; by neighbours also `versus_second`, `nearest_distance` and
    /// `farthest_distance`.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let cells: Vec<&str> = self.parts.cells.cell_names().iter().map(String::as_str).collect();
        let mut columns = vec![
            Column::new("cell".into(), cells),
            Column::new("annotation".into(), self.names()),
            Column::new("confidence".into(), self.confidence()),
        ];
        if let Some(neighbours) = self.neighbours() {
            columns.push(Column::new("versus_second".into(), &neighbours.versus_second));
            columns.push(Column::new("nearest_distance".into(), neighbours.nearest_distance()));
            columns.push(Column::new("farthest_distance".into(), neighbours.farthest_distance()));
        }
        Ok(DataFrame::new(self.parts.best.len(), columns).map_err(CellsError::from)?)
    }

    /// The annotated cells, with `annotation` and `annotation_confidence` in their obs, by neighbours also
    /// `annotation_distance`.
    ///
    /// # Errors
    /// When obs has a column of one of these names already.
    pub fn cells(&self) -> crate::Result<Cells<LogNormalized>> {
        let cells = self.parts.cells.with_obs(Column::new("annotation".into(), self.names()))?;
        let cells = cells.with_obs(Column::new("annotation_confidence".into(), self.confidence()))?;
        match self.neighbours() {
            Some(neighbours) => {
                cells.with_obs(Column::new("annotation_distance".into(), neighbours.nearest_distance()))
            }
            None => Ok(cells),
        }
    }

    /// Fraction of the cells whose label in an `obs` column is their annotation, by name; cells without a label there are left
    /// out. "unassigned", and a label that is none of the classes, count as wrong: [`unknown_labels`](Self::unknown_labels)
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

    /// All scores of the annotation against an `obs` column, over the cells whose label is one of the classes. "unassigned" counts as
    /// a class of its own, the last one.
    ///
    /// # Errors
    /// When there is no such column, or no cell has such a label there.
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
            return Err(AnnotateError::Label { column: column.to_owned(), problem }.into());
        }
        Ok(Scores::new(&truth, &predicted, classes.len() + 1)?)
    }

    /// Labels of an `obs` column that are none of the classes, and how many cells have each.
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
}

impl std::fmt::Debug for Annotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = &self.parts;
        let cells = parts.best.len();
        let mean = parts.confidence.iter().sum::<f64>() / cells.max(1) as f64;
        write!(f, "{} cells annotated by {}, mean confidence {mean:.3}", grouped(cells), parts.by)?;
        if self.unassigned() > 0 {
            write!(f, "; {} unassigned below {}", grouped(self.unassigned()), parts.threshold)?;
        }
        if !parts.missing_genes.is_empty() {
            let (missing, all) = (grouped(parts.missing_genes.len()), grouped(parts.model_genes));
            let some = first_few(&parts.missing_genes);
            write!(f, "; {missing} of the model's {all} genes are missing: {some}")?;
        }
        Ok(())
    }
}
