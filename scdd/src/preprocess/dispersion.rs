//! Highly variable genes: dispersion normalised within bins of mean expression (Satija et al. 2015), as scanpy's
//! `highly_variable_genes(flavor="seurat")` computes it, without making zeros explicit.

use std::sync::Arc;

use super::PreprocessError;
use crate::cells::Expression;

/// Bins of mean expression: scanpy's default.
const BINS: usize = 20;

/// How much each gene varies beyond what its mean explains. A clone shares everything.
#[derive(Clone, Debug)]
pub struct VariableGenes {
    means: Arc<Vec<f64>>,
    dispersions: Arc<Vec<f64>>,
    normalized: Arc<Vec<f64>>,
    selected: Arc<Vec<usize>>,
}

impl VariableGenes {
    /// `log1p` of each gene's mean of counts per 10,000.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// `ln(variance / mean)` of each gene's counts per 10,000; NaN for a gene that does not vary.
    pub fn dispersions(&self) -> &[f64] {
        &self.dispersions
    }

    /// Dispersions less their bin's mean, in the bin's standard deviations; NaN for a gene that does not vary.
    pub fn normalized_dispersions(&self) -> &[f64] {
        &self.normalized
    }

    /// The selected genes, sorted ascending.
    pub fn selected(&self) -> &[usize] {
        &self.selected
    }
}

/// Selects the `n` genes of highest normalised dispersion from log-normalised `expression` `[cells, genes]`.
///
/// Equal to scanpy's `sc.pp.highly_variable_genes(flavor="seurat", n_top_genes=n)`: genes that tie with the last
/// one are selected too, and a gene alone in its bin has the normalised dispersion 1.
///
/// # Errors
/// For fewer than 2 cells, no genes, `n` of 0, or negative values.
///
/// ```
/// use scdd::cells::Expression;
/// // Three genes over four cells; the last one is on in half of them.
/// let expression = Expression::from_dense(
///     3,
///     &[1.0, 0.9, 0.0, 1.1, 1.0, 3.0, 1.0, 1.1, 0.0, 0.9, 1.0, 3.0],
/// )?;
/// let genes = scdd::preprocess::highly_variable_genes(&expression, 1)?;
/// assert_eq!(genes.dispersions().len(), 3);
/// assert!(genes.dispersions()[2] > genes.dispersions()[0]);
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn highly_variable_genes(expression: &Expression, n: usize) -> Result<VariableGenes, PreprocessError> {
    if expression.cells() < 2 || expression.genes() == 0 || n == 0 {
        return Err(PreprocessError::TooFew { n, cells: expression.cells(), genes: expression.genes() });
    }
    if let Some(&value) = expression.values().iter().find(|value| **value < 0.0) {
        return Err(PreprocessError::Negative { value });
    }
    let (means, dispersions) = moments(expression);
    let normalized = normalize(&means, &dispersions);
    let mut descending: Vec<f64> = normalized.iter().copied().filter(|x| !x.is_nan()).collect();
    descending.sort_by(|a, b| b.total_cmp(a));
    let cutoff = descending.get(n.min(descending.len()).saturating_sub(1)).copied().unwrap_or(f64::INFINITY);
    let selected = (0..normalized.len()).filter(|&gene| normalized[gene] >= cutoff).collect();
    Ok(VariableGenes {
        means: Arc::new(means),
        dispersions: Arc::new(dispersions),
        normalized: Arc::new(normalized),
        selected: Arc::new(selected),
    })
}

/// Mean of every gene, and its summed squared deviations from it, of some function of the values that is 0 at 0.
pub(crate) fn means_and_squares(expression: &Expression, of: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
    let cells = expression.cells() as f64;
    let mut means = vec![0.0f64; expression.genes()];
    let mut nnz = vec![0usize; expression.genes()];
    for (&gene, &value) in expression.indices().iter().zip(expression.values()) {
        means[gene as usize] += of(f64::from(value));
        nnz[gene as usize] += 1;
    }
    means.iter_mut().for_each(|sum| *sum /= cells);
    // A second pass around the mean, so that large means do not cancel small variances; zeros count by their number.
    let mut squares: Vec<f64> = means.iter().zip(&nnz).map(|(mean, &nnz)| mean * mean * (cells - nnz as f64)).collect();
    for (&gene, &value) in expression.indices().iter().zip(expression.values()) {
        squares[gene as usize] += (of(f64::from(value)) - means[gene as usize]).powi(2);
    }
    (means, squares)
}

/// `log1p` of the mean and logarithm of variance / mean of every gene, of values before `log1p`.
fn moments(expression: &Expression) -> (Vec<f64>, Vec<f64>) {
    let cells = expression.cells() as f64;
    let (means, squares) = means_and_squares(expression, |value| value.exp_m1());
    let dispersions = squares
        .iter()
        .zip(&means)
        .map(|(square, &mean)| {
            let variance = square / (cells - 1.0);
            // What rounding leaves of a constant gene is no variance.
            if variance > 1e-12 * mean * mean { (variance / mean).ln() } else { f64::NAN }
        })
        .collect();
    (means.into_iter().map(|mean| mean.max(1e-12).ln_1p()).collect(), dispersions)
}

/// Dispersions normalised within bins of equal width over the range of means.
fn normalize(means: &[f64], dispersions: &[f64]) -> Vec<f64> {
    let bins = bins(means);
    let mut groups = vec![Vec::new(); BINS];
    for (&bin, &dispersion) in bins.iter().zip(dispersions) {
        if !dispersion.is_nan() {
            groups[bin].push(dispersion);
        }
    }
    let centre_and_spread: Vec<(f64, f64)> = groups
        .iter()
        .map(|group| {
            let n = group.len() as f64;
            let mean = group.iter().sum::<f64>() / n;
            let squares: f64 = group.iter().map(|x| (x - mean).powi(2)).sum();
            if group.len() < 2 { (0.0, mean) } else { (mean, (squares / (n - 1.0)).sqrt()) }
        })
        .collect();
    bins.iter()
        .zip(dispersions)
        .map(|(&bin, dispersion)| (dispersion - centre_and_spread[bin].0) / centre_and_spread[bin].1)
        .collect()
}

/// The bin of each value: intervals open to the left, as `pandas.cut` makes them.
fn bins(values: &[f64]) -> Vec<usize> {
    let (mut low, mut high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    if low == high {
        let room = if low == 0.0 { 0.001 } else { 0.001 * low.abs() };
        (low, high) = (low - room, high + room);
    }
    let edges: Vec<f64> = (1..BINS).map(|i| low + (high - low) * i as f64 / BINS as f64).collect();
    values.iter().map(|value| edges.partition_point(|edge| edge < value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by tests/goldens/variable_genes.py with scanpy.
    #[derive(serde::Deserialize)]
    struct Golden {
        genes: usize,
        n_top_genes: usize,
        expression: Vec<f32>,
        means: Vec<f64>,
        dispersions: Vec<Option<f64>>,
        dispersions_norm: Vec<Option<f64>>,
        highly_variable: Vec<usize>,
    }

    fn near(found: f64, expected: Option<f64>) -> bool {
        match expected {
            Some(expected) => (found - expected).abs() <= 1e-4 * expected.abs().max(1e-3),
            None => found.is_nan(),
        }
    }

    #[test]
    fn dispersions_and_selection_equal_scanpys() {
        let text = include_str!("../../../tests/goldens/variable_genes.json");
        for golden in serde_json::from_str::<Vec<Golden>>(text).unwrap() {
            let expression = Expression::from_dense(golden.genes, &golden.expression).unwrap();
            let found = highly_variable_genes(&expression, golden.n_top_genes).unwrap();
            for gene in 0..golden.genes {
                let (mean, dispersion) = (found.means()[gene], found.dispersions()[gene]);
                assert!(near(mean, Some(golden.means[gene])), "mean of {gene}: {mean} {}", golden.means[gene]);
                let expected = golden.dispersions[gene];
                assert!(near(dispersion, expected), "dispersion of {gene}: {dispersion} {expected:?}");
                let (normalized, expected) = (found.normalized_dispersions()[gene], golden.dispersions_norm[gene]);
                assert!(near(normalized, expected), "normalised dispersion of {gene}: {normalized} {expected:?}");
            }
            assert_eq!(found.selected(), golden.highly_variable);
        }
    }

    #[test]
    fn input_without_variance_or_with_negative_values_is_an_error() {
        let say = |x: &Expression, n| highly_variable_genes(x, n).unwrap_err().to_string();
        let one = Expression::from_dense(2, &[1.0, 2.0]).unwrap();
        assert!(say(&one, 1).contains("1 cells and 2 genes"));
        let negative = Expression::from_dense(2, &[1.0, -2.0, 0.0, 1.0]).unwrap();
        assert!(say(&negative, 1).contains("holds -2"));
    }
}
