//! Principal component analysis (PCA) of a sparse matrix: truncated SVD of the centred matrix by restarted Lanczos
//! bidiagonalisation (Baglama and Reichel 2005, crate single-svdlib).
//!
//! Centring is a term in each product, so nothing dense is made: O(nnz w + (n + d) w^2) a restart for a basis of
//! w = components + 30 vectors.

use ndarray::{Array1, Array2};
use rayon::prelude::*;
use scdd_compute::CsrView;
use single_svdlib::irlba::{IrlbaConfig, svd_with};
use single_svdlib::{SparseMat, SvdLibError};

use crate::LearnError;

/// Vectors that the solver keeps beyond the components: the fastest of those that its authors measured.
const EXTRA: usize = 30;

/// Principal components of `n` cells of `d` features.
#[derive(Clone, Debug)]
pub struct Components {
    /// Directions `[d, components]` of L2 norm 1, in the order of falling variance.
    pub loadings: Array2<f32>,
    /// Mean of each feature, `[d]`.
    pub mean: Vec<f32>,
    /// Variance along each direction (divided by n - 1).
    pub variance: Vec<f64>,
    /// That as a fraction of the variance of all features.
    pub variance_ratio: Vec<f64>,
    /// Mean squared L2 norm of the fitted cells' coordinates.
    pub mean_squared_norm: f64,
}

/// The leading principal components of cells `[n, d]`. The same seed gives the same components on any number of threads.
///
/// # Errors
/// When there are not more cells and features than components, the cells do not vary, or the solver fails.
///
/// ```
/// use scdd_learn::{pca::principal_components, scdd_compute::Csr};
/// let cells = Csr::from_dense(2, &[1.0, 2.0, 2.0, 4.0, 3.0, 6.0, 4.0, 8.0])?;
/// let found = principal_components(cells.view(), 1, 7)?;
/// assert!((found.variance_ratio[0] - 1.0).abs() < 1e-9);
/// assert!((found.loadings[[1, 0]] / found.loadings[[0, 0]] - 2.0).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn principal_components(cells: CsrView, components: usize, seed: u64) -> Result<Components, LearnError> {
    let (n, features) = (cells.rows(), cells.columns());
    let most = n.min(features).saturating_sub(1);
    if components == 0 || components > most {
        return Err(LearnError::Components { found: components, cells: n, features, most });
    }
    let columns = cells.transpose();
    let means: Vec<f64> = (0..features)
        .map(|feature| columns.row(feature).1.iter().map(|&value| f64::from(value)).sum::<f64>() / n as f64)
        .collect();
    let matrix = Matrix { rows: cells, columns: columns.view() };
    let config = IrlbaConfig::new(components).work(components + EXTRA).seed(seed).mean_center(true);
    let failed = |problem: SvdLibError| LearnError::Decomposition(problem.to_string());
    let found = svd_with(&matrix, &config, Some(Array1::from_vec(means.clone()))).map_err(failed)?;
    let squares: f64 = found.s.iter().map(|singular| singular * singular).sum();
    // Centring leaves the rounding of means behind.
    if squares <= 1e-12 * matrix.squared_frobenius() {
        return Err(LearnError::NoVariance { cells: n, features });
    }
    Ok(Components {
        loadings: found.vt.t().mapv(|value| value as f32),
        mean: means.into_iter().map(|mean| mean as f32).collect(),
        variance: found.explained_variance().to_vec(),
        variance_ratio: found.explained_variance_ratio().to_vec(),
        mean_squared_norm: squares / n as f64,
    })
}

/// Rows and columns of one matrix. Each product gathers along its output, so that sums do not depend on threads.
struct Matrix<'a> {
    rows: CsrView<'a>,
    columns: CsrView<'a>,
}

impl SparseMat<f64> for Matrix<'_> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn cols(&self) -> usize {
        self.rows.columns()
    }

    fn nnz(&self) -> usize {
        self.rows.nnz()
    }

    fn mul_vec(&self, x: &[f64], y: &mut [f64], trans: bool) {
        let compressed = if trans { self.columns } else { self.rows };
        let (indices, values) = (compressed.indices(), compressed.values());
        y.par_iter_mut().with_min_len(64).enumerate().for_each(|(row, sum)| {
            let entries = compressed.entries(row);
            let entries = indices[entries.clone()].iter().zip(&values[entries]);
            *sum = entries.map(|(&index, &value)| x[index as usize] * f64::from(value)).sum();
        });
    }

    fn squared_frobenius(&self) -> f64 {
        let stored = self.rows.entries(0).start..self.rows.entries(self.rows.rows() - 1).end;
        self.rows.values()[stored].iter().map(|&value| f64::from(value) * f64::from(value)).sum()
    }
}

#[cfg(test)]
mod tests {
    use scdd_compute::Csr;

    use super::*;

    #[test]
    fn too_many_components_and_cells_that_do_not_vary_are_refused_with_their_numbers() {
        let cells = Csr::from_dense(3, &[1.0; 12]).unwrap();
        let message = |components| principal_components(cells.view(), components, 7).unwrap_err().to_string();
        assert!(message(3).contains("3 principal components") && message(3).contains("4 training cells x 3 genes"));
        assert!(message(0).contains("from 1 to 2"));
        assert!(message(2).contains("4 cells x 3"));
    }

    #[test]
    fn rows_of_a_larger_matrix_have_their_own_components() {
        let dense: Vec<f32> = (0..40 * 6).map(|i| if i % 3 == 0 { ((i * 7) % 11) as f32 } else { 0.0 }).collect();
        let all = Csr::from_dense(6, &dense).unwrap();
        let part = Csr::from_dense(6, &dense[60..]).unwrap();
        let of = |cells: CsrView| principal_components(cells, 3, 1).unwrap();
        let (slice, alone) = (of(all.view().slice(10..40)), of(part.view()));
        assert_eq!((slice.loadings, slice.variance), (alone.loadings, alone.variance));
    }
}
