//! Integration LISI (Korsunsky et al. 2019): how many of the two kinds there are among the neighbours of a cell, as the
//! inverse Simpson index of the kinds under Gaussian weights of one perplexity. 2 is a perfect mixture, 1 none; the median
//! over cells stands in the report, which scIB (Luecken et al. 2022) takes too.

use ndarray::{Array2, Axis, concatenate};

use super::{Found, Sample, balanced};
use scdd_learn::knn::nearest_itself_first;

/// Korsunsky et al.'s default; three times as many neighbours have a weight.
const PERPLEXITY: f64 = 30.0;
const NEIGHBOURS: usize = 90;
/// Halvings of the search for the width that has the perplexity, and the tolerance of its entropy (as in t-SNE).
const TRIES: usize = 50;
const TOLERANCE: f64 = 1e-5;

pub(super) fn compare(real: &Sample, other: &Sample, seed: u64) -> Found {
    let (a, b) = balanced(real, other, seed);
    let value = match a.nrows() + b.nrows() {
        cells if cells <= NEIGHBOURS => Err(format!(
            "needs {NEIGHBOURS} neighbours (perplexity {PERPLEXITY}); there are {cells} cells, as many of either kind"
        )),
        _ => median_index(&a, &b).ok_or_else(|| "there are no cells".to_owned()),
    };
    Found { name: "integration LISI", ideal: 2.0, value }
}

fn median_index(a: &Array2<f32>, b: &Array2<f32>) -> Option<f64> {
    let all = concatenate(Axis(0), &[a.view(), b.view()]).ok()?;
    let (order, distances) = nearest_itself_first(&all, NEIGHBOURS + 1);
    let index = |(order, distances): (ndarray::ArrayView1<u32>, ndarray::ArrayView1<f32>)| {
        let distances: Vec<f64> = distances.iter().skip(1).map(|&distance| f64::from(distance)).collect();
        let weights = weights(&distances);
        let first = order.iter().skip(1).zip(&weights).filter(|(other, _)| (**other as usize) < a.nrows());
        let fraction: f64 = first.map(|(_, weight)| weight).sum();
        1.0 / (fraction * fraction + (1.0 - fraction) * (1.0 - fraction))
    };
    let mut found: Vec<f64> = order.rows().into_iter().zip(distances.rows()).map(index).collect();
    found.sort_by(f64::total_cmp);
    let middle = found.len() / 2;
    match found.len() % 2 {
        _ if found.is_empty() => None,
        0 => Some((found[middle - 1] + found[middle]) / 2.0),
        _ => Some(found[middle]),
    }
}

/// Weights exp(-beta d) that sum to 1 and whose entropy is that of the perplexity.
fn weights(distances: &[f64]) -> Vec<f64> {
    let (mut beta, mut low, mut high) = (1.0, 0.0, f64::INFINITY);
    let nearest = distances.first().copied().unwrap_or(0.0);
    let mut weights = Vec::new();
    for _ in 0..TRIES {
        // From the nearest on, so that no sum is zero; the fractions are the same.
        weights = distances.iter().map(|distance| (-(distance - nearest) * beta).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let entropy: f64 = weights.iter().filter(|weight| **weight > 0.0).map(|weight| -weight * weight.ln()).sum();
        let apart = entropy - PERPLEXITY.ln();
        if apart.abs() < TOLERANCE {
            break;
        }
        if apart > 0.0 {
            low = beta;
            beta = if high.is_finite() { (beta + high) / 2.0 } else { beta * 2.0 };
        } else {
            high = beta;
            beta = (beta + low) / 2.0;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_perplexity_whatever_the_scale() {
        for scale in [1e-3, 1.0, 1e4] {
            let distances: Vec<f64> = (0..NEIGHBOURS).map(|i| scale * (i as f64).sqrt()).collect();
            let weights = weights(&distances);
            let entropy: f64 = weights.iter().map(|weight| -weight * weight.max(1e-300).ln()).sum();
            assert!((entropy.exp() - PERPLEXITY).abs() < 0.01, "{scale}: {}", entropy.exp());
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
