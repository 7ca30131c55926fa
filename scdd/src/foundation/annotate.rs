//! Annotation by nearest neighbours, as in SCimilarity (Heimberg et al. 2024; `get_predictions_knn` of its code): the
//! label of the majority of the k nearest reference cells by cosine distance, with how sure that is.

use std::sync::Arc;

use ndarray::Array2;
use polars::prelude::{Column, DataFrame};
use scdd_learn::knn::{Distance, nearest};

use super::{FoundationError, Reference};
use crate::cells::{Cells, CellsError, LogNormalized};
use crate::text::grouped;

/// Distances below this count as this when votes are weighted (SCimilarity).
const LEAST_DISTANCE: f64 = 1e-6;

/// Opens an annotation: [`Reference::annotate`].
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct Annotate {
    reference: Reference,
    cells: Cells<LogNormalized>,
    k: usize,
    weighted: bool,
}

impl Annotate {
    pub(super) fn new(reference: &Reference, cells: &Cells<LogNormalized>) -> Self {
        Self { reference: reference.clone(), cells: cells.clone(), k: 50, weighted: false }
    }

    /// Neighbours that vote; 50 (SCimilarity).
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Weights each vote by 1 / distance, as SCimilarity's `weighting`; without it each neighbour counts once.
    pub fn weighted(mut self) -> Self {
        self.weighted = true;
        self
    }

    /// Embeds the cells, finds their neighbours and counts votes.
    ///
    /// # Errors
    /// When the reference has no labels or fewer than k cells, when cells and model share too few genes, or a latent is
    /// not finite.
    pub fn run(&self) -> crate::Result<Annotation> {
        let reference = &self.reference;
        let labels = reference.labels().ok_or(FoundationError::NoLabels)?;
        reference.check_k(self.k)?;
        let latents = reference.embed_others(&self.cells)?;
        let (indices, distances) = nearest(&latents, reference.latents(), self.k, Distance::Cosine);
        let rows = indices.rows().into_iter().zip(distances.rows());
        let votes = rows.map(|(indices, distances)| {
            let neighbours = indices.iter().zip(distances);
            let neighbours = neighbours.map(|(&cell, &distance)| (labels.of_cell[cell as usize], distance));
            vote(neighbours.collect::<Vec<_>>().as_slice(), labels.classes.len(), self.weighted)
        });
        Ok(Annotation {
            parts: Arc::new(Parts {
                votes: votes.collect(),
                column: labels.column.clone(),
                classes: labels.classes.clone(),
                cells: self.cells.clone(),
                indices,
                distances,
            }),
        })
    }
}

#[derive(Debug, PartialEq)]
struct Vote {
    label: u32,
    confidence: f64,
    versus_second: f64,
}

/// Counts labels of neighbours, nearest first. Of equals the one whose first neighbour is nearest wins (SCimilarity).
fn vote(neighbours: &[(u32, f32)], classes: usize, weighted: bool) -> Vote {
    let mut sums = vec![0.0f64; classes];
    for &(label, distance) in neighbours {
        sums[label as usize] += if weighted { 1.0 / f64::from(distance).max(LEAST_DISTANCE) } else { 1.0 };
    }
    let mut label = neighbours.first().map_or(0, |first| first.0);
    for &(other, _) in neighbours {
        if sums[other as usize] > sums[label as usize] {
            label = other;
        }
    }
    let best = sums[label as usize];
    let second = (0..classes).filter(|&class| class != label as usize).map(|class| sums[class]).fold(0.0, f64::max);
    Vote { label, confidence: best / sums.iter().sum::<f64>(), versus_second: best / (best + second) }
}

/// Labels of cells by their neighbours in a reference. Cheap to clone.
#[derive(Clone)]
pub struct Annotation {
    parts: Arc<Parts>,
}

struct Parts {
    votes: Vec<Vote>,
    column: String,
    classes: Arc<Vec<String>>,
    cells: Cells<LogNormalized>,
    indices: Array2<u32>,
    distances: Array2<f32>,
}

impl Annotation {
    /// The reference's column that the labels come from.
    pub fn column(&self) -> &str {
        &self.parts.column
    }

    /// The reference's classes.
    pub fn classes(&self) -> &[String] {
        &self.parts.classes
    }

    /// The label of each cell, as its number in [`classes`](Self::classes).
    pub fn labels(&self) -> Vec<u32> {
        self.parts.votes.iter().map(|vote| vote.label).collect()
    }

    /// The label of each cell by name.
    pub fn names(&self) -> Vec<&str> {
        self.parts.votes.iter().map(|vote| self.parts.classes[vote.label as usize].as_str()).collect()
    }

    /// Share of all votes that each cell's label got, above 0 up to 1 (SCimilarity's `vsAll`).
    pub fn confidence(&self) -> Vec<f64> {
        self.parts.votes.iter().map(|vote| vote.confidence).collect()
    }

    /// Share among the votes of the first and the second label, from 0.5 to 1 (SCimilarity's `vs2nd`).
    pub fn versus_second(&self) -> Vec<f64> {
        self.parts.votes.iter().map(|vote| vote.versus_second).collect()
    }

    /// Cosine distance of each cell to its nearest neighbour (SCimilarity's `min_dist`): high where the reference has
    /// nothing alike, whatever the votes say.
    pub fn nearest_distance(&self) -> Vec<f64> {
        self.parts.distances.column(0).iter().map(|&distance| f64::from(distance)).collect()
    }

    /// The reference's cells that voted, `[cells, k]`, nearest first.
    pub fn neighbours(&self) -> &Array2<u32> {
        &self.parts.indices
    }

    /// Their cosine distances, `[cells, k]`.
    pub fn distances(&self) -> &Array2<f32> {
        &self.parts.distances
    }

    /// One row a cell: its name, `annotation`, `confidence`, `versus_second`, `nearest_distance`, `farthest_distance`.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let distances = &self.parts.distances;
        let last = distances.ncols().saturating_sub(1);
        let farthest: Vec<f64> = distances.column(last).iter().map(|&distance| f64::from(distance)).collect();
        let cells: Vec<&str> = self.parts.cells.cell_names().iter().map(String::as_str).collect();
        let columns = vec![
            Column::new("cell".into(), cells),
            Column::new("annotation".into(), self.names()),
            Column::new("confidence".into(), self.confidence()),
            Column::new("versus_second".into(), self.versus_second()),
            Column::new("nearest_distance".into(), self.nearest_distance()),
            Column::new("farthest_distance".into(), farthest),
        ];
        Ok(DataFrame::new(self.parts.votes.len(), columns).map_err(CellsError::from)?)
    }

    /// The annotated cells, with `annotation`, `annotation_confidence` and `annotation_distance` in their obs.
    ///
    /// # Errors
    /// When obs has a column of one of these names already.
    pub fn cells(&self) -> crate::Result<Cells<LogNormalized>> {
        self.parts
            .cells
            .with_obs(Column::new("annotation".into(), self.names()))?
            .with_obs(Column::new("annotation_confidence".into(), self.confidence()))?
            .with_obs(Column::new("annotation_distance".into(), self.nearest_distance()))
    }

    /// Share of the cells whose label in an `obs` column is their annotation, by name; cells without a label there are
    /// left out. A class that the reference doesn't have counts as wrong.
    ///
    /// # Errors
    /// When there is no such column, or it has no label for any cell.
    pub fn accuracy(&self, column: &str) -> crate::Result<f64> {
        let known = self.parts.cells.known_labels(column)?;
        let names = self.names();
        let right = known.iter().filter(|(cell, name)| names[*cell] == name).count();
        Ok(right as f64 / known.len() as f64)
    }
}

impl std::fmt::Debug for Annotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let votes = &self.parts.votes;
        let mean = votes.iter().map(|vote| vote.confidence).sum::<f64>() / votes.len().max(1) as f64;
        let (cells, k) = (grouped(votes.len()), self.parts.indices.ncols());
        write!(f, "{cells} cells annotated by '{}' of {k} neighbours, mean confidence {mean:.3}", self.parts.column)
    }
}

#[cfg(test)]
#[path = "annotate_tests.rs"]
mod tests;
