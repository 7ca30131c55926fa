//! Preprocessing: filter cells, filter genes, normalise each cell to one sum, log1p. The first steps of scanpy's tutorials (Wolf,
//! Angerer and Theis 2018), and what Yu et al. 2025 train on.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PreprocessError;
use super::filter::Filtered;
use crate::Result;
use crate::cells::{Cells, Counts, Expression, LogNormalized};
use crate::error::SettingError;
use crate::plan::Plan;
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
    pub(super) cells: Cells<Counts>,
    pub(super) config: PreprocessConfig,
    pub(super) only_genes: Option<Arc<HashSet<String>>>,
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
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(&self) -> Result<Plan> {
        let filtered = self.filter()?;
        let [cells, genes] = self.kept(&filtered);
        let (low, high) = (measured(filtered.counts.0), measured(filtered.counts.1));
        Ok(Plan::new("preprocessing: filter, normalise, log1p")
            .with("cells", cells)
            .with("genes", genes)
            .with("counts", format!("each cell's {low} to {high} scaled to {}", measured(self.config.target_sum))))
    }

    /// Filters, normalises and takes the logarithm; the provenance gets a step for each.
    ///
    /// # Errors
    /// When no cell or no gene is left, when a kept cell has no counts, and when the target sum is not a positive
    /// number.
    pub fn run(&self) -> Result<Cells<LogNormalized>> {
        let filtered = self.filter()?;
        let cells = self.cells.select_cells(&filtered.cells)?.select_genes(&filtered.genes)?;
        let target_sum = self.config.target_sum;
        let expression = log_normalize(cells.expression(), target_sum);
        let [kept_cells, kept_genes] = self.kept(&filtered);
        Ok(cells
            .into_stage(expression)
            .with_step(kept_cells)
            .with_step(kept_genes)
            .with_step(format!("counts per cell scaled to {}, natural log1p", measured(target_sum))))
    }

    /// Checks the settings and that enough is left.
    fn filter(&self) -> Result<Filtered, PreprocessError> {
        let target_sum = self.config.target_sum;
        if !(target_sum > 0.0 && target_sum.is_finite()) {
            return Err(SettingError::new("target_sum", target_sum, "a positive number, 10000 is usual").into());
        }
        let filtered = Filtered::new(self);
        filtered.check(self)?;
        Ok(filtered)
    }

    /// "min_genes 200: 2,142 -> 2,100 cells", and the same of genes.
    fn kept(&self, filtered: &Filtered) -> [String; 2] {
        let PreprocessConfig { min_genes, min_cells, .. } = self.config;
        let change = |before, after: &[usize]| format!("{} -> {}", grouped(before), grouped(after.len()));
        let only = self.only_genes.as_ref();
        let only = only.map_or(String::new(), |only| format!(", of {} asked for", grouped(only.len())));
        [
            format!("min_genes {min_genes}: {} cells", change(self.cells.cells(), &filtered.cells)),
            format!("min_cells {min_cells}{only}: {} genes", change(self.cells.genes(), &filtered.genes)),
        ]
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
    use polars::prelude::DataFrame;

    use super::*;
    use crate::cells::Provenance;

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
        let plan = cells.preprocess().min_genes(2).min_cells(2).plan().unwrap();
        assert_eq!(plan.fact("cells"), Some("min_genes 2: 3 -> 2 cells"));
        assert_eq!(plan.fact("genes"), Some("min_cells 2: 3 -> 2 genes"));
        assert_eq!(plan.fact("counts"), Some("each cell's 2 to 4 scaled to 10,000"));
        assert!(cells.preprocess().plan().unwrap_err().to_string().contains("keeps none of 3 cells"));
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
