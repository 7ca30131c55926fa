//! One-vs-rest logistic regression with an L2 penalty: for every class the minimum over w and b of
//! `sum_i log(1 + exp(-y_i (w z_i + b))) + |w|^2 / (2 C)`, y = 1 for cells of the class and -1 for the others.
//!
//! The classes' problems are independent, but products with the cells cost less for all classes at once. So all weights
//! `[features, classes]` go into one minimisation by L-BFGS, whose minimum is that of each class. An iteration costs
//! O(nnz classes) on sparse cells.

use rayon::prelude::*;
use scdd_compute::CsrView;

use crate::lbfgs::{Minimum, dot, minimize};
use crate::standardize::Standardizer;

/// Parts that sums over cells are divided into, whatever the number of threads, so that rounding does not depend on it.
const PARTS: usize = 16;
/// A row counts as a linear combination of those before when less than this fraction of its squared norm is independent of
/// them (ours; the Gram matrix's rounding is a millionth of it).
const INDEPENDENT: f64 = 1e-10;

/// The design matrix `[cells, features]`.
pub struct Design<'a>(Rows<'a>);

enum Rows<'a> {
    /// Row-major values.
    Dense { values: Vec<f64>, features: usize },
    /// Standardised sparse rows: [`Standardizer::shifted`] of the stored values.
    Sparse { cells: CsrView<'a>, shifted: Vec<f64>, offset: Vec<f64> },
}

impl<'a> Design<'a> {
    /// Row-major values `[cells, features]`.
    pub fn dense(values: Vec<f64>, features: usize) -> Self {
        Self(Rows::Dense { values, features })
    }

    /// Sparse cells, standardised; zeros stay unstored.
    pub fn sparse(cells: CsrView<'a>, standardizer: &Standardizer) -> Self {
        let (shifted, offset) = (standardizer.shifted_values(cells), standardizer.offset().to_vec());
        Self(Rows::Sparse { cells, shifted, offset })
    }

    fn cells(&self) -> usize {
        match &self.0 {
            Rows::Dense { values, features } => values.len() / features.max(&1),
            Rows::Sparse { cells, .. } => cells.rows(),
        }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        match &self.0 {
            Rows::Dense { features, .. } => *features,
            Rows::Sparse { offset, .. } => offset.len(),
        }
    }

    /// Products `[cells, classes]` with weights `[features, classes]`.
    fn times(&self, weights: &[f64], classes: usize, products: &mut [f64]) {
        let shift = self.shift(weights, classes);
        let row = |(cell, sums): (usize, &mut [f64])| {
            sums.iter_mut().zip(&shift).for_each(|(sum, shift)| *sum = -shift);
            self.entries(cell, |feature, value| {
                let weights = &weights[feature * classes..][..classes];
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            });
        };
        products.par_chunks_mut(classes).with_min_len(64).enumerate().for_each(row);
    }

    /// Sums `[features, classes]` over cells of features times `errors` `[cells, classes]`.
    fn transposed_times(&self, errors: &[f64], classes: usize, sums: &mut [f64]) {
        let (cells, size) = (self.cells(), self.features() * classes);
        let size_of_part = cells.div_ceil(PARTS).max(64);
        let parts: Vec<Vec<f64>> = (0..cells.div_ceil(size_of_part))
            .into_par_iter()
            .map(|part| {
                let mut sums = vec![0.0; size];
                for cell in part * size_of_part..cells.min((part + 1) * size_of_part) {
                    let errors = &errors[cell * classes..][..classes];
                    self.entries(cell, |feature, value| {
                        let sums = &mut sums[feature * classes..][..classes];
                        sums.iter_mut().zip(errors).for_each(|(sum, error)| *sum += value * error);
                    });
                }
                sums
            })
            .collect();
        sums.fill(0.0);
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        if let Rows::Sparse { offset, .. } = &self.0 {
            let mut total = vec![0.0; classes];
            for errors in errors.chunks_exact(classes) {
                total.iter_mut().zip(errors).for_each(|(total, error)| *total += error);
            }
            for (sums, offset) in sums.chunks_exact_mut(classes).zip(offset) {
                sums.iter_mut().zip(&total).for_each(|(sum, total)| *sum -= offset * total);
            }
        }
    }

    /// o w of each class, which products of stored values lack.
    fn shift(&self, weights: &[f64], classes: usize) -> Vec<f64> {
        let mut shift = vec![0.0; classes];
        if let Rows::Sparse { offset, .. } = &self.0 {
            for (weights, offset) in weights.chunks_exact(classes).zip(offset) {
                shift.iter_mut().zip(weights).for_each(|(shift, weight)| *shift += offset * weight);
            }
        }
        shift
    }

    #[inline]
    fn entries(&self, cell: usize, mut take: impl FnMut(usize, f64)) {
        match &self.0 {
            Rows::Dense { values, features } => {
                let row = &values[cell * features..][..*features];
                row.iter().enumerate().for_each(|(feature, &value)| take(feature, value));
            }
            Rows::Sparse { cells, shifted, .. } => {
                let entries = cells.entries(cell);
                let stored = cells.indices()[entries.clone()].iter().zip(&shifted[entries]);
                stored.for_each(|(&feature, &value)| take(feature as usize, value));
            }
        }
    }
}

/// The row space of few cells of many features, within which the weights lie. The cells' coordinates there come from the
/// Cholesky factor L of the Gram matrix of a basis of cells: w = Z^T L^-T w' has the products and the L2 norm of w'.
pub struct RowSpace {
    rows: Vec<f64>,
    features: usize,
    /// Cells that are independent of those before.
    basis: Vec<usize>,
    /// Coordinates of the cells, `[cells, rank]`, row-major.
    coordinates: Vec<f64>,
}

impl RowSpace {
    /// Of dense rows `[cells, features]`, in O(cells^2 features).
    pub fn new(rows: Vec<f64>, features: usize) -> Self {
        let row = |cell: usize| &rows[cell * features..][..features];
        let cells = rows.len() / features.max(1);
        let products = |cell: usize| (0..=cell).map(|other| dot(row(cell), row(other))).collect();
        let gram: Vec<Vec<f64>> = (0..cells).into_par_iter().map(products).collect();
        let mut basis: Vec<usize> = Vec::new();
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(cells);
        for (cell, gram) in gram.iter().enumerate() {
            let mut found: Vec<f64> = Vec::with_capacity(basis.len() + 1);
            for (position, &of) in basis.iter().enumerate() {
                let left = gram[of] - dot(&found, &factor[of][..position]);
                found.push(left / factor[of][position]);
            }
            let left = gram[cell] - dot(&found, &found);
            if left > INDEPENDENT * gram[cell] {
                found.push(left.sqrt());
                basis.push(cell);
            }
            factor.push(found);
        }
        let rank = basis.len();
        factor.iter_mut().for_each(|row| row.resize(rank, 0.0));
        Self { coordinates: factor.concat(), rows, features, basis }
    }

    /// The cells' coordinates as a design `[cells, rank]`.
    pub fn design(&self) -> Design<'static> {
        Design::dense(self.coordinates.clone(), self.basis.len())
    }

    /// Weights `[features, classes]` of weights `[rank, classes]`.
    pub fn unfold(&self, weights: &[f64], classes: usize) -> Vec<f64> {
        let (rank, mut solved) = (self.basis.len(), weights.to_vec());
        let factor = |row: usize, column: usize| self.coordinates[self.basis[row] * rank + column];
        // Back substitution with L^T.
        for row in (0..rank).rev() {
            let (before, from) = solved.split_at_mut(row * classes);
            let own = &mut from[..classes];
            own.iter_mut().for_each(|value| *value /= factor(row, row));
            for (column, before) in before.chunks_exact_mut(classes).enumerate() {
                let factor = factor(row, column);
                before.iter_mut().zip(&*own).for_each(|(value, own)| *value -= factor * own);
            }
        }
        let mut unfolded = vec![0.0; self.features * classes];
        for (&cell, weights) in self.basis.iter().zip(solved.chunks_exact(classes)) {
            let row = &self.rows[cell * self.features..][..self.features];
            for (sums, value) in unfolded.chunks_exact_mut(classes).zip(row) {
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
        }
        unfolded
    }
}

/// Fitted weights and intercepts of all classes.
#[derive(Clone, Debug)]
pub struct LogisticFit {
    /// Weights `[features, classes]`, row-major.
    pub weights: Vec<f64>,
    /// One intercept per class.
    pub intercepts: Vec<f64>,
    /// How the minimisation ended.
    pub minimum: Minimum,
}

/// Settings of the fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticConfig {
    /// Inverse strength of the penalty, C.
    pub c: f64,
    /// Iterations of L-BFGS at most.
    pub iterations: usize,
    /// It ends when no entry of the gradient of the mean loss is above this.
    pub tolerance: f64,
}

/// Fits every class against the others, with a label below `classes` for each cell. The objective is divided by C and the
/// number of cells, as scikit-learn has it, and the tolerance is on that scale.
///
/// ```
/// use scdd_learn::logistic::{Design, LogisticConfig, one_vs_rest};
/// let cells = Design::dense(vec![-2.0, -1.0, 1.0, 2.0], 1);
/// let config = LogisticConfig { c: 1.0, iterations: 100, tolerance: 1e-6 };
/// let fit = one_vs_rest(&cells, &[0, 0, 1, 1], 2, config);
/// assert!(fit.weights[1] > 0.5 && fit.minimum.gradient <= 1e-6);
/// ```
pub fn one_vs_rest(design: &Design, labels: &[u32], classes: usize, config: LogisticConfig) -> LogisticFit {
    let LogisticConfig { c, iterations, tolerance } = config;
    let (cells, features) = (design.cells() as f64, design.features());
    let penalty = 1.0 / (c * cells);
    let mut errors = vec![0.0; labels.len() * classes];
    let mut solution = vec![0.0; (features + 1) * classes];
    let minimum = minimize(&mut solution, iterations, tolerance, |x, gradient| {
        let (weights, intercepts) = x.split_at(features * classes);
        let (of_weights, of_intercepts) = gradient.split_at_mut(features * classes);
        design.times(weights, classes, &mut errors);
        of_intercepts.fill(0.0);
        let mut loss = 0.0;
        for (row, &label) in errors.chunks_exact_mut(classes).zip(labels) {
            for (class, (error, intercept)) in row.iter_mut().zip(intercepts).enumerate() {
                let sign = if class == label as usize { 1.0 } else { -1.0 };
                let margin = sign * (*error + intercept);
                // log(1 + exp(-m)) and its derivative without overflow.
                let small = (-margin.abs()).exp();
                loss += small.ln_1p() + (-margin).max(0.0);
                let missing = if margin > 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
                *error = -sign * missing / cells;
                of_intercepts[class] += *error;
            }
        }
        design.transposed_times(&errors, classes, of_weights);
        of_weights.iter_mut().zip(weights).for_each(|(gradient, weight)| *gradient += penalty * weight);
        loss / cells + 0.5 * penalty * dot(weights, weights)
    });
    let intercepts = solution.split_off(features * classes);
    LogisticFit { weights: solution, intercepts, minimum }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use scdd_compute::Csr;

    use super::*;
    use crate::logistic_sgd::{self, SgdConfig};
    use crate::seed;

    /// Cells `[n, d]` of which each class has more values in some columns.
    fn cells(n: usize, d: usize, classes: u32, purpose: &str) -> (Csr, Vec<u32>) {
        let mut random = seed::stream(3, purpose);
        let labels: Vec<u32> = (0..n as u32).map(|cell| cell % classes).collect();
        let mut dense = Vec::with_capacity(n * d);
        for &label in &labels {
            for column in 0..d as u32 {
                let chance = if column % (classes + 2) == label { 0.6 } else { 0.15 };
                dense.push(if random.random::<f64>() < chance { random.random::<f32>() * 3.0 } else { 0.0 });
            }
        }
        (Csr::from_dense(d, &dense).unwrap(), labels)
    }

    fn exact(c: f64) -> LogisticConfig {
        LogisticConfig { c, iterations: 10_000, tolerance: 1e-10 }
    }

    #[test]
    fn the_row_space_and_all_features_give_the_same_weights() {
        // More cells than dimensions are needed for neither; a cell that stands twice adds no dimension.
        let (cells, labels) = cells(40, 90, 4, "span");
        let twice: Vec<usize> = (0..40).chain([3, 3, 17]).collect();
        let (cells, labels) = (cells.select_rows(&twice), twice.iter().map(|&cell| labels[cell]).collect::<Vec<_>>());
        let standardizer = Standardizer::fit(cells.view(), 10.0);
        let mut rows = vec![0.0; 43 * 90];
        rows.chunks_exact_mut(90).enumerate().for_each(|(cell, row)| standardizer.dense_row(cells.view(), cell, row));
        let space = RowSpace::new(rows, 90);
        assert!(space.design().features() < 40, "{}", space.design().features());
        let solve = |design: &Design| one_vs_rest(design, &labels, 4, exact(1.0));
        let (few, all) = (solve(&space.design()), solve(&Design::sparse(cells.view(), &standardizer)));
        assert!(few.minimum.gradient <= 1e-10 && all.minimum.gradient <= 1e-10);
        let unfolded = space.unfold(&few.weights, 4);
        assert_eq!((unfolded.len(), all.weights.len()), (4 * 90, 4 * 90));
        for (ours, theirs) in unfolded.iter().zip(&all.weights) {
            assert!((ours - theirs).abs() < 1e-7, "{ours} {theirs}");
        }
        assert_eq!((few.intercepts.len(), all.intercepts.len()), (4, 4));
        for (ours, theirs) in few.intercepts.iter().zip(&all.intercepts) {
            assert!((ours - theirs).abs() < 1e-7, "{ours} {theirs}");
        }
    }

    #[test]
    fn descent_by_single_cells_reaches_the_minimum_of_the_penalised_loss() {
        let (cells, labels) = cells(150, 30, 3, "descent");
        let standardizer = Standardizer::fit(cells.view(), 10.0);
        // alpha = 1 / (C n): the same function. Many passes, so that the rate has fallen.
        let minimum =
            one_vs_rest(&Design::sparse(cells.view(), &standardizer), &labels, 3, exact(1.0 / (0.05 * 150.0)));
        let config = SgdConfig { alpha: 0.05, passes: 2_000, tolerance: f64::NEG_INFINITY, seed: 3 };
        let found = logistic_sgd::one_vs_rest(cells.view(), &standardizer, &labels, 3, config);
        assert_eq!(found.weights.len(), minimum.weights.len());
        for (ours, theirs) in found.weights.iter().zip(&minimum.weights) {
            assert!((ours - theirs).abs() < 0.01, "{ours} {theirs}");
        }
    }
}
