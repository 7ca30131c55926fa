//! Cells: expression as a CSR matrix, with annotations of cells and genes.
//!
//! [`Cells`] carries its stage in its type: [`Counts`] as read, [`LogNormalized`] after
//! [`preprocess`](Cells::preprocess). A clone shares everything.

mod check;
mod error;
mod expression;
pub(crate) mod h5ad;
mod known;
mod labels;
mod obsm;
mod select;
pub(crate) mod show;
mod simulate;

use std::marker::PhantomData;
use std::sync::Arc;

use polars::prelude::DataFrame;

pub use error::CellsError;
pub use expression::Expression;
pub use h5ad::{FileProblem, H5ad, read_h5ad, read_recipe};
pub(crate) use h5ad::{H5adContents, write_h5ad};
pub(crate) use known::cache_folder;
pub use known::demo_cells;
pub use labels::Labels;
pub(crate) use obsm::Obsm;
pub use scdd_compute::CsrError;
pub use simulate::{SimulationBuilder, SimulationConfig, simulate};

/// Stage: integer counts, as sequenced.
#[derive(Clone, Copy, Debug)]
pub struct Counts;

/// Stage: log1p of counts scaled to 1e4 per cell.
#[derive(Clone, Copy, Debug)]
pub struct LogNormalized;

/// Cells with their expression `[cells, genes]`, annotations per cell (`obs`) and per gene (`var`).
///
/// Cheap to clone: expression and names are shared, a polars frame shares its columns.
pub struct Cells<Stage> {
    expression: Expression,
    cell_names: Arc<Vec<String>>,
    gene_names: Arc<Vec<String>>,
    obs: DataFrame,
    var: DataFrame,
    obsm: Obsm,
    provenance: Provenance,
    stage: PhantomData<Stage>,
}

// by hand, so that a stage need not be Clone
impl<Stage> Clone for Cells<Stage> {
    fn clone(&self) -> Self {
        Self {
            expression: self.expression.clone(),
            cell_names: self.cell_names.clone(),
            gene_names: self.gene_names.clone(),
            obs: self.obs.clone(),
            var: self.var.clone(),
            obsm: self.obsm.clone(),
            provenance: self.provenance.clone(),
            stage: PhantomData,
        }
    }
}

/// Where cells come from and what was done to them; written into results.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Provenance {
    /// File path, or what made the cells ("simulated").
    pub source: String,
    /// SHA-256 of the source file, when there is one.
    pub sha256: Option<String>,
    /// What has been done since, in order, each with its numbers ("min_genes 200: 2,142 -> 2,100 cells").
    pub steps: Vec<String>,
}

impl<Stage> Cells<Stage> {
    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.expression.cells()
    }

    /// Number of genes.
    pub fn genes(&self) -> usize {
        self.expression.genes()
    }

    /// Sparse expression `[cells, genes]`: counts, or log1p of counts per 1e4.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Annotations, one row a cell, without the index ([`cell_names`](Self::cell_names)).
    pub fn obs(&self) -> &DataFrame {
        &self.obs
    }

    /// Annotations, one row a gene, without the index ([`gene_names`](Self::gene_names)).
    pub fn var(&self) -> &DataFrame {
        &self.var
    }

    /// One name per cell.
    pub fn cell_names(&self) -> &[String] {
        &self.cell_names
    }

    /// One symbol per gene, unique.
    pub fn gene_names(&self) -> &[String] {
        &self.gene_names
    }

    /// Where these cells come from and what was done to them.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}
