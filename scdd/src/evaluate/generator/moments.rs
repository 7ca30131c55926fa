//! Means, variances and zeros of genes, real against generated.

use super::{Found, Sample, too_few};
use crate::cells::Expression;
use scdd_learn::statistics::{mean, pearson, spearman};

/// Below so many cells a variance says little (ours).
const LEAST: usize = 10;

/// Mean, variance (divided by cells - 1) and fraction of zeros of each gene.
struct Moments {
    means: Vec<f64>,
    variances: Vec<f64>,
    zeros: Vec<f64>,
}

impl Moments {
    fn of(expression: &Expression) -> Self {
        let (cells, genes) = (expression.cells() as f64, expression.genes());
        let (mut means, mut stored) = (vec![0.0; genes], vec![0.0; genes]);
        for (&gene, &value) in expression.indices().iter().zip(expression.values()) {
            means[gene as usize] += f64::from(value) / cells;
            stored[gene as usize] += 1.0;
        }
        let mut variances: Vec<f64> = means.iter().zip(&stored).map(|(m, stored)| m * m * (cells - stored)).collect();
        for (&gene, &value) in expression.indices().iter().zip(expression.values()) {
            variances[gene as usize] += (f64::from(value) - means[gene as usize]).powi(2);
        }
        for (squares, mean) in variances.iter_mut().zip(&means) {
            *squares /= (cells - 1.0).max(1.0);
            // What rounding leaves of a constant gene is none.
            if *squares < 1e-12 * mean * mean {
                *squares = 0.0;
            }
        }
        Self { means, variances, zeros: stored.iter().map(|stored| 1.0 - stored / cells).collect() }
    }
}

pub(super) fn compare(real: &Sample, other: &Sample) -> Vec<Found> {
    let reason = too_few(LEAST, real.cells(), other.cells());
    let (a, b) = (Moments::of(&real.expression), Moments::of(&other.expression));
    let figure = |name, ideal, value: Option<f64>| {
        let undefined = || "one side does not vary over the genes".to_owned();
        Found { name, ideal, value: reason.clone().map_or_else(|| value.ok_or_else(undefined), Err) }
    };
    let apart: Vec<f64> = a.zeros.iter().zip(&b.zeros).map(|(a, b)| (a - b).abs()).collect();
    vec![
        figure("gene means, Pearson", 1.0, pearson(&a.means, &b.means)),
        figure("gene means, Spearman", 1.0, spearman(&a.means, &b.means)),
        figure("gene variances, Pearson", 1.0, pearson(&a.variances, &b.variances)),
        figure("gene variances, Spearman", 1.0, spearman(&a.variances, &b.variances)),
        figure("zeros per gene, Pearson", 1.0, pearson(&a.zeros, &b.zeros)),
        figure("zeros per gene, mean difference", 0.0, mean(&apart)),
        figure("zeros per cell, more than in real ones", 0.0, mean(&b.zeros).zip(mean(&a.zeros)).map(|(b, a)| b - a)),
    ]
}
