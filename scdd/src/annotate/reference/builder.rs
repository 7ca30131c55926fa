//! kNN annotation, as in SCimilarity (Heimberg et al. 2024; `get_predictions_knn` of its code): the majority label of the k
//! nearest reference cells by cosine distance, with the fraction of its votes.

use scdd_learn::knn::{Distance, nearest};

use super::Reference;
use crate::annotate::AnnotateError;
use crate::annotate::annotation::{Annotation, Neighbours, Parts};
use crate::cells::{Cells, LogNormalized};
use crate::plan::Plan;
use crate::text::grouped;

/// Smallest distance that a vote is weighted by (SCimilarity).
const LEAST_DISTANCE: f64 = 1e-6;

/// Opens an annotation: [`Reference::annotate`].
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct KnnAnnotateBuilder {
    reference: Reference,
    cells: Cells<LogNormalized>,
    k: usize,
    weighted: bool,
}

impl KnnAnnotateBuilder {
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

    /// What would run.
    ///
    /// # Errors
    /// When the reference has no labels or fewer than k cells.
    pub fn plan(&self) -> crate::Result<Plan> {
        let labels = self.reference.labels().ok_or(AnnotateError::NoLabels)?;
        self.reference.check_k(self.k)?;
        Ok(Plan::new(format!("annotation by '{}' of {} neighbours", labels.column, self.k))
            .with("cells", grouped(self.cells.cells()))
            .with("reference cells", grouped(self.reference.latents().nrows()))
            .with("classes", labels.classes.len()))
    }

    /// Embeds the cells, finds their neighbours and counts votes.
    ///
    /// # Errors
    /// When the reference has no labels or fewer than k cells, when cells and model share too few genes, or a latent is
    /// not finite.
    pub fn run(&self) -> crate::Result<Annotation> {
        let reference = &self.reference;
        let labels = reference.labels().ok_or(AnnotateError::NoLabels)?;
        reference.check_k(self.k)?;
        let latents = reference.embed_others(&self.cells)?;
        let (indices, distances) = nearest(&latents, reference.latents(), self.k, Distance::Cosine);
        let rows = indices.rows().into_iter().zip(distances.rows());
        let votes = rows.map(|(indices, distances)| {
            let neighbours = indices.iter().zip(distances);
            let neighbours = neighbours.map(|(&cell, &distance)| (labels.of_cell[cell as usize], distance));
            vote(neighbours.collect::<Vec<_>>().as_slice(), labels.classes.len(), self.weighted)
        });
        let votes: Vec<Vote> = votes.collect();
        Ok(Annotation::new(Parts {
            by: format!("'{}' of {} neighbours", labels.column, self.k),
            column: labels.column.clone(),
            classes: labels.classes.clone(),
            cells: self.cells.clone(),
            best: votes.iter().map(|vote| vote.label).collect(),
            confidence: votes.iter().map(|vote| vote.confidence).collect(),
            probabilities: None,
            neighbours: Some(Neighbours {
                versus_second: votes.iter().map(|vote| vote.versus_second).collect(),
                indices,
                distances,
            }),
            threshold: 0.0,
            missing_genes: Vec::new(),
            model_genes: 0,
        }))
    }
}

/// The label with most votes, its fraction of all votes, and among those of the first and the second.
#[derive(Debug, PartialEq)]
struct Vote {
    label: u32,
    confidence: f64,
    versus_second: f64,
}

/// The majority vote of neighbours, nearest first. Of equal votes the label whose first neighbour is nearest wins
/// (SCimilarity).
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

#[cfg(test)]
#[path = "builder_tests.rs"]
mod tests;
