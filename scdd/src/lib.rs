//! Distils single-cell data sets into a few synthetic cells per class.
//!
//! Data flows one way, and each stage is a type, so that a wrong next step is a missing method:
//!
//! ```text
//! Cells<Counts> -> Cells<LogNormalized> -> Study -> Scdg -> Distilled -> Evaluation, Figure
//! ```
#![warn(missing_docs)]
#![recursion_limit = "256"]

pub mod cells;
pub mod device;
pub mod distill;
pub mod error;
pub mod evaluate;
pub mod foundation;
pub mod prelude;
pub mod preprocess;
pub mod progress;
pub mod scdg;
pub mod seed;
pub mod study;
mod tensors;
pub mod visualize;

pub use cells::{Cells, Counts, H5ad, Labels, LogNormalized, demo_cells, read_h5ad, simulate};
pub use device::{default_device, device};
pub use distill::{Distilled, DistributionMatching, GradientMatching, SmallClasses};
pub use error::{Error, Result};
pub use scdg::{Noise, Scdg};
pub use study::Study;

/// The crates whose types appear in the public API.
pub use burn;
pub use ndarray;
pub use plotly;
pub use polars;
