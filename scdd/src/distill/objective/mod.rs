//! Matching objectives: how far synthetic cells are from real ones, one file each.
//!
//! | objective | short name | matches | source |
//! |---|---|---|---|
//! | [`DistributionMatching`] | DM | class means of latents | Yu et al. 2025, after Zhao and Bilen 2023 |
//! | [`GradientMatching`] | DC | gradients of a head, linear or deeper, and if wanted of the encoder | Yu et al. 2025, after Zhao, Mopuri and Bilen 2021 |
//! | [`CovarianceMatching`] | MeanCov | class means and covariances of latents | our own, after CORAL (Sun and Saenko 2016) |
//! | [`KernelMatching`] | MMD | class distributions by Gaussian kernels | Gretton et al. 2012 |
//! | [`TrajectoryMatching`] | MTT | the weights that training gives a head | Cazenavette et al. 2022 |
//! | [`RidgeSurrogates`] | ridge | predictions for real cells of classifiers trained on the synthetic ones | our own, after Nguyen et al. 2021 |
//! | [`Mixture`] | sum of its parts' | a weighted sum of objectives | our own |
//!
//! Adam updates the codes at a rate of 0.05 with all of them: on validation cells of Baron's pancreas (1 per class) and of FACS-sorted blood cells
//! (1 and 5 per class), on expression and on decoded latents, no other rate from 0.01 to 0.2 was better throughout.
//! `cargo run --example objectives -- FILE.h5ad LABEL PER_CLASS` prints the scores. At 1 per class objectives differ by a few
//! cells of rare classes there; at 5 on expression of the blood cells, kernels and covariances gave heads of lower
//! cross-entropy (0.53 and 0.56) than means (0.58), one split and one seed.
//!
//! An objective of your own is one `impl` of [`MatchingObjective`]; [`Matching`] gives it the cells, and [`Surrogates`] small
//! networks drawn anew in each step.

mod covariance;
mod distance;
mod distribution;
mod gradient;
mod kernel;
mod loops;
mod matching;
mod mixture;
mod names;
mod network;
mod ridge;
mod ridge_kernel;
mod rows;
mod surrogates;
#[cfg(test)]
mod testing;
mod trajectory;
mod weights;

pub use covariance::CovarianceMatching;
pub use distribution::DistributionMatching;
pub use gradient::GradientMatching;
pub use kernel::KernelMatching;
pub use loops::loops;
pub use matching::{Matching, MatchingObjective};
pub use mixture::Mixture;
pub use ridge::RidgeSurrogates;
pub use ridge_kernel::RidgeSurrogate;
pub use surrogates::{Surrogate, Surrogates};
pub use trajectory::TrajectoryMatching;
pub use weights::ClassWeights;

pub(super) use ridge::SHARPNESS;
pub(super) use rows::class_rows;
