//! Kernels of the ridge regression surrogates, and their outputs f(x) = k(x, S) (k(S, S) + lambda I)^-1 Y.
//!
//! The inverse is taken on the host, in f64: there are a few hundred synthetic cells at most. Burn differentiates the rest:
//! with M = (K + lambda I)^-1 and A = M Y, dA = -M dK A, so A - M (K - K0) A0 with M, K0 and A0 held fixed has the value
//! and the gradient of A.

use burn::tensor::Tensor;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::rows::one_hot;
use crate::tensors;

/// Keeps standard deviations and norms above zero: squares of log1p units.
const FLOOR: f64 = 1e-6;
/// A gene of less variance is constant up to rounding, and keeps its scale, as in StandardScaler.
const CONSTANT: f64 = 1e-10;
/// Standardised values above this are cut, as CellTypist does.
const CUT: f32 = 10.0;
/// How sharply the nearest synthetic cell decides: a cosine that is .025 larger counts e times as much (our choice).
const NEARNESS: f64 = 40.0;

/// A kind of surrogate: its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RidgeSurrogate {
    /// Expression, centred at the synthetic cells' mean.
    Linear,
    /// Expression, each gene centred and scaled by the synthetic cells' mean and standard deviation.
    Standardized,
    /// Directions of expression: cosines.
    Cosine,
    /// A network of one infinitely wide hidden layer of ReLU: the arc-cosine kernel of degree 1 (Cho and Saul 2009).
    Wide,
    /// The nearest synthetic cell by cosine, softly; no ridge regression.
    Nearest,
    /// Latents of the foundation model.
    Latent,
}

impl RidgeSurrogate {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Linear, Self::Standardized, Self::Cosine, Self::Wide, Self::Nearest, Self::Latent];

    /// Those of [`RidgeSurrogates`](super::RidgeSurrogates) unless set (our choice): without the latent and the standardised one,
    /// models on expression learn more from mixtures of metacells.
    pub const MATCHED: [Self; 4] = [Self::Linear, Self::Cosine, Self::Wide, Self::Nearest];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Standardized => "standardised",
            Self::Cosine => "cosine",
            Self::Wide => "wide network",
            Self::Nearest => "nearest neighbour",
            Self::Latent => "latent",
        }
    }

    /// lambda as a fraction of the kernel's mean diagonal (our choice: with about these, surrogates trained on class means and
    /// k-means pseudobulks of three data sets did best on validation cells).
    fn ridge(self) -> f64 {
        match self {
            Self::Linear | Self::Latent => 0.03,
            Self::Standardized => 0.1,
            _ => 0.01,
        }
    }

    /// Whether it is trained on latents in the place of expression.
    pub(in crate::distill) fn is_on_latents(self) -> bool {
        self == Self::Latent
    }

    /// Outputs `[cells, classes]` for cells after training on synthetic cells `[rows, width]`, in which they are differentiable.
    /// The largest is the predicted class.
    pub(in crate::distill) fn outputs(
        self,
        synthetic: Tensor<2>,
        labels: &[u32],
        classes: usize,
        cells: Tensor<2>,
    ) -> Tensor<2> {
        let labels = one_hot(labels, classes, &synthetic.device().inner());
        if self == Self::Nearest {
            return nearest(synthetic, labels, cells);
        }
        let targets = labels - 1.0 / classes as f64;
        let (among, across) = self.kernels(synthetic, cells);
        across.matmul(coefficients(among, targets, self.ridge()))
    }

    /// k(S, S) `[rows, rows]` and k(X, S) `[cells, rows]`.
    fn kernels(self, synthetic: Tensor<2>, cells: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let (rows, cells) = match self {
            Self::Linear | Self::Latent => {
                let mean = synthetic.clone().mean_dim(0);
                (synthetic - mean.clone(), cells - mean)
            }
            Self::Standardized => {
                let mean = synthetic.clone().mean_dim(0);
                let centred = synthetic - mean.clone();
                let variance = centred.clone().powi_scalar(2).mean_dim(0);
                let constant = variance.clone().lower_elem(CONSTANT);
                let scale = variance.add_scalar(FLOOR).sqrt().mask_fill(constant, 1.0);
                (centred / scale.clone(), ((cells - mean) / scale).clamp_max(CUT))
            }
            Self::Cosine => (directions(synthetic), directions(cells)),
            Self::Wide | Self::Nearest => {
                return (arc_cosine(synthetic.clone(), synthetic.clone()), arc_cosine(cells, synthetic));
            }
        };
        (rows.clone().matmul(rows.clone().transpose()), cells.matmul(rows.transpose()))
    }
}

/// (K + lambda I)^-1 Y `[rows, classes]`, differentiable in K `[rows, rows]`.
fn coefficients(among: Tensor<2>, targets: Tensor<2>, ridge: f64) -> Tensor<2> {
    let [rows, _] = among.dims();
    let diagonal = Tensor::eye(rows, &among.device().inner());
    // lambda depends on the cells, too.
    let lambda = (among.clone() * diagonal.clone()).sum().unsqueeze() * (ridge / rows.max(1) as f64) + FLOOR;
    let among = among + diagonal * lambda;
    let fixed = among.clone().inner();
    let inverse = inverse(&fixed);
    let value = inverse.clone().matmul(targets);
    value.clone() - inverse.matmul((among - fixed).matmul(value))
}

/// The inverse of a positive definite matrix; not a number where it is none.
fn inverse(kernel: &Tensor<2>) -> Tensor<2> {
    let [rows, _] = kernel.dims();
    let values = tensors::to_vec(kernel.clone());
    let matrix = DMatrix::from_iterator(rows, rows, values.into_iter().map(f64::from));
    let inverse = match matrix.cholesky() {
        Some(factor) => factor.inverse().iter().map(|&value| value as f32).collect(),
        None => vec![f32::NAN; rows * rows],
    };
    tensors::from_rows(inverse, rows, &kernel.device())
}

fn norms(rows: Tensor<2>) -> Tensor<2> {
    rows.powi_scalar(2).sum_dim(1).add_scalar(FLOOR).sqrt()
}

/// Rows scaled to unit norm.
fn directions(rows: Tensor<2>) -> Tensor<2> {
    rows.clone() / norms(rows)
}

/// |a| |b| (sin t + (pi - t) cos t) / pi, t the angle between a and b; its derivative by cos t is (pi - t) |a| |b| / pi.
fn arc_cosine(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let products = norms(a.clone()).matmul(norms(b.clone()).transpose());
    let cosines = a.matmul(b.transpose()) / products.clone();
    let fixed = cosines.clone().inner();
    let slope = fixed.clone().clamp(-1.0, 1.0).acos().neg().add_scalar(std::f64::consts::PI);
    let sine = fixed.clone().powi_scalar(2).neg().add_scalar(1.0).clamp_min(0.0).sqrt();
    let value = sine + slope.clone() * fixed.clone();
    (value + slope * (cosines - fixed)) * products / std::f64::consts::PI
}

/// The log of the summed similarities of a class's synthetic cells, at a scale like that of the other surrogates.
fn nearest(synthetic: Tensor<2>, labels: Tensor<2>, cells: Tensor<2>) -> Tensor<2> {
    let cosines = directions(cells).matmul(directions(synthetic).transpose());
    let similarities = ((cosines - 1.0) * NEARNESS).exp().matmul(labels);
    similarities.add_scalar(1e-20).log() / 8.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use burn::tensor::Device;

    fn random(rows: usize, purpose: &str) -> Tensor<2> {
        tensors::normal(rows, 5, &mut seed::stream(1, purpose), &Device::flex())
    }

    #[test]
    fn coefficients_solve_the_ridge_equations() {
        let rows = random(4, "rows");
        let kernel = rows.clone().matmul(rows.transpose());
        let targets = one_hot(&[0, 0, 1, 2], 3, &Device::flex());
        let found = coefficients(kernel.clone(), targets.clone(), 0.1);
        let diagonal: Vec<f32> = tensors::to_vec(kernel.clone()).into_iter().step_by(5).collect();
        let lambda = 0.1 * f64::from(diagonal.iter().sum::<f32>()) / 4.0;
        let back = tensors::to_vec(kernel.matmul(found.clone()) + found * lambda);
        assert_eq!(back.len(), 4 * 3);
        for (back, target) in back.iter().zip(tensors::to_vec(targets)) {
            assert!((back - target).abs() < 1e-4, "{back} and {target}");
        }
    }

    #[test]
    fn the_wide_surrogates_kernel_is_that_of_many_random_units() {
        let (a, b) = (random(3, "a"), random(2, "b"));
        let units = tensors::normal(5, 200_000, &mut seed::stream(2, "units"), &Device::flex());
        let hidden = |rows: Tensor<2>| burn::tensor::activation::relu(rows.matmul(units.clone()));
        // The expectation of ReLU(wa) ReLU(wb) is half of the kernel.
        let sampled = tensors::to_vec(hidden(a.clone()).matmul(hidden(b.clone()).transpose()) / 100_000.0);
        let found = tensors::to_vec(arc_cosine(a, b));
        assert_eq!(found.len(), 3 * 2);
        for (found, sampled) in found.into_iter().zip(sampled) {
            assert!((found - sampled).abs() < 0.05 * (1.0 + sampled.abs()), "{found} and {sampled}");
        }
    }

    #[test]
    fn every_surrogate_takes_a_synthetic_cell_for_its_own_class() {
        let synthetic = random(6, "synthetic") * 3.0;
        let labels = [0, 0, 1, 1, 2, 2];
        for surrogate in RidgeSurrogate::ALL {
            let outputs = tensors::array(surrogate.outputs(synthetic.clone(), &labels, 3, synthetic.clone()));
            assert_eq!(outputs.dim(), (6, 3));
            for (row, &label) in outputs.rows().into_iter().zip(&labels) {
                let best = (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
                assert_eq!(best as u32, label, "{}", surrogate.name());
            }
        }
    }

    #[test]
    fn a_kernel_that_is_not_a_number_gives_no_numbers_and_no_panic() {
        let kernel = tensors::from_rows(vec![f32::NAN; 4], 2, &Device::flex());
        assert!(tensors::to_vec(inverse(&kernel)).iter().all(|value| value.is_nan()));
    }
}
