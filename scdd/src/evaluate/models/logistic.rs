//! One-vs-rest logistic regression with an L2 penalty: for every class the minimum over w and b of
//! `sum_i log(1 + exp(-y_i (w z_i + b))) + |w|^2 / (2 C)`, y = 1 for cells of the class and -1 for the others.
//!
//! The classes' problems are independent, but their products with the cells are not worth computing one class at a time.
//! So all weights `[features, classes]` go into one minimisation, whose minimum is that of each class.

use rayon::prelude::*;

use super::lbfgs::{Minimum, dot, minimize};
use super::standardized::Standardized;
use crate::cells::Expression;

/// Parts that sums over cells are split into, whatever the number of threads, so that rounding does not depend on it.
const PARTS: usize = 16;
/// A cell of which less than this share, squared, is left beside those before is a sum of them (ours; the Gram matrix's
/// rounding is a millionth of it).
const INDEPENDENT: f64 = 1e-10;

/// Cells `[cells, features]`, as what they are multiplied with.
pub(super) enum Design {
    /// Row-major values.
    Dense { values: Vec<f64>, features: usize },
    /// Standardised sparse rows: [`Standardized::shifted`] values of the stored entries.
    Sparse { expression: Expression, shifted: Vec<f64>, offset: Vec<f64> },
}

impl Design {
    /// Standardised cells as they are stored.
    pub(super) fn sparse(expression: &Expression, standardized: &Standardized) -> Self {
        let entries = expression.indices().iter().zip(expression.values());
        Self::Sparse {
            expression: expression.clone(),
            shifted: entries.map(|(&gene, &value)| standardized.shifted(gene, value)).collect(),
            offset: standardized.offset().to_vec(),
        }
    }

    fn cells(&self) -> usize {
        match self {
            Self::Dense { values, features } => values.len() / features.max(&1),
            Self::Sparse { expression, .. } => expression.cells(),
        }
    }

    pub(super) fn features(&self) -> usize {
        match self {
            Self::Dense { features, .. } => *features,
            Self::Sparse { offset, .. } => offset.len(),
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
    fn back(&self, errors: &[f64], classes: usize, sums: &mut [f64]) {
        let (cells, size) = (self.cells(), self.features() * classes);
        let share = cells.div_ceil(PARTS).max(64);
        let parts: Vec<Vec<f64>> = (0..cells.div_ceil(share))
            .into_par_iter()
            .map(|part| {
                let mut sums = vec![0.0; size];
                for cell in part * share..cells.min((part + 1) * share) {
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
        if let Self::Sparse { offset, .. } = self {
            let mut total = vec![0.0; classes];
            for errors in errors.chunks_exact(classes) {
                total.iter_mut().zip(errors).for_each(|(total, error)| *total += error);
            }
            for (sums, offset) in sums.chunks_exact_mut(classes).zip(offset) {
                sums.iter_mut().zip(&total).for_each(|(sum, total)| *sum -= offset * total);
            }
        }
    }

    /// o w of each class, which stored entries lack.
    fn shift(&self, weights: &[f64], classes: usize) -> Vec<f64> {
        let mut shift = vec![0.0; classes];
        if let Self::Sparse { offset, .. } = self {
            for (weights, offset) in weights.chunks_exact(classes).zip(offset) {
                shift.iter_mut().zip(weights).for_each(|(shift, weight)| *shift += offset * weight);
            }
        }
        shift
    }

    #[inline]
    fn entries(&self, cell: usize, mut take: impl FnMut(usize, f64)) {
        match self {
            Self::Dense { values, features } => {
                let row = &values[cell * features..][..*features];
                row.iter().enumerate().for_each(|(feature, &value)| take(feature, value));
            }
            Self::Sparse { expression, shifted, .. } => {
                let (from, to) = (expression.indptr()[cell] as usize, expression.indptr()[cell + 1] as usize);
                let stored = expression.indices()[from..to].iter().zip(&shifted[from..to]);
                stored.for_each(|(&gene, &value)| take(gene as usize, value));
            }
        }
    }
}

/// Few cells of many genes span few dimensions, and the weights lie within. The cells' coordinates there come from the
/// Cholesky factor L of the Gram matrix of those that are independent: w = Z^T L^-T w' has the products and the length of w'.
pub(super) struct Span {
    rows: Vec<f64>,
    genes: usize,
    /// Cells that are independent of those before.
    basis: Vec<usize>,
    pub(super) coordinates: Design,
}

impl Span {
    /// Of dense rows `[cells, genes]`.
    pub(super) fn of(rows: Vec<f64>, genes: usize) -> Self {
        let row = |cell: usize| &rows[cell * genes..][..genes];
        let cells = rows.len() / genes.max(1);
        let products = |cell: usize| (0..=cell).map(|other| dot(row(cell), row(other))).collect();
        let gram: Vec<Vec<f64>> = (0..cells).into_par_iter().map(products).collect();
        let mut basis: Vec<usize> = Vec::new();
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(cells);
        for (cell, gram) in gram.iter().enumerate() {
            let mut found: Vec<f64> = Vec::with_capacity(basis.len() + 1);
            for (place, &of) in basis.iter().enumerate() {
                let left = gram[of] - dot(&found, &factor[of][..place]);
                found.push(left / factor[of][place]);
            }
            let left = gram[cell] - dot(&found, &found);
            if left > INDEPENDENT * gram[cell] {
                found.push(left.sqrt());
                basis.push(cell);
            }
            factor.push(found);
        }
        let features = basis.len();
        factor.iter_mut().for_each(|row| row.resize(features, 0.0));
        Self { coordinates: Design::Dense { values: factor.concat(), features }, rows, genes, basis }
    }

    /// Weights `[genes, classes]` of weights `[rank, classes]`.
    pub(super) fn unfold(&self, weights: &[f64], classes: usize) -> Vec<f64> {
        let (Design::Dense { values, features }, mut solved) = (&self.coordinates, weights.to_vec()) else {
            return Vec::new();
        };
        let factor = |place: usize, column: usize| values[self.basis[place] * features + column];
        for place in (0..*features).rev() {
            let (before, from) = solved.split_at_mut(place * classes);
            let own = &mut from[..classes];
            own.iter_mut().for_each(|value| *value /= factor(place, place));
            for (column, before) in before.chunks_exact_mut(classes).enumerate() {
                let share = factor(place, column);
                before.iter_mut().zip(&*own).for_each(|(value, own)| *value -= share * own);
            }
        }
        let mut unfolded = vec![0.0; self.genes * classes];
        for (&cell, weights) in self.basis.iter().zip(solved.chunks_exact(classes)) {
            let row = &self.rows[cell * self.genes..][..self.genes];
            for (sums, value) in unfolded.chunks_exact_mut(classes).zip(row) {
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
        }
        unfolded
    }
}

/// What was found: weights `[features, classes]` and one intercept per class.
pub(super) struct Fitted {
    pub(super) weights: Vec<f64>,
    pub(super) intercepts: Vec<f64>,
    pub(super) minimum: Minimum,
}

/// Minimises for all classes at once. The sum is divided by C and the number of cells, as scikit-learn has it, and the
/// tolerance is on that scale.
pub(super) fn one_vs_rest(
    design: &Design,
    labels: &[u32],
    classes: usize,
    c: f64,
    iterations: usize,
    tolerance: f64,
) -> Fitted {
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
            for (class, (place, intercept)) in row.iter_mut().zip(intercepts).enumerate() {
                let sign = if class == label as usize { 1.0 } else { -1.0 };
                let margin = sign * (*place + intercept);
                // log(1 + exp(-m)) and its derivative without overflow.
                let small = (-margin.abs()).exp();
                loss += small.ln_1p() + (-margin).max(0.0);
                let missing = if margin > 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
                *place = -sign * missing / cells;
                of_intercepts[class] += *place;
            }
        }
        design.back(&errors, classes, of_weights);
        of_weights.iter_mut().zip(weights).for_each(|(gradient, weight)| *gradient += penalty * weight);
        loss / cells + 0.5 * penalty * dot(weights, weights)
    });
    let intercepts = solution.split_off(features * classes);
    Fitted { weights: solution, intercepts, minimum }
}
