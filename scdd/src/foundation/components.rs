//! Principal components of sparse expression: truncated SVD of the centred matrix by restarted Lanczos
//! bidiagonalisation (Baglama and Reichel 2005, crate single-svdlib). Centring is a term in each product, so nothing
//! dense is made.

use ndarray::{Array1, Array2};
use rayon::prelude::*;
use single_svdlib::irlba::{IrlbaConfig, svd_with};
use single_svdlib::{SparseMat, SvdLibError};

use super::FoundationError;
use crate::cells::Expression;

/// Vectors that the solver keeps beyond the components: the fastest of those that its authors measured.
const EXTRA: usize = 30;

/// What a fit finds.
pub(crate) struct Components {
    /// Directions `[genes, components]`, of length one, by falling variance.
    pub(crate) loadings: Array2<f32>,
    /// Mean expression of each gene.
    pub(crate) mean: Vec<f32>,
    /// Variance along each direction (divided by cells - 1).
    pub(crate) variance: Vec<f64>,
    /// That of all of its share.
    pub(crate) variance_ratio: Vec<f64>,
    /// Mean squared length of a fitted cell's coordinates.
    pub(crate) squared_length: f64,
}

/// The leading components of cells `[cells, genes]`. The same seed gives the same components on any number of threads.
pub(crate) fn fit(expression: &Expression, components: usize, seed: u64) -> Result<Components, FoundationError> {
    let (cells, genes) = (expression.cells(), expression.genes());
    let most = cells.min(genes).saturating_sub(1);
    if components == 0 || components > most {
        return Err(FoundationError::Components { found: components, cells, genes, most });
    }
    let matrix = Matrix { rows: expression, columns: expression.transposed() };
    let means: Vec<f64> = (0..genes)
        .map(|gene| matrix.columns.row(gene).1.iter().map(|&value| f64::from(value)).sum::<f64>() / cells as f64)
        .collect();
    let config = IrlbaConfig::new(components).work(components + EXTRA).seed(seed).mean_center(true);
    let found = svd_with(&matrix, &config, Some(Array1::from_vec(means.clone()))).map_err(problem)?;
    let squares: f64 = found.s.iter().map(|singular| singular * singular).sum();
    // Centring leaves the rounding of means behind.
    if squares <= 1e-12 * matrix.squared_frobenius() {
        return Err(FoundationError::NoVariance { cells, genes });
    }
    Ok(Components {
        loadings: found.vt.t().mapv(|value| value as f32),
        mean: means.into_iter().map(|mean| mean as f32).collect(),
        variance: found.explained_variance().to_vec(),
        variance_ratio: found.explained_variance_ratio().to_vec(),
        squared_length: squares / cells as f64,
    })
}

fn problem(problem: SvdLibError) -> FoundationError {
    FoundationError::Decomposition(problem.to_string())
}

/// Rows and columns of one matrix. Each product gathers along what it writes, so that sums do not depend on threads.
struct Matrix<'a> {
    rows: &'a Expression,
    columns: Expression,
}

impl SparseMat<f64> for Matrix<'_> {
    fn rows(&self) -> usize {
        self.rows.cells()
    }

    fn cols(&self) -> usize {
        self.rows.genes()
    }

    fn nnz(&self) -> usize {
        self.rows.nnz()
    }

    fn mul_vec(&self, x: &[f64], y: &mut [f64], trans: bool) {
        let compressed = if trans { &self.columns } else { self.rows };
        y.par_iter_mut().with_min_len(64).enumerate().for_each(|(place, sum)| {
            let (indices, values) = compressed.row(place);
            *sum = indices.iter().zip(values).map(|(&index, &value)| x[index as usize] * f64::from(value)).sum();
        });
    }

    fn squared_frobenius(&self) -> f64 {
        self.rows.values().iter().map(|&value| f64::from(value) * f64::from(value)).sum()
    }
}
