//! What can go wrong between counts and training.

use crate::error::SettingError;
use crate::text::{first_few, grouped};

/// Errors of filtering, normalising, choosing genes and splitting: what was found, what was expected, and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// No cell expresses enough genes.
    #[error(
        "min_genes {min_genes} keeps none of {} cells, which express {} to {} genes; lower it with .min_genes(...)",
        grouped(*cells), grouped(*fewest), grouped(*most)
    )]
    NoCellKept {
        /// Genes that a cell must express.
        min_genes: usize,
        /// Cells.
        cells: usize,
        /// Fewest genes that a cell expresses.
        fewest: usize,
        /// Most genes that a cell expresses.
        most: usize,
    },
    /// No gene is expressed by enough cells.
    #[error(
        "min_cells {min_cells} keeps none of {} genes in {} cells; lower it with .min_cells(...)",
        grouped(*genes), grouped(*cells)
    )]
    NoGeneKept {
        /// Cells that must express a gene.
        min_cells: usize,
        /// Genes.
        genes: usize,
        /// Cells that are kept.
        cells: usize,
    },
    /// None of the genes of `.only_genes(...)` is expressed by enough cells.
    #[error(
        "none of the {} genes that were asked for is expressed by {min_cells} cells or more; the cells' first genes are {}, \
         and {} are asked for: name both the same way",
        grouped(*asked), first_few(of_cells), first_few(of_asked)
    )]
    OtherGenes {
        /// Requested genes.
        asked: usize,
        /// Cells that must express a gene.
        min_cells: usize,
        /// Genes of the cells.
        of_cells: Vec<String>,
        /// The requested genes.
        of_asked: Vec<String>,
    },
    /// Cells without a single count can't be normalised.
    #[error(
        "{} of {} kept cells have no counts in the {} kept genes and cannot be normalised; drop them with .min_genes(1) or \
         more, or keep more genes with a lower .min_cells(...)",
        grouped(*empty), grouped(*cells), grouped(*genes)
    )]
    ZeroCounts {
        /// Cells without counts.
        empty: usize,
        /// Cells that are kept.
        cells: usize,
        /// Genes that are kept.
        genes: usize,
    },
    /// Nothing to split.
    #[error("there are no cells to split")]
    NoCells,
    /// Too few cells or genes to rank genes by their variance.
    #[error(
        "{n} highly variable genes of {cells} cells and {genes} genes; at least 2 cells, 1 gene and n = 1 are needed"
    )]
    TooFew {
        /// Requested genes.
        n: usize,
        /// Cells.
        cells: usize,
        /// Genes.
        genes: usize,
    },
    /// Negative values instead of log-normalised expression.
    #[error("expression holds {value}; highly variable genes need log-normalised values, which are never negative")]
    Negative {
        /// The first negative value.
        value: f32,
    },
    /// Another number of labels than of cells.
    #[error("{labels} labels for {cells} cells; every cell needs one")]
    LabelCount {
        /// Labels.
        labels: usize,
        /// Cells.
        cells: usize,
    },
    /// A label that is no class.
    #[error("label {label} is no class: there are {classes}")]
    Label {
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
}
