//! One-vs-rest logistic regression by stochastic gradient descent (SGD), as scikit-learn's `SGDClassifier(loss="log_loss")`
//! with its defaults: one cell a step, rate 1 / (alpha (t0 + t)), early stopping after five passes without a better loss.
//!
//! Weights are w = s (a - c o), so that a step on a standardised cell z = v - o costs O(its stored values): decay changes s,
//! and adding u z adds u v / s to a and u / s to c. The product a o is kept along.

use rand::seq::SliceRandom;
use rayon::prelude::*;
use scdd_compute::CsrView;

use crate::lbfgs::Minimum;
use crate::logistic::LogisticFit;
use crate::seed;
use crate::standardize::Standardizer;

/// Passes without a better loss after which it ends (scikit-learn's `n_iter_no_change`).
const PATIENCE: usize = 5;

/// Settings of the fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdConfig {
    /// Strength of the penalty.
    pub alpha: f64,
    /// Passes over the cells at most.
    pub passes: usize,
    /// A pass must lower the mean loss by so much.
    pub tolerance: f64,
    /// Seed of the orders of cells.
    pub seed: u64,
}

/// Fits every class against the others on standardised cells `[n, d]` with a label below `classes` each, in
/// O(passes nnz classes); classes run side by side. `minimum` says how many passes the slowest class took, and its gradient is
/// NaN when that one was still getting better.
pub fn one_vs_rest(
    cells: CsrView,
    standardizer: &Standardizer,
    labels: &[u32],
    classes: usize,
    config: SgdConfig,
) -> LogisticFit {
    let features = cells.columns();
    let cells = Cells { cells, shifted: standardizer.shifted_values(cells), offset: standardizer.offset() };
    let fits: Vec<Fit> = (0..classes).into_par_iter().map(|class| cells.fit(labels, class as u32, config)).collect();
    let mut weights = vec![0.0; features * classes];
    for (class, fit) in fits.iter().enumerate() {
        fit.weights.iter().enumerate().for_each(|(feature, weight)| weights[feature * classes + class] = *weight);
    }
    let passes = fits.iter().map(|fit| fit.passes).max().unwrap_or(0);
    let ended = fits.iter().all(|fit| fit.ended);
    let minimum = Minimum { iterations: passes, gradient: if ended { 0.0 } else { f64::NAN } };
    LogisticFit { weights, intercepts: fits.iter().map(|fit| fit.intercept).collect(), minimum }
}

struct Cells<'a> {
    cells: CsrView<'a>,
    shifted: Vec<f64>,
    offset: &'a [f64],
}

struct Fit {
    weights: Vec<f64>,
    intercept: f64,
    passes: usize,
    ended: bool,
}

impl Cells<'_> {
    fn row(&self, cell: usize) -> impl Iterator<Item = (usize, f64)> {
        let entries = self.cells.entries(cell);
        let features = self.cells.indices()[entries.clone()].iter().map(|&feature| feature as usize);
        features.zip(self.shifted[entries].iter().copied())
    }

    fn fit(&self, labels: &[u32], class: u32, config: SgdConfig) -> Fit {
        let SgdConfig { alpha, passes, tolerance, seed } = config;
        let mut random = seed::stream(seed, &format!("logistic regression by SGD: class {class}"));
        let offset = self.offset;
        let squared: f64 = offset.iter().map(|offset| offset * offset).sum();
        let along: Vec<f64> = (0..labels.len())
            .map(|cell| self.row(cell).map(|(feature, value)| value * offset[feature]).sum())
            .collect();
        // scikit-learn's "optimal" schedule (Bottou): the first step is about as large as weights are expected to be.
        let typical = (1.0 / alpha.sqrt()).sqrt();
        let first = typical / f64::max(1.0, gradient(1.0, -typical).abs());
        let begin = 1.0 / (first * alpha);
        let (mut a, mut c, mut scale, mut a_offset, mut intercept) = (vec![0.0; offset.len()], 0.0, 1.0, 0.0, 0.0);
        let (mut best, mut without_better, mut time) = (f64::INFINITY, 0, 0.0);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        for pass in 1..=passes {
            order.shuffle(&mut random);
            let mut loss = 0.0;
            for &cell in &order {
                let sign = if labels[cell] == class { 1.0 } else { -1.0 };
                let product: f64 = self.row(cell).map(|(feature, value)| a[feature] * value).sum();
                let score = scale * (product - c * along[cell] - a_offset + c * squared) + intercept;
                let rate = 1.0 / (alpha * (begin + time));
                let margin: f64 = sign * score;
                loss += (-margin.abs()).exp().ln_1p() + (-margin).max(0.0);
                scale *= f64::max(0.0, 1.0 - rate * alpha);
                if scale < 1e-9 {
                    a.iter_mut().for_each(|value| *value *= scale);
                    (c, a_offset, scale) = (c * scale, a_offset * scale, 1.0);
                }
                let update = -rate * gradient(sign, score);
                let scaled = update / scale;
                for (feature, value) in self.row(cell) {
                    a[feature] += scaled * value;
                }
                c += scaled;
                a_offset += scaled * along[cell];
                intercept += update;
                time += 1.0;
            }
            without_better = if loss > best - tolerance * labels.len() as f64 { without_better + 1 } else { 0 };
            best = best.min(loss);
            if without_better == PATIENCE {
                return Fit { weights: weights(&a, c, scale, offset), intercept, passes: pass, ended: true };
            }
        }
        Fit { weights: weights(&a, c, scale, offset), intercept, passes, ended: false }
    }
}

fn weights(a: &[f64], c: f64, scale: f64, offset: &[f64]) -> Vec<f64> {
    a.iter().zip(offset).map(|(a, offset)| scale * (a - c * offset)).collect()
}

/// Derivative of log(1 + exp(-y p)) by p.
fn gradient(sign: f64, score: f64) -> f64 {
    let margin = sign * score;
    let small = (-margin.abs()).exp();
    let missing = if margin > 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
    -sign * missing
}
