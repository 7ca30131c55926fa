//! One-vs-rest logistic regression by stochastic gradient descent, as scikit-learn's `SGDClassifier(loss="log_loss")` with its
//! defaults: one cell a step, rate 1 / (alpha (t0 + t)), and an end after five passes without a better loss.
//!
//! Weights are w = s (a - c o), so that a step on a standardised cell z = v - o costs what the cell expresses: shrinking
//! changes s, and adding u z adds u v / s to a and u / s to c. The product a o is kept along.

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::lbfgs::Minimum;
use super::logistic::Fitted;
use super::standardized::Standardized;
use crate::cells::Expression;
use crate::seed;

/// Passes without a better loss after which it ends (scikit-learn's `n_iter_no_change`).
const PATIENCE: usize = 5;

/// What the descent is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descent {
    /// Strength of the penalty.
    pub(super) alpha: f64,
    /// Passes at most.
    pub(super) passes: usize,
    /// A pass must lower the mean loss by so much.
    pub(super) tolerance: f64,
    pub(super) seed: u64,
}

/// Fits each class against the others; `minimum` says how many passes the slowest class took, and its gradient is NaN when
/// that one was still getting better.
pub(super) fn one_vs_rest(
    expression: &Expression,
    standardized: &Standardized,
    labels: &[u32],
    classes: usize,
    descent: Descent,
) -> Fitted {
    let entries = expression.indices().iter().zip(expression.values());
    let cells = Cells {
        expression,
        shifted: entries.map(|(&gene, &value)| standardized.shifted(gene, value)).collect(),
        offset: standardized.offset(),
    };
    let fits: Vec<Fit> = (0..classes).into_par_iter().map(|class| cells.fit(labels, class as u32, descent)).collect();
    let genes = expression.genes();
    let mut weights = vec![0.0; genes * classes];
    for (class, fit) in fits.iter().enumerate() {
        fit.weights.iter().enumerate().for_each(|(gene, weight)| weights[gene * classes + class] = *weight);
    }
    let passes = fits.iter().map(|fit| fit.passes).max().unwrap_or(0);
    let ended = fits.iter().all(|fit| fit.ended);
    let minimum = Minimum { iterations: passes, gradient: if ended { 0.0 } else { f64::NAN } };
    Fitted { weights, intercepts: fits.iter().map(|fit| fit.intercept).collect(), minimum }
}

struct Cells<'a> {
    expression: &'a Expression,
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
        let (from, to) = (self.expression.indptr()[cell] as usize, self.expression.indptr()[cell + 1] as usize);
        let genes = self.expression.indices()[from..to].iter().map(|&gene| gene as usize);
        genes.zip(self.shifted[from..to].iter().copied())
    }

    fn fit(&self, labels: &[u32], class: u32, descent: Descent) -> Fit {
        let Descent { alpha, passes, tolerance, seed } = descent;
        let mut random = seed::stream(seed, &format!("logistic regression by SGD: class {class}"));
        let offset = self.offset;
        let squared: f64 = offset.iter().map(|offset| offset * offset).sum();
        let along: Vec<f64> =
            (0..labels.len()).map(|cell| self.row(cell).map(|(gene, value)| value * offset[gene]).sum()).collect();
        // scikit-learn's "optimal" schedule (Bottou): the first step is about as long as weights are expected to be.
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
                let product: f64 = self.row(cell).map(|(gene, value)| a[gene] * value).sum();
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
                let share = update / scale;
                for (gene, value) in self.row(cell) {
                    a[gene] += share * value;
                }
                c += share;
                a_offset += share * along[cell];
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
