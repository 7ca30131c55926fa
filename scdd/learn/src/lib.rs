//! Classical machine learning on sparse and dense matrices, without a tensor library.
//!
//! | method | module | complexity of a fit, for n rows, d columns, nnz stored values |
//! |---|---|---|
//! | k-means | [`kmeans`](mod@kmeans) | O(iterations n k d) |
//! | exact k nearest neighbours | [`knn`] | O(n m d) for m queries |
//! | principal components | [`pca`] | O(restarts (nnz w + (n + d) w^2)), w = components + 30 |
//! | t-SNE | [`tsne`](mod@tsne) | O(500 n^2) |
//! | random forest | [`forest`] | O(trees sqrt(d) n log n depth) |
//! | L-BFGS | [`lbfgs`] | O(iterations 20 d) beside the function |
//! | one-vs-rest logistic regression | [`logistic`], [`logistic_sgd`] | O(iterations nnz classes) |
//! | softmax regression by SGD | [`softmax_regression`] | O(networks epochs n d classes) |
//! | scores and statistics | [`metrics`], [`statistics`] | O(n), or O(n log n) with ranks |
//! | standardised sparse columns | [`standardize`] | O(nnz) |
//!
//! Sparse matrices are [`scdd_compute::CsrView`], dense ones ndarray's. Rows are cells (samples) and columns are features;
//! errors call them so. Labels are u32 from 0.
//!
//! One seed decides every draw ([`seed`]), and no result depends on the number of threads: sums have a fixed order.
//!
//! Instruction sets: the products of [`knn`] are the `gemm` crate's (AVX-512, AVX2, FMA, NEON); the inner loop of
//! [`softmax_regression`] is compiled for AVX2 with FMA and for any processor ([`scdd_compute::dispatch`]), its SGD step for
//! AVX-512F too; everything else is plain Rust for the target's own set.
#![warn(missing_docs)]

mod error;
pub mod forest;
pub mod kmeans;
pub mod knn;
pub mod lbfgs;
pub mod logistic;
pub mod logistic_sgd;
pub mod metrics;
pub mod pca;
pub mod seed;
pub mod softmax_regression;
pub mod standardize;
pub mod statistics;
pub mod tsne;

pub use error::{LearnError, SettingError, check_labels, check_training_set};

/// The crates whose types appear in the public API.
pub use ndarray;
pub use rand;
pub use scdd_compute;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
