//! Filters cells by the number of genes that they express, then genes by the number of kept cells that express them.

use std::fmt;

use super::builder::PreprocessBuilder;
use super::{PreprocessConfig, PreprocessError};
use crate::notebook::show_text;
use crate::text::{grouped, measured};

/// What preprocessing would keep.
#[derive(Clone, Debug, PartialEq)]
pub struct PreprocessPlan {
    /// The numbers that it would run with.
    pub config: PreprocessConfig,
    /// All cells.
    pub cells: usize,
    /// All genes.
    pub genes: usize,
    /// Cells that would be kept, sorted ascending.
    pub kept_cells: Vec<usize>,
    /// Genes that would be kept, sorted ascending.
    pub kept_genes: Vec<usize>,
    /// Kept cells without a count in a kept gene; one is enough to make [`run`](PreprocessBuilder::run) fail.
    pub zero_cells: usize,
    /// Fewest and most counts of a kept cell over kept genes.
    pub counts: (f64, f64),
}

impl fmt::Display for PreprocessPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PreprocessConfig { min_genes, min_cells, target_sum } = &self.config;
        let (cells, kept_cells) = (grouped(self.cells), grouped(self.kept_cells.len()));
        let (genes, kept_genes) = (grouped(self.genes), grouped(self.kept_genes.len()));
        writeln!(f, "min_genes {min_genes}: {cells} -> {kept_cells} cells")?;
        writeln!(f, "min_cells {min_cells}: {genes} -> {kept_genes} genes")?;
        let (low, high) = (measured(self.counts.0), measured(self.counts.1));
        write!(f, "each cell's {low} to {high} counts scaled to {}, then log1p", measured(*target_sum))?;
        if self.zero_cells > 0 {
            write!(f, "\n{} kept cells have no counts: .run() would fail", grouped(self.zero_cells))?;
        }
        Ok(())
    }
}

impl PreprocessPlan {
    pub(super) fn new(builder: &PreprocessBuilder) -> Self {
        let PreprocessBuilder { cells, config, only_genes } = builder;
        let x = cells.expression();
        let kept_cells: Vec<usize> = (0..x.cells()).filter(|&cell| x.row(cell).0.len() >= config.min_genes).collect();
        let mut expressing = vec![0usize; x.genes()];
        for &cell in &kept_cells {
            x.row(cell).0.iter().for_each(|&gene| expressing[gene as usize] += 1);
        }
        let requested = |gene: usize| only_genes.as_ref().is_none_or(|only| only.contains(&cells.gene_names()[gene]));
        let keep: Vec<bool> =
            (0..x.genes()).map(|gene| expressing[gene] >= config.min_cells && requested(gene)).collect();
        let kept_genes: Vec<usize> = (0..x.genes()).filter(|&gene| keep[gene]).collect();
        let counts = |cell: usize| {
            let (genes, values) = x.row(cell);
            let kept = genes.iter().zip(values).filter(|entry| keep[*entry.0 as usize]);
            kept.map(|entry| f64::from(*entry.1)).sum::<f64>()
        };
        let (mut low, mut high, mut zero_cells) = (f64::INFINITY, 0.0f64, 0);
        for total in kept_cells.iter().map(|&cell| counts(cell)) {
            (low, high) = (low.min(total), high.max(total));
            zero_cells += usize::from(total == 0.0);
        }
        Self {
            config: config.clone(),
            cells: x.cells(),
            genes: x.genes(),
            kept_cells,
            kept_genes,
            zero_cells,
            counts: (if low.is_finite() { low } else { 0.0 }, high),
        }
    }

    /// Refuses a filter that leaves nothing, or cells without counts.
    pub(super) fn check(&self, builder: &PreprocessBuilder) -> Result<(), PreprocessError> {
        let PreprocessConfig { min_genes, min_cells, .. } = self.config;
        let x = builder.cells.expression();
        if self.kept_cells.is_empty() {
            let genes = (0..x.cells()).map(|cell| x.row(cell).0.len());
            let (fewest, most) = (genes.clone().min().unwrap_or(0), genes.max().unwrap_or(0));
            return Err(PreprocessError::NoCellKept { min_genes, cells: self.cells, fewest, most });
        }
        if let (true, Some(only)) = (self.kept_genes.is_empty(), &builder.only_genes) {
            let mut of_asked: Vec<String> = only.iter().cloned().collect();
            of_asked.sort_unstable();
            return Err(PreprocessError::OtherGenes {
                asked: only.len(),
                min_cells,
                of_cells: builder.cells.gene_names().to_vec(),
                of_asked,
            });
        }
        let (cells, genes) = (self.kept_cells.len(), self.kept_genes.len());
        if genes == 0 {
            return Err(PreprocessError::NoGeneKept { min_cells, genes: self.genes, cells });
        }
        if self.zero_cells > 0 {
            return Err(PreprocessError::ZeroCounts { empty: self.zero_cells, cells, genes });
        }
        Ok(())
    }

    /// Shows the plan in a notebook.
    pub fn evcxr_display(&self) {
        show_text(&self.to_string());
    }
}
