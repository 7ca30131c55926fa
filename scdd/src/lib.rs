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
pub mod distill;
pub mod error;
pub mod evaluate;
pub mod foundation;
pub mod prelude;
pub mod preprocess;
pub mod scdg;
pub mod seed;
pub mod visualize;

pub use cells::{Cells, Counts, LogNormalized};
pub use error::{Error, Result};

/// The crates whose types appear in the public API.
pub use burn;
pub use ndarray;
pub use plotly;
pub use polars;
