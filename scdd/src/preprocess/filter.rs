//! Filters cells by the number of genes that they express, then genes by the number of kept cells that express them.

use super::builder::PreprocessBuilder;
use super::{PreprocessConfig, PreprocessError};

/// Cells and genes that pass the filters.
#[derive(Debug)]
pub(super) struct Filtered {
    /// Sorted ascending.
    pub(super) cells: Vec<usize>,
    /// Sorted ascending.
    pub(super) genes: Vec<usize>,
    /// Cells without a count in a gene that passes.
    pub(super) empty: usize,
    /// Fewest and most counts of a cell over the genes that pass.
    pub(super) counts: (f64, f64),
}

impl Filtered {
    pub(super) fn new(builder: &PreprocessBuilder) -> Self {
        let PreprocessBuilder { cells, config, only_genes } = builder;
        let x = cells.expression();
        let kept: Vec<usize> = (0..x.cells()).filter(|&cell| x.row(cell).0.len() >= config.min_genes).collect();
        let mut expressing = vec![0usize; x.genes()];
        for &cell in &kept {
            x.row(cell).0.iter().for_each(|&gene| expressing[gene as usize] += 1);
        }
        let requested = |gene: usize| only_genes.as_ref().is_none_or(|only| only.contains(&cells.gene_names()[gene]));
        let keep: Vec<bool> =
            (0..x.genes()).map(|gene| expressing[gene] >= config.min_cells && requested(gene)).collect();
        let counts = |cell: usize| {
            let (genes, values) = x.row(cell);
            let passing = genes.iter().zip(values).filter(|entry| keep[*entry.0 as usize]);
            passing.map(|entry| f64::from(*entry.1)).sum::<f64>()
        };
        let (mut low, mut high, mut empty) = (f64::INFINITY, 0.0f64, 0);
        for total in kept.iter().map(|&cell| counts(cell)) {
            (low, high) = (low.min(total), high.max(total));
            empty += usize::from(total == 0.0);
        }
        let genes = (0..x.genes()).filter(|&gene| keep[gene]).collect();
        Self { cells: kept, genes, empty, counts: (if low.is_finite() { low } else { 0.0 }, high) }
    }

    /// Refuses a filter that leaves nothing, or cells without counts.
    pub(super) fn check(&self, builder: &PreprocessBuilder) -> Result<(), PreprocessError> {
        let PreprocessConfig { min_genes, min_cells, .. } = builder.config;
        let x = builder.cells.expression();
        if self.cells.is_empty() {
            let genes = (0..x.cells()).map(|cell| x.row(cell).0.len());
            let (fewest, most) = (genes.clone().min().unwrap_or(0), genes.max().unwrap_or(0));
            return Err(PreprocessError::NoCellKept { min_genes, cells: x.cells(), fewest, most });
        }
        if let (true, Some(only)) = (self.genes.is_empty(), &builder.only_genes) {
            let mut of_asked: Vec<String> = only.iter().cloned().collect();
            of_asked.sort_unstable();
            return Err(PreprocessError::OtherGenes {
                asked: only.len(),
                min_cells,
                of_cells: builder.cells.gene_names().to_vec(),
                of_asked,
            });
        }
        let (cells, genes) = (self.cells.len(), self.genes.len());
        if genes == 0 {
            return Err(PreprocessError::NoGeneKept { min_cells, genes: x.genes(), cells });
        }
        if self.empty > 0 {
            return Err(PreprocessError::ZeroCounts { empty: self.empty, cells, genes });
        }
        Ok(())
    }
}
