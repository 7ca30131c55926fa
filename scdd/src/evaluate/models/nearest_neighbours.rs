//! kNN classifier by the cosine of log-normalised expression: the model without weights.

use ndarray::Array2;
use rayon::prelude::*;
use scdd_learn::check_training_set;
use serde_json::json;

use super::{EvaluationModel, ModelInput, Numbers, SavedModel, TrainedModel};
use crate::cells::Expression;
use crate::error::SettingError;
use crate::evaluate::{EvaluateError, Protocol};

/// Neighbours that vote where there are enough cells (scanpy's `n_neighbors`).
const MANY: usize = 15;

/// The class of most of the k training cells with the largest cosine. Decision values are the fractions of the votes, of
/// equals the class of the nearer cell first. A cell without expression has cosine 0 with every other. Nothing is
/// drawn, so there is one model whatever the protocol says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearestNeighbours {
    /// Neighbours that vote. None, the default: 15 (scanpy's), but 1 for sets of fewer than 45 cells per class on average
    /// (ours): there are too few cells of a class in a distilled set to win a vote.
    pub neighbours: Option<usize>,
}

impl NearestNeighbours {
    /// With 15 neighbours, or 1 for sets of a few cells per class.
    pub fn new() -> Self {
        Self::default()
    }

    /// With so many neighbours, or as many as there are cells.
    pub fn of(neighbours: usize) -> Self {
        Self { neighbours: Some(neighbours) }
    }
}

impl EvaluationModel for NearestNeighbours {
    fn name(&self) -> String {
        "nearest neighbours".into()
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        _protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        if self.neighbours == Some(0) {
            let (name, value, expected) = ("neighbours", "0".to_owned(), "1 or more");
            return Err(EvaluateError::Setting(SettingError::new(name, value, expected)).into());
        }
        let expression = cells.expression()?;
        check_training_set(expression.cells(), expression.genes(), labels, classes)?;
        let mut present = labels.to_vec();
        present.sort_unstable();
        present.dedup();
        let usual = if expression.cells() < 3 * MANY * present.len() { 1 } else { MANY };
        let inverse_norm = |cell: usize| {
            let squares: f32 = expression.row(cell).1.iter().map(|value| value * value).sum();
            if squares > 0.0 { 1.0 / squares.sqrt() } else { 0.0 }
        };
        let inverse_norms: Vec<f32> = (0..expression.cells()).map(inverse_norm).collect();
        Ok(vec![Box::new(Trained {
            by_gene: expression.map(|cell, value| value * inverse_norms[cell]).transposed(),
            labels: labels.to_vec(),
            classes,
            neighbours: self.neighbours.unwrap_or(usual).min(expression.cells()),
        })])
    }
}

struct Trained {
    /// Genes by cells of L2 norm 1: which training cells express a gene.
    by_gene: Expression,
    labels: Vec<u32>,
    classes: usize,
    neighbours: usize,
}

impl Trained {
    fn votes(&self, expression: &Expression, cell: usize, products: &mut [f32], votes: &mut [f32]) {
        products.fill(0.0);
        let (genes, values) = expression.row(cell);
        for (&gene, &value) in genes.iter().zip(values) {
            let (cells, of_cells) = self.by_gene.row(gene as usize);
            cells.iter().zip(of_cells).for_each(|(&cell, &other)| products[cell as usize] += value * other);
        }
        // Sums of the k largest; of equals the first cells.
        let mut nearest: Vec<(f32, u32)> = products.iter().copied().zip(0..).collect();
        let order = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if self.neighbours < nearest.len() {
            nearest.select_nth_unstable_by(self.neighbours, order);
            nearest.truncate(self.neighbours);
        }
        nearest.sort_unstable_by(order);
        let weight = 1.0 / self.neighbours as f32;
        for (rank, &(_, other)) in nearest.iter().enumerate() {
            let vote = &mut votes[self.labels[other as usize] as usize];
            // The nearest cell of a class decides between equals: less than one vote in all.
            *vote += if *vote == 0.0 { weight * (1.0 + 1e-3 / (1.0 + rank as f32)) } else { weight };
        }
    }
}

impl TrainedModel for Trained {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        let expression = cells.expression()?;
        let (found, expected) = (expression.genes(), self.by_gene.cells());
        if found != expected {
            return Err(EvaluateError::Genes { found, expected }.into());
        }
        let mut votes = vec![0.0; expression.cells() * self.classes];
        votes.par_chunks_exact_mut(self.classes).with_min_len(16).enumerate().for_each_init(
            || vec![0.0; self.labels.len()],
            |products, (cell, votes)| self.votes(expression, cell, products, votes),
        );
        // One value for each cell and class.
        Ok(Array2::from_shape_vec((expression.cells(), self.classes), votes).unwrap_or_default())
    }

    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(self.decide(cells)?.mapv(|fraction| fraction.min(1.0)))
    }

    fn save(&self) -> Option<SavedModel> {
        let (genes, cells) = (self.by_gene.cells(), self.labels.len());
        let config = json!({ "genes": genes, "classes": self.classes, "neighbours": self.neighbours });
        let (pointers, stored) = (self.by_gene.indptr().to_vec(), self.by_gene.nnz());
        Some(
            SavedModel::new(KIND, config)
                .with("labels", &[cells], Numbers::U32(self.labels.clone()))
                .with("pointers", &[pointers.len()], Numbers::U64(pointers))
                .with("cells", &[stored], Numbers::U32(self.by_gene.indices().to_vec()))
                .with("values", &[stored], Numbers::F32(self.by_gene.values().to_vec())),
        )
    }
}

/// Which files hold one.
pub(super) const KIND: &str = "nearest neighbours";

pub(super) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    let (genes, classes, neighbours) = (saved.number("genes")?, saved.number("classes")?, saved.number("neighbours")?);
    let labels = saved.u32("labels")?;
    let values = saved.any_f32("values")?;
    let by_gene = Expression::new(labels.len(), saved.u64("pointers")?, saved.u32("cells")?, values);
    let by_gene = by_gene.map_err(|problem| problem.to_string())?;
    if by_gene.cells() != genes || labels.iter().any(|label| *label as usize >= classes) {
        return Err(format!("{} genes of {genes}, or a label beyond {classes} classes", by_gene.cells()));
    }
    if neighbours == 0 || neighbours > labels.len() {
        return Err(format!("{neighbours} neighbours of {} cells", labels.len()));
    }
    Ok(Box::new(Trained { by_gene, labels, classes, neighbours }))
}
