//! Filter cells, filter genes, normalise each cell to one sum, log1p: the common first steps of scanpy's tutorials
//! (Wolf, Angerer and Theis 2018) and what Yu et al. 2025 train on.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PreprocessError;
use crate::Result;
use crate::cells::{Cells, Counts, Expression, LogNormalized};
use crate::error::SettingError;
use crate::notebook::show_text;
use crate::text::{grouped, measured};

/// The numbers of preprocessing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreprocessConfig {
    /// Genes that a cell must express to be kept, 200 (scanpy's tutorial; Yu et al. 2025 name no number).
    pub min_genes: usize,
    /// Kept cells that must express a gene for it to be kept, 3 (scanpy's tutorial).
    pub min_cells: usize,
    /// What the counts of each cell are scaled to, 10,000 (what SCimilarity and most tools expect).
    pub target_sum: f64,
}

impl Default for PreprocessConfig {
    fn default() -> Self {
        Self { min_genes: 200, min_cells: 3, target_sum: 1e4 }
    }
}

/// Sets preprocessing up: `cells.preprocess()`.
#[derive(Clone, Debug)]
#[must_use = "nothing is done before .run()"]
pub struct PreprocessBuilder {
    cells: Cells<Counts>,
    config: PreprocessConfig,
    only_genes: Option<Arc<HashSet<String>>>,
}

impl Cells<Counts> {
    /// Opens preprocessing: filter cells, then genes, normalise over all kept genes, natural log1p.
    ///
    /// ```
    /// let cells = scdd::simulate().cells(100).genes(300).classes(3).run()?;
    /// let cells = cells.preprocess().min_genes(20).min_cells(3).run()?;
    /// let sum: f32 = cells.expression().row(0).1.iter().map(|value| value.exp_m1()).sum();
    /// assert!((sum - 1e4).abs() < 1.0);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    ///
    /// Log-normalised cells have no such method, so nothing is log-normalised twice:
    ///
    /// ```compile_fail,E0599
    /// # fn twice(cells: scdd::Cells<scdd::Counts>) -> scdd::Result<()> {
    /// let once = cells.preprocess().run()?;
    /// let twice = once.preprocess().run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn preprocess(&self) -> PreprocessBuilder {
        PreprocessBuilder { cells: self.clone(), config: PreprocessConfig::default(), only_genes: None }
    }
}

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
    /// Shows the plan in a notebook.
    pub fn evcxr_display(&self) {
        show_text(&self.to_string());
    }
}

impl PreprocessBuilder {
    /// Genes that a cell must express to be kept.
    pub fn min_genes(mut self, min_genes: usize) -> Self {
        self.config.min_genes = min_genes;
        self
    }

    /// Kept cells that must express a gene for it to be kept.
    pub fn min_cells(mut self, min_cells: usize) -> Self {
        self.config.min_cells = min_cells;
        self
    }

    /// Keeps only these genes, of which not all need be there. Cells are scaled to their counts of the genes that are
    /// kept, so this is how SCimilarity prepares cells: `.only_genes(foundation.genes())`.
    pub fn only_genes(mut self, genes: &[String]) -> Self {
        self.only_genes = Some(Arc::new(genes.iter().cloned().collect()));
        self
    }

    /// What the counts of each cell are scaled to.
    pub fn target_sum(mut self, target_sum: f64) -> Self {
        self.config.target_sum = target_sum;
        self
    }

    /// Sets all numbers at once.
    pub fn config(mut self, config: PreprocessConfig) -> Self {
        self.config = config;
        self
    }

    /// What would be kept, with numbers; nothing is changed.
    pub fn plan(&self) -> PreprocessPlan {
        let x = self.cells.expression();
        let kept_cells: Vec<usize> =
            (0..x.cells()).filter(|&cell| x.row(cell).0.len() >= self.config.min_genes).collect();
        let mut expressing = vec![0usize; x.genes()];
        for &cell in &kept_cells {
            x.row(cell).0.iter().for_each(|&gene| expressing[gene as usize] += 1);
        }
        let asked =
            |gene: usize| self.only_genes.as_ref().is_none_or(|only| only.contains(&self.cells.gene_names()[gene]));
        let keep: Vec<bool> =
            (0..x.genes()).map(|gene| expressing[gene] >= self.config.min_cells && asked(gene)).collect();
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
        PreprocessPlan {
            config: self.config.clone(),
            cells: x.cells(),
            genes: x.genes(),
            kept_cells,
            kept_genes,
            zero_cells,
            counts: (if low.is_finite() { low } else { 0.0 }, high),
        }
    }

    /// Filters, normalises and takes the logarithm; the provenance gets a step for each.
    ///
    /// # Errors
    /// When no cell or no gene is left, when a kept cell has no counts, and when the target sum is not a positive
    /// number.
    pub fn run(&self) -> Result<Cells<LogNormalized>> {
        let PreprocessConfig { min_genes, min_cells, target_sum } = self.config;
        if !(target_sum > 0.0 && target_sum.is_finite()) {
            let problem = SettingError::new("target_sum", target_sum, "a positive number, 10000 is usual");
            return Err(PreprocessError::from(problem).into());
        }
        let plan = self.plan();
        self.check_left(&plan)?;
        let cells = self.cells.select_cells(&plan.kept_cells)?.select_genes(&plan.kept_genes)?;
        let expression = log_normalize(cells.expression(), target_sum);
        let (kept_cells, kept_genes) = (grouped(plan.kept_cells.len()), grouped(plan.kept_genes.len()));
        let only = match &self.only_genes {
            Some(only) => format!(", of {} asked for", grouped(only.len())),
            None => String::new(),
        };
        Ok(cells
            .into_stage(expression)
            .with_step(format!("min_genes {min_genes}: {} -> {kept_cells} cells", grouped(plan.cells)))
            .with_step(format!("min_cells {min_cells}{only}: {} -> {kept_genes} genes", grouped(plan.genes)))
            .with_step(format!("counts per cell scaled to {}, natural log1p", measured(target_sum))))
    }

    fn check_left(&self, plan: &PreprocessPlan) -> Result<(), PreprocessError> {
        let PreprocessConfig { min_genes, min_cells, .. } = self.config;
        let x = self.cells.expression();
        if plan.kept_cells.is_empty() {
            let genes = (0..x.cells()).map(|cell| x.row(cell).0.len());
            let (fewest, most) = (genes.clone().min().unwrap_or(0), genes.max().unwrap_or(0));
            return Err(PreprocessError::NoCellKept { min_genes, cells: plan.cells, fewest, most });
        }
        if let (true, Some(only)) = (plan.kept_genes.is_empty(), &self.only_genes) {
            let mut of_asked: Vec<String> = only.iter().cloned().collect();
            of_asked.sort_unstable();
            return Err(PreprocessError::OtherGenes {
                asked: only.len(),
                min_cells,
                of_cells: self.cells.gene_names().to_vec(),
                of_asked,
            });
        }
        let (cells, genes) = (plan.kept_cells.len(), plan.kept_genes.len());
        if genes == 0 {
            return Err(PreprocessError::NoGeneKept { min_cells, genes: plan.genes, cells });
        }
        if plan.zero_cells > 0 {
            return Err(PreprocessError::ZeroCounts { empty: plan.zero_cells, cells, genes });
        }
        Ok(())
    }
}

/// log(1 + count * target / sum of the cell's counts); rows must have counts.
fn log_normalize(counts: &Expression, target_sum: f64) -> Expression {
    let scale: Vec<f64> = (0..counts.cells())
        .map(|cell| target_sum / counts.row(cell).1.iter().map(|&value| f64::from(value)).sum::<f64>())
        .collect();
    counts.map(|cell, value| (f64::from(value) * scale[cell]).ln_1p() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_scaled_to_the_genes_that_were_asked_for() {
        let cells = crate::simulate().cells(60).genes(100).classes(2).run().unwrap();
        let asked: Vec<String> = cells.gene_names()[20..70].iter().cloned().chain(["UNKNOWN".to_owned()]).collect();
        let kept = cells.preprocess().min_genes(1).min_cells(0).only_genes(&asked).run().unwrap();
        assert_eq!(kept.gene_names(), &cells.gene_names()[20..70]);
        let sum: f32 = kept.expression().row(7).1.iter().map(|value| value.exp_m1()).sum();
        assert!((sum - 1e4).abs() < 1.0, "{sum}");
        let unknown = ["ENSG00000000003".to_owned()];
        let problem = cells.preprocess().min_genes(1).only_genes(&unknown).run().unwrap_err().to_string();
        assert!(problem.contains("none of the 1 genes") && problem.contains("'ENSG00000000003'"), "{problem}");
    }
    use crate::cells::Provenance;
    use polars::prelude::DataFrame;

    fn cells(genes: usize, dense: &[f32]) -> Cells<Counts> {
        let x = Expression::from_dense(genes, dense).unwrap();
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        let frame = |n| DataFrame::new(n, vec![]).unwrap();
        let n = x.cells();
        Cells::<Counts>::new(x, names(n), names(genes), frame(n), frame(genes), Provenance::default()).unwrap()
    }

    #[test]
    fn cells_are_filtered_before_genes() {
        // the second cell goes for having one gene, and takes gene 2 below two cells
        let cells = cells(3, &[1., 1., 0., 0., 0., 4., 2., 2., 2.]);
        let kept = cells.preprocess().min_genes(2).min_cells(2).run().unwrap();
        assert_eq!(kept.cell_names(), ["0", "2"]);
        assert_eq!(kept.gene_names(), ["0", "1"]);
        // normalised over kept genes: one half of 10,000 each
        assert!(kept.expression().values().iter().all(|&value| (value - 5001f32.ln()).abs() < 1e-5));
        assert_eq!(kept.provenance().steps[0], "min_genes 2: 3 -> 2 cells");
        assert_eq!(kept.provenance().steps[1], "min_cells 2: 3 -> 2 genes");
    }

    #[test]
    fn the_plan_says_what_run_keeps() {
        let cells = cells(3, &[1., 1., 0., 0., 0., 4., 2., 2., 2.]);
        let plan = cells.preprocess().min_genes(2).min_cells(2).plan();
        assert_eq!((plan.kept_cells, plan.kept_genes, plan.counts), (vec![0, 2], vec![0, 1], (2.0, 4.0)));
    }

    #[test]
    fn cells_without_counts_are_an_error_that_counts_them() {
        let cells = cells(2, &[1., 1., 0., 0., 2., 0.]);
        let error = cells.preprocess().min_genes(0).min_cells(1).run().unwrap_err().to_string();
        assert!(error.starts_with("1 of 3 kept cells have no counts") && error.contains(".min_genes(1)"), "{error}");
        assert!(cells.preprocess().min_genes(1).min_cells(1).run().is_ok());
    }

    #[test]
    fn keeping_nothing_is_an_error_with_the_range_found() {
        let cells = cells(2, &[1., 1., 2., 0.]);
        let error = cells.preprocess().run().unwrap_err().to_string();
        assert!(error.contains("min_genes 200 keeps none of 2 cells, which express 1 to 2 genes"), "{error}");
        let error = cells.preprocess().min_genes(1).min_cells(3).run().unwrap_err().to_string();
        assert!(error.contains("min_cells 3 keeps none of 2 genes"), "{error}");
        for target in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(cells.preprocess().min_genes(1).min_cells(1).target_sum(target).run().is_err());
        }
    }
}
