//! Gene registration: which genes cells and model share (SCimilarity's `align_dataset`).
//!
//! SCimilarity puts cells into its own gene order, with zeros where a gene was not measured. The encoder's weights of a
//! gene that is zero do nothing, so the same latents come from the model cut to the measured genes, and a synthetic cell
//! does not express a gene that the assay never saw.

use std::collections::HashMap;

use super::{Foundation, FoundationError};
use crate::cells::{Cells, LogNormalized};

/// Fewest genes that cells must share with a model of more than twice as many (SCimilarity).
const LEAST: usize = 5_000;

/// Cells and the model that fits them: both have the same genes in the same order.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The cells, with the genes that the model knows.
    pub cells: Cells<LogNormalized>,
    /// The model, of those genes.
    pub foundation: Foundation,
}

/// Genes that cells and a model share: their indices in each, rising in the cells.
#[derive(Debug, PartialEq)]
pub(crate) struct SharedGenes {
    pub(crate) of_cells: Vec<usize>,
    pub(crate) of_model: Vec<usize>,
}

impl SharedGenes {
    /// Finds them; fewer than 5,000 (SCimilarity), or than half of a model's genes if that is less (ours), are too few.
    pub(crate) fn find(model: &str, model_genes: &[String], cell_genes: &[String]) -> Result<Self, FoundationError> {
        let shared = Self::of(model_genes, cell_genes);
        let expected = LEAST.min(model_genes.len().div_ceil(2));
        if shared.of_cells.len() < expected {
            return Err(too_few(model, model_genes, cell_genes, shared.of_cells.len(), expected));
        }
        Ok(shared)
    }

    /// Finds them, few as they may be.
    pub(crate) fn of(model_genes: &[String], cell_genes: &[String]) -> Self {
        let places: HashMap<&str, usize> =
            model_genes.iter().enumerate().map(|(place, gene)| (gene.as_str(), place)).collect();
        let shared = cell_genes.iter().enumerate();
        let (of_cells, of_model) =
            shared.filter_map(|(place, gene)| Some((place, *places.get(gene.as_str())?))).unzip();
        Self { of_cells, of_model }
    }

    /// Whether cells and model have the same genes in the same order already.
    pub(crate) fn are_all(&self, model_genes: usize, cell_genes: usize) -> bool {
        self.of_cells.len() == cell_genes
            && self.of_model.len() == model_genes
            && self.of_model.iter().enumerate().all(|(place, &gene)| place == gene)
    }
}

fn too_few(
    model: &str,
    model_genes: &[String],
    cell_genes: &[String],
    found: usize,
    expected: usize,
) -> FoundationError {
    FoundationError::Overlap {
        model: model.to_owned(),
        found,
        cell_genes: cell_genes.len(),
        model_genes: model_genes.len(),
        expected,
        of_cells: first(cell_genes),
        of_model: first(model_genes),
    }
}

fn first(genes: &[String]) -> String {
    genes.iter().take(3).map(|gene| format!("'{gene}'")).collect::<Vec<_>>().join(", ")
}

/// For a model that can't be cut: the cells in its own gene order, which needs all of its genes.
pub(super) fn all_genes(foundation: &Foundation, cells: &Cells<LogNormalized>) -> crate::Result<Registered> {
    let (genes, names) = (foundation.genes(), cells.gene_names());
    // The other way round, so that they are sorted ascending in the model.
    let found = SharedGenes::of(names, genes).of_model;
    if found.len() < genes.len() {
        return Err(too_few(&foundation.name(), genes, names, found.len(), genes.len()).into());
    }
    Ok(Registered { cells: cells.select_genes(&found)?, foundation: foundation.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn shared_genes_keep_the_order_of_the_cells() {
        let shared = SharedGenes::find("m", &names(&["A", "B", "C"]), &names(&["C", "X", "A"])).unwrap();
        assert_eq!(shared, SharedGenes { of_cells: vec![0, 2], of_model: vec![2, 0] });
        assert!(!shared.are_all(3, 3));
    }

    #[test]
    fn too_few_shared_genes_are_refused_with_names_of_both() {
        let problem = SharedGenes::find("m", &names(&["A", "B", "C"]), &names(&["ENSG1", "A"])).unwrap_err();
        let message = problem.to_string();
        for part in ["1 of their 2 genes", "at least 2", "'ENSG1'", "'A', 'B', 'C'"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
}
